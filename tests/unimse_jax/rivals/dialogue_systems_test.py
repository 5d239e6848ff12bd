"""What every system that reads whole dialogues keeps to."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax.rivals import SYSTEMS, registry
from unimse_jax.rivals.streams import TEXT, Stream

NAMES = [name for name, system in SYSTEMS.items() if system.dialogues]
WIDTH = 8
# Smaller than the papers', where that saves time.
OPTIONS = {
  "dialogue_gcn": {"layers": 1},
  "dialogue_crn": {"layers": 1, "situation_turns": 2, "speaker_turns": 2},
  "mmgcn": {"layers": 2},
  "mm_dfn": {"layers": 2, "encoder_layers": 1, "video_speaker": 1.0},
  "cogmen": {"layers": 1},
}
SIZES = {TEXT: 5, "audio": 3, "video": 4}
ALL = tuple(SIZES)
FRAMES = 4
# Row 2 of nine has no voice, row 5 nothing but words; 4 and 8 are padding.
LENGTHS = {
  TEXT: [4, 3, 2, 4, 0, 3, 1, 4, 0],
  "audio": [4, 2, 0, 3, 0, 0, 2, 3, 0],
  "video": [1, 3, 2, 4, 0, 0, 4, 2, 0],
}
DIALOGUES = ([3, 0, 5, 1], [2, 7], [6])
SPEAKERS = ([0, 1, 0, 2], [0, 0], [0])
REAL = np.concatenate(DIALOGUES)


def make_system(name: str, dropout: float = 0.0):
  options = tuple(OPTIONS.get(name, {}).items())
  return registry.make(name, WIDTH, dropout, options)


def make_streams(names=ALL) -> dict[str, Stream]:
  rng = np.random.default_rng(0)
  streams = {}
  for name in ALL:
    frames = rng.standard_normal((9, FRAMES, SIZES[name])).astype(np.float32)
    mask = np.arange(FRAMES) < np.array(LENGTHS[name])[:, None]
    if name in names:
      streams[name] = Stream(jnp.asarray(frames), jnp.asarray(mask))
  return streams


def make_batch(
  dialogues=DIALOGUES, speakers=SPEAKERS, count: int = 4, places: int = 5
) -> dict[str, jax.Array]:
  """Dialogues padded to [count, places]."""
  batch = {
    "dialogue_rows": np.full((count, places), -1, np.int32),
    "dialogue_speakers": np.zeros((count, places), np.int32),
  }
  for number, (rows, names) in enumerate(zip(dialogues, speakers, strict=True)):
    batch["dialogue_rows"][number, : len(rows)] = rows
    batch["dialogue_speakers"][number, : len(rows)] = names
  return {name: jnp.asarray(each) for name, each in batch.items()}


def shapes_of(name: str, streams, batch):
  """Shapes of the parameters; tracing alone costs next to nothing."""
  init = functools.partial(make_system(name).init, deterministic=True)
  return jax.eval_shape(init, jax.random.key(0), streams, batch)["params"]


def draw(shapes, seed: int = 1):
  """Parameters of any module, without zeros that would hide a part of it.

  To compile a module's own start takes longer than all else of a test.
  """
  rng = np.random.default_rng(seed)

  def one(leaf) -> jax.Array:
    scale = leaf.shape[0] ** -0.5 if len(leaf.shape) > 1 else 0.4
    return jnp.asarray(scale * rng.standard_normal(leaf.shape), leaf.dtype)

  return jax.tree.map(one, shapes)


@functools.cache
def compiled(name: str):
  params = draw(shapes_of(name, make_streams(), make_batch()))
  apply = functools.partial(make_system(name).apply, deterministic=True)
  return jax.jit(functools.partial(apply, {"params": params}))


def vector(name: str, streams, batch) -> np.ndarray:
  return np.asarray(compiled(name)(streams, batch).vector)


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name):
  found = vector(name, make_streams(), make_batch())
  assert np.isfinite(found).all()
  np.testing.assert_array_equal(found[[4, 8]], 0.0)  # of no dialogue
  streams = {
    key: stream.replace(
      frames=jnp.where(stream.mask[..., None], stream.frames, 1e3)
    )
    for key, stream in make_streams().items()
  }
  padded = vector(name, streams, make_batch(count=6, places=7))
  # Sums over more terms, which are zeros, may add up in another order.
  np.testing.assert_allclose(padded, found, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_other_dialogues_and_the_places_of_rows_change_nothing(name):
  found = vector(name, make_streams(), make_batch())
  alone = vector(name, make_streams(), make_batch(DIALOGUES[:1], SPEAKERS[:1]))
  np.testing.assert_allclose(
    alone[DIALOGUES[0]], found[DIALOGUES[0]], atol=1e-5
  )
  order = np.array([8, 2, 7, 0, 1, 3, 6, 5, 4])  # new place -> old
  streams = jax.tree.map(lambda leaf: leaf[order], make_streams())
  new = np.argsort(order)
  dialogues = [[int(new[row]) for row in rows] for rows in DIALOGUES]
  moved = vector(name, streams, make_batch(dialogues))
  np.testing.assert_allclose(moved, found[order], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_modality_and_its_dialogue_are_read(name):
  streams, batch = make_streams(), make_batch()
  found = vector(name, streams, batch)
  for modality, stream in streams.items():
    # The first utterance of the first dialogue, which has all modalities.
    frames = stream.frames.at[3].multiply(-1.0)
    changed = streams | {modality: stream.replace(frames=frames)}
    moved = np.abs(vector(name, changed, batch) - found).max(axis=1)
    assert (moved[DIALOGUES[0]] > 1e-7).all()
    # One program, so the other dialogues stay the same bit for bit.
    assert (moved[DIALOGUES[1] + DIALOGUES[2]] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_order_and_speakers_are_read(name):
  streams, batch = make_streams(), make_batch()
  found = vector(name, streams, batch)
  for dialogues, speakers in (
    ([[0, 3, 5, 1], *DIALOGUES[1:]], SPEAKERS),
    (DIALOGUES, [[0, 1, 1, 2], *SPEAKERS[1:]]),
  ):
    changed = vector(name, streams, make_batch(dialogues, speakers))
    assert np.abs(changed - found)[DIALOGUES[0]].max() > 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_and_reach_every_parameter(name):
  system = make_system(name, dropout=0.1)
  streams, batch = make_streams(), make_batch()
  shapes = shapes_of(name, streams, batch)

  @jax.jit
  @jax.grad
  def gradient(params, key):
    fused = system.apply(
      {"params": params}, streams, batch, False, rngs={"dropout": key}
    )
    weights = jax.random.normal(key, fused.vector.shape)
    return jnp.square(fused.vector * weights).sum()

  largest = jax.tree.map(
    lambda *leaves: max(float(np.abs(each).max()) for each in leaves),
    *(gradient(draw(shapes, seed), jax.random.key(seed)) for seed in range(3)),
  )
  for path, leaf in jax.tree_util.tree_leaves_with_path(largest):
    assert np.isfinite(leaf) and leaf > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", NAMES)
def test_any_set_of_modalities_gives_vectors(name):
  for names in ((TEXT,), (TEXT, "audio")):  # the others: all three
    streams, batch = make_streams(names), make_batch()
    init = functools.partial(
      make_system(name).init_with_output, deterministic=True
    )
    fused, _ = jax.eval_shape(init, jax.random.key(0), streams, batch)
    assert fused.vector.ndim == 2 and len(fused.vector) == 9


def answers(count: int, seed: int) -> tuple[dict, dict, np.ndarray]:
  """Dialogues of a question and an answer, and the class of each answer.

  It is the product of the sign in its own words and of that in the question.
  Neither sign alone tells anything of the class.
  """
  rng = np.random.default_rng(seed)
  signs = rng.choice([-1.0, 1.0], (count, 2))
  frames = 0.3 * rng.standard_normal((2 * count, 2, SIZES[TEXT]))
  frames[..., 0] += signs.reshape(-1, 1)
  words = jnp.asarray(frames, jnp.float32)
  streams = {TEXT: Stream(words, jnp.ones((2 * count, 2), bool))}
  rows = np.arange(2 * count).reshape(count, 2)
  speakers = np.tile([0, 1], (count, 1))
  batch = make_batch(rows, speakers, count, places=2)
  return streams, batch, signs.prod(axis=1) > 0


def accuracy_after_training(name: str, whole: bool) -> float:
  """Of new answers, after 150 steps on the same 128 dialogues."""
  system = make_system(name)
  streams, batch, classes = answers(128, seed=0)
  batch = batch if whole else cut(batch)
  init = functools.partial(system.init_with_output, deterministic=True)
  fused, shapes = jax.eval_shape(init, jax.random.key(0), streams, batch)
  head = jax.ShapeDtypeStruct(fused.vector.shape[1:], jnp.float32)
  params = draw({"system": shapes["params"], "head": head})
  optimizer = optax.adam(1e-2)

  def logits(params, streams, batch):
    fused = system.apply({"params": params["system"]}, streams, batch, True)
    return (fused.vector @ params["head"])[1::2]

  def loss(params):
    found = logits(params, streams, batch)
    return optax.sigmoid_binary_cross_entropy(found, classes).mean()

  def step(carry, _):
    params, state = carry
    updates, state = optimizer.update(jax.grad(loss)(params), state)
    return (optax.apply_updates(params, updates), state), None

  @jax.jit
  def train(params, others):
    carry = (params, optimizer.init(params))
    params = jax.lax.scan(step, carry, length=150)[0][0]
    return logits(params, others, batch) > 0

  others, _, their_classes = answers(128, seed=1)
  return float(np.mean(train(params, others) == their_classes))


def cut(batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
  """Every utterance in a dialogue of its own."""
  rows = batch["dialogue_rows"].reshape(-1, 1)
  return {"dialogue_rows": rows, "dialogue_speakers": jnp.zeros_like(rows)}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_from_the_utterance_before(name):
  assert accuracy_after_training(name, whole=True) > 0.95


@pytest.mark.slow
def test_the_utterance_alone_does_not_tell_it():
  assert accuracy_after_training("dialogue_gcn", whole=False) < 0.7
