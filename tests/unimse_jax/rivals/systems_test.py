"""What every system that reads one utterance at a time keeps to."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models import T5Config
from unimse_jax.rivals import SYSTEMS, RivalShape, registry
from unimse_jax.rivals.streams import TEXT, Stream

NAMES = [name for name, system in SYSTEMS.items() if not system.dialogues]
WIDTH = 16
# Smaller than the papers', where that saves time.
OPTIONS = {
  "tfn": {"text_embedding": 8, "embedding": 8},
  "mult": {"layers": 1, "heads": 2},
  "mmim": {"history": 4},  # full after the second step
}
EXAMPLES = 10  # in the training split
LENGTHS = {TEXT: 6, "audio": 9, "video": 4}
SIZES = {TEXT: 5, "audio": 3, "video": 4}
ALL = tuple(SIZES)
# Of five rows: all modalities, two of them, text alone, all, none (padding).
ROWS = {
  TEXT: [4, 3, 6, 5, 0],
  "audio": [9, 7, 0, 3, 0],
  "video": [2, 0, 0, 4, 0],
}


def make_system(name: str, dropout: float = 0.0):
  options = tuple(OPTIONS.get(name, {}).items())
  return registry.make(name, WIDTH, dropout, options)


def make_streams(longer: int = 0, garbage: float = 0.0) -> dict[str, Stream]:
  """Streams of `ROWS`, padded by `longer` more frames filled with `garbage`."""
  rng = np.random.default_rng(0)
  streams = {}
  for name in ALL:
    real = rng.standard_normal((5, LENGTHS[name], SIZES[name]))
    frames = np.full((5, LENGTHS[name] + longer, SIZES[name]), garbage)
    mask = np.arange(frames.shape[1]) < np.array(ROWS[name])[:, None]
    frames[:, : LENGTHS[name]] = real
    frames = np.where(mask[..., None], frames, garbage).astype(np.float32)
    streams[name] = Stream(jnp.asarray(frames), jnp.asarray(mask))
  return streams


def make_batch() -> dict[str, jax.Array]:
  """What the losses of the systems read, for the rows of `make_streams`."""
  return {
    "intensity": jnp.array([1.5, -2.0, 0.0, -0.5, 0.0]),
    "intensity_weight": jnp.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    "emotion_meld": jnp.array([0, 1, 0, 2, 0], jnp.int32),
    "emotion_meld_weight": jnp.array([1.0, 1.0, 0.0, 1.0, 0.0]),
    "example": jnp.array([3, 0, 9, 4, -1], jnp.int32),
  }


def start(name: str, streams: dict[str, Stream]) -> dict:
  """Random parameters, and the memory where the system has one."""
  system = make_system(name)
  shapes = jax.eval_shape(
    lambda: system.init(jax.random.key(0), streams, {}, True)
  )
  rng = np.random.default_rng(1)
  params = jax.tree.map(
    lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype),
    shapes["params"],
  )
  return {"params": params} | memory_of(name, streams)


def memory_of(name: str, streams: dict[str, Stream]) -> dict:
  module = SYSTEMS[name].module
  if not hasattr(module, "memory"):
    return {}
  options = tuple(OPTIONS.get(name, {}).items())
  modalities = tuple(each for each in streams if each != TEXT)
  shape = RivalShape(
    t5=T5Config(),
    system=name,
    width=WIDTH,
    dropout=0.0,
    options=options,
    modalities=modalities,
  )
  return {"memory": module.memory(shape, EXAMPLES)}


@functools.cache
def _reader(name: str):
  system = make_system(name)

  @jax.jit
  def read(variables, streams):
    # jit sorts the keys of a dict; a model makes its own, the words first.
    streams = {each: streams[each] for each in ALL}
    return system.apply(variables, streams, {}, True).vector

  return read


def vector(name: str, variables: dict, streams: dict[str, Stream]) -> jax.Array:
  """Of every row, as predictions are made."""
  return _reader(name)({"params": variables["params"]}, streams)


def train_step(name: str):
  """(variables, streams, batch, key) -> vector and losses, and the memory."""
  system = make_system(name, dropout=0.1)

  def step(variables, streams, batch, key):
    fused, memory = system.apply(
      variables, streams, batch, False, rngs={"dropout": key}, mutable="memory"
    )
    return fused, variables | memory

  return step


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_other_rows_change_nothing(name):
  streams = make_streams()
  variables = start(name, streams)
  found = vector(name, variables, streams)
  assert found.shape == (5, WIDTH) and np.isfinite(found).all()
  kept = jnp.array([1, 3])
  longer = make_streams(longer=3, garbage=1e3)
  pair = jax.tree.map(lambda leaf: leaf[kept], longer)
  # Sums over more terms, which are zeros, may add up in another order.
  np.testing.assert_allclose(
    vector(name, variables, pair), found[kept], rtol=1e-5, atol=1e-5
  )


@pytest.mark.parametrize("name", NAMES)
def test_every_modality_is_read(name):
  streams = make_streams()
  variables = start(name, streams)
  found = vector(name, variables, streams)
  for modality, stream in streams.items():
    changed = streams | {modality: stream.replace(frames=-stream.frames)}
    moved = np.abs(vector(name, variables, changed) - found).max(axis=1)
    has = np.array(ROWS[modality]) > 0
    assert (moved[has] > 1e-6).all() and (moved[~has] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_and_reach_every_parameter(name):
  streams, batch, step = make_streams(), make_batch(), train_step(name)
  variables = start(name, streams)
  weights = np.random.default_rng(3).standard_normal((5, WIDTH))

  def loss(params, variables, key):
    fused, variables = step(variables | {"params": params}, streams, batch, key)
    # The square keeps the gradient of a bias off zero by symmetry.
    value = jnp.square(fused.vector * weights).sum()
    return value + sum(fused.auxiliary.values()), variables

  gradient = jax.jit(jax.grad(loss, has_aux=True))
  for seed in range(3):  # some losses start once the memory is filled
    found, variables = gradient(
      variables["params"], variables, jax.random.key(seed)
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
  for path, leaf in jax.tree_util.tree_leaves_with_path(found):
    assert np.abs(leaf).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize(
  "name", [name for name in NAMES if hasattr(SYSTEMS[name].module, "memory")]
)
def test_corpora_without_intensities_will_do(name):
  streams = make_streams()
  batch = {
    field: values
    for field, values in make_batch().items()
    if not field.startswith("intensity")
  }
  fused, variables = jax.eval_shape(
    lambda: train_step(name)(
      start(name, streams), streams, batch, jax.random.key(0)
    )
  )
  assert all(loss.shape == () for loss in fused.auxiliary.values())
  assert "params" in variables
