"""Which parameter moves how far."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import authors
from unimse_jax import config as config_lib
from unimse_jax.config import OptimizerConfig
from unimse_jax.models import UniMSE
from unimse_jax.parallel import sharding, trees
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.pipeline.model_shape import model_config, random_t5
from unimse_jax.training import optimizer as optimizer_lib
from unimse_jax.training.optimizer import make_optimizer, make_schedule
from unimse_jax.training.train_state import create

_CONFIG = OptimizerConfig(
  kind="adamw",
  lr_t5=3e-1,
  lr_pmf=2e-1,
  lr_main=1e-1,
  lr_segment=4e-1,
  trainable=".*",
  frozen="^$",
  weight_decay=0.0,
  decayed=r"^(?!.*(scale|bias|relative_bias/embedding)$)",
  clip_norm=0.0,
  schedule="constant",
  warmup_steps=0,
)
_PATHS = (
  "t5/encoder/layers_0/feed_forward/wi/kernel",
  "t5/encoder/layers_0/feed_forward_norm/scale",
  "t5/encoder/relative_bias/embedding",
  "t5/shared/embedding",
  "fusion_layers_1/down/kernel",
  "fusion_layers_1/down/bias",
  "modality_encoder_audio/lstm/recurrent",
  "contrastive_text/conv/kernel",
  "segment_embedding/embedding",
)


def nested(value: float) -> dict:
  tree: dict = {}
  for path in _PATHS:
    *folders, leaf = path.split("/")
    node = tree
    for name in folders:
      node = node.setdefault(name, {})
    node[leaf] = jnp.full((2,), value)
  return tree


def step(config: OptimizerConfig, params, grads, steps: int = 1):
  optimizer = make_optimizer(config, params, 10)
  state = optimizer.init(params)
  for _ in range(steps):
    updates, state = optimizer.update(grads, state, params)
    params = optax.apply_updates(params, updates)
  flat = zip(trees.paths(params), jax.tree.leaves(params), strict=True)
  return {path: np.asarray(leaf) for path, leaf in flat}, state


def test_each_group_has_its_learning_rate():
  moved, _ = step(_CONFIG, nested(1.0), nested(0.5))
  for path, value in moved.items():
    rate = 0.1
    if path.startswith("t5/"):
      rate = 0.3
    elif path.startswith("fusion"):
      rate = 0.2
    elif path.startswith("segment"):
      rate = 0.4
    # Adam's first step is the learning rate times the gradient's sign, but for
    # its epsilon and float32 powers.
    np.testing.assert_allclose(value, 1 - rate, atol=1e-5, err_msg=path)


def test_decay_takes_matrices_and_spares_norms_and_biases():
  config = dataclasses.replace(_CONFIG, weight_decay=0.1)
  moved, _ = step(config, nested(1.0), nested(0.0))
  for path, value in moved.items():
    spared = path.endswith(("scale", "bias", "relative_bias/embedding"))
    assert (value[0] == 1) == spared, path
  # AdamW: rate x decay x value, whatever the gradient.
  np.testing.assert_allclose(moved[_PATHS[0]], 1 - 0.3 * 0.1, rtol=1e-6)


def test_adam_l2_puts_the_decay_into_the_gradient():
  config = dataclasses.replace(_CONFIG, kind="adam_l2", weight_decay=0.1)
  moved, _ = step(config, nested(1.0), nested(0.0))
  # The gradient is 0.1, so its normalised step is a whole learning rate.
  np.testing.assert_allclose(moved[_PATHS[0]], 1 - 0.3, atol=1e-5)


def test_clipping_is_by_the_norm_of_all():
  config = dataclasses.replace(_CONFIG, clip_norm=1e-9)
  grads = nested(0.5)
  moved, _ = step(config, nested(1.0), grads)
  # Adam's epsilon is 1e-8: gradients of 1e-9 / sqrt(18) barely count.
  assert 0 < 1 - moved[_PATHS[0]][0] < 0.01
  unclipped, _ = step(
    dataclasses.replace(config, clip_norm=0.0), nested(1.0), grads
  )
  assert 1 - unclipped[_PATHS[0]][0] > 0.29


@pytest.mark.parametrize("limit", [0.5, 50.0])
def test_clipping_is_that_of_optax(limit):
  rng = np.random.default_rng(0)
  grads = jax.tree.map(
    lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype),
    nested(1.0),
  )
  found, expected = (
    make.update(grads, make.init(grads))
    for make in (
      optimizer_lib._clip_by_global_norm(limit),
      optax.clip_by_global_norm(limit),
    )
  )
  # A product with a rounded quotient against two rounded operations.
  jax.tree.map(
    lambda left, right: np.testing.assert_allclose(left, right, 3e-7),
    found[0],
    expected[0],
  )
  assert found[1] == expected[1]  # checkpoints hold it
  assert (optax.tree.norm(grads) > limit) == (limit < 1)


def test_frozen_parameters_stay_to_the_bit_and_have_no_moments():
  config = dataclasses.replace(
    _CONFIG, trainable="^fusion", weight_decay=0.1, clip_norm=1.0
  )
  moved, state = step(config, nested(1.0), nested(0.5), steps=3)
  for path, value in moved.items():
    assert (value == 1).all() == (not path.startswith("fusion")), path
  moments = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (2,)]
  assert len(moments) == 2 * 2  # two moments of two parameters


def test_frozen_gradients_do_not_count_in_the_norm():
  config = dataclasses.replace(_CONFIG, trainable="^fusion", clip_norm=1.0)
  grads = nested(0.5)
  huge = jax.tree.map(lambda leaf: leaf * 1e6, grads)
  huge |= {"fusion_layers_1": grads["fusion_layers_1"]}
  few, _ = step(config, nested(1.0), grads)
  many, _ = step(config, nested(1.0), huge)
  for path in few:
    np.testing.assert_array_equal(few[path], many[path])


def test_an_expression_that_matches_nothing_is_refused():
  config = dataclasses.replace(_CONFIG, trainable="^encoder")
  with pytest.raises(ValueError, match=r"config\.optimizer\.trainable"):
    make_optimizer(config, nested(1.0), 10)


def test_the_authors_train_33_million_parameters_of_t5():
  """D27: blocks 10 and 11 of both stacks; fidelity.md 2.6 counts 33.0 M."""
  config = config_lib.validate(authors.get_config().to_dict())
  model = UniMSE(model_config(config, random_t5(config, 32128)))
  tokens = jnp.ones((1, 1), jnp.int32)
  batch = dict.fromkeys(
    ("encoder_input_tokens", "segment_ids", "decoder_input_tokens"), tokens
  )
  batch["decoder_target_tokens"] = tokens
  masks = ("encoder_mask", "audio_mask", "video_mask")
  batch |= dict.fromkeys(masks, tokens > 0)
  batch |= {name: jnp.ones((1, 1, 64)) for name in ("audio", "video")}
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), batch))
  shapes = shapes["params"]
  frozen, learns = config.optimizer.frozen, config.optimizer.trainable
  rules = ((frozen, False), (learns, True), (".*", False))
  chosen = trees.match(rules, shapes)
  t5 = sum(
    leaf.size
    for leaf, keep in zip(
      jax.tree.leaves(shapes["t5"]), jax.tree.leaves(chosen["t5"]), strict=True
    )
    if keep
  )
  # Matrices and norms of two encoder and two decoder blocks of T5-base.
  assert t5 == 2 * (7_079_424 + 9_439_488)
  del chosen["t5"]
  for path, keep in zip(
    trees.paths(chosen), jax.tree.leaves(chosen), strict=True
  ):
    assert keep != path.startswith("contrastive"), path  # D13: frozen


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({}, [1, 1, 1, 1, 1, 1]),
    ({"warmup_steps": 2}, [0.5, 0.75, 1, 1, 1, 1]),
    ({"schedule": "linear"}, [1, 0.9, 0.8, 0.7, 0.6, 0.5]),
    (
      {"schedule": "linear", "warmup_steps": 2},
      [0.5, 0.75, 1, 0.875, 0.75, 0.625],
    ),
  ],
)
def test_schedules(changes, expected):
  config = dataclasses.replace(_CONFIG, **changes)
  schedule = make_schedule(2.0, config, 10)
  found = [float(schedule(step)) / 2 for step in range(6)]
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_adafactor_moves_by_the_learning_rate():
  config = dataclasses.replace(_CONFIG, kind="adafactor")
  moved, _ = step(config, nested(1.0), nested(0.5))
  # The first step divides the gradient by its own root mean square.
  np.testing.assert_allclose(moved[_PATHS[0]], 1 - 0.3, atol=1e-4)


def test_frozen_wins_over_trainable():
  config = dataclasses.replace(_CONFIG, frozen="^t5/|^contrastive")
  moved, _ = step(config, nested(1.0), nested(0.5))
  for path, value in moved.items():
    assert (value == 1).all() == path.startswith(("t5/", "contrastive")), path


@pytest.fixture(scope="module")
def wide_shapes(tiny_model, tiny_t5, make_batch):
  """Matrices of at least 128 x 128, which Adafactor keeps in two vectors."""
  shape = {"width": 256, "heads": 4, "head_width": 64, "hidden": 256}
  shape |= {"vocab_size": 256, "encoder_layers": 1}
  model = tiny_model(t5=dataclasses.replace(tiny_t5, **shape))
  return jax.eval_shape(
    lambda: model.init(jax.random.key(0), make_batch())["params"]
  )


def bytes_on_first_device(tree) -> int:
  first = jax.devices()[0]
  return sum(
    shard.data.nbytes
    for leaf in jax.tree.leaves(tree)
    for shard in leaf.addressable_shards
    if shard.device == first
  )


def two_steps(config: OptimizerConfig, shapes, mesh):
  """The state after two steps with gradients of one standard deviation."""
  optimizer = make_optimizer(config, shapes, 10)
  rng = np.random.default_rng(0)

  def draw():
    return jax.tree.map(
      lambda leaf: rng.standard_normal(leaf.shape, leaf.dtype), shapes
    )

  def update(state, grads):
    updates, moments = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return state.replace(params=params, opt_state=moments)

  start = jax.eval_shape(lambda params: create(params, optimizer), shapes)
  places = sharding.state_sharding(start, mesh)
  state = jax.jit(
    lambda params: create(params, optimizer), out_shardings=places
  )(jax.device_put(draw(), places.params))
  step = jax.jit(
    update, in_shardings=(places, places.params), out_shardings=places
  )
  for _ in range(2):
    state = step(state, jax.device_put(draw(), places.params))
  return state


@pytest.mark.devices(8)
@pytest.mark.parametrize("kind", ["adamw", "adam_l2", "adafactor"])
def test_steps_and_memory_of_eight_devices(kind, wide_shapes):
  """Data, fsdp and model axes of two: the same step, a quarter of the state."""
  config = dataclasses.replace(
    _CONFIG, kind=kind, weight_decay=0.1, clip_norm=1.0
  )
  one = two_steps(config, wide_shapes, make_mesh(devices=1))
  eight = two_steps(config, wide_shapes, make_mesh(fsdp=2, model=2))
  # Norms and means are float32 sums in another order; steps are 0.1 to 0.4.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    jax.device_get(eight),
    jax.device_get(one),
  )
  weights = bytes_on_first_device(one.params["t5"])
  # All of T5 but its norms and relative positions.
  split = bytes_on_first_device(eight.params["t5"])
  assert 0.25 * weights < split < 0.26 * weights
  moments = bytes_on_first_device(eight.opt_state)
  if kind == "adafactor":
    assert moments < 0.1 * bytes_on_first_device(one.params)
  else:
    # And the counts of steps, of the moments and of four learning rates.
    counts = moments - 2 * bytes_on_first_device(eight.params)
    assert 0 < counts <= 4 * 5
