"""One step: on many devices, in parts, with dropout."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax.benchmarking.collectives import count_traffic
from unimse_jax.config import LossConfig
from unimse_jax.parallel import sharding, trees
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.training.losses import WrittenLabels
from unimse_jax.training.train_state import create
from unimse_jax.training.train_step import make_train_step

_LOSS = LossConfig(
  alpha=0.5,
  beta=0.5,
  temperature=0.1,
  normalize=True,
  count_positive_twice=False,
  absent="left_out",
  completed_weight=1.0,
)
_PLAIN = LossConfig(
  alpha=0.0,
  beta=0.0,
  temperature=0.1,
  normalize=True,
  count_positive_twice=False,
  absent="left_out",
  completed_weight=1.0,
)


@pytest.fixture(scope="module")
def batch(make_batch):
  return make_batch(rows=8)


def without_dropout(tiny_model, tiny_t5, **changes):
  t5 = dataclasses.replace(tiny_t5, dropout=0.0)
  return tiny_model(t5=t5, modality_dropout=0.0, **changes)


def run(model, params, batch, mesh, microbatches=1, loss=_LOSS, steps=1):
  """State and metrics after `steps` steps; SGD shows the gradient itself."""
  optimizer = optax.sgd(0.1)
  state = create(params, optimizer)
  places = sharding.state_sharding(jax.eval_shape(lambda: state), mesh)
  step = make_train_step(
    places,
    mesh,
    model=model,
    optimizer=optimizer,
    objective=WrittenLabels(loss),
    microbatches=microbatches,
  )
  # Copies: the step takes the memory of the state it is given.
  state = jax.device_put(jax.tree.map(jnp.copy, state), places)
  key = jax.device_put(jax.random.key(3), sharding.replicated(mesh))
  for _ in range(steps):
    state, metrics = step(state, sharding.shard_batch(batch, mesh), key)
  return state, metrics


def assert_close(left, right, **tolerance) -> None:
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      np.asarray(a), np.asarray(b), **tolerance
    ),
    left,
    right,
  )


@pytest.mark.devices(8)
def test_eight_devices_do_what_one_does(tiny_model, tiny_t5, fill, batch):
  model = without_dropout(tiny_model, tiny_t5)
  params = fill(model, batch)
  one, one_metrics = run(model, params, batch, make_mesh(devices=1))
  many, metrics = run(model, params, batch, make_mesh(fsdp=2, model=2))
  kernel = many.params["t5"]["encoder"]["layers_0"]["feed_forward"]["wi"]
  shards = kernel["kernel"].addressable_shards
  assert len({str(shard.index) for shard in shards}) == 4
  # float32 sums over rows and widths in another order.
  assert_close(many.params, one.params, rtol=1e-4, atol=1e-5)
  assert_close(metrics, one_metrics, rtol=1e-4, atol=1e-5)
  assert int(many.step) == 1


@pytest.mark.devices(8)
def test_fsdp_sends_parameters_and_not_the_rows_of_the_batch(
  tiny_model, tiny_t5, fill, make_batch
):
  model = without_dropout(tiny_model, tiny_t5, contrastive=False)
  params, mesh = fill(model, make_batch()), make_mesh(fsdp=8)
  optimizer = optax.sgd(0.1)
  state = jax.eval_shape(lambda: create(params, optimizer))
  places = sharding.state_sharding(state, mesh)
  step = make_train_step(
    places,
    mesh,
    model=model,
    optimizer=optimizer,
    objective=WrittenLabels(_PLAIN),
    microbatches=1,
  )
  key = jax.eval_shape(lambda: jax.random.key(0))
  compiled = step.lower(state, make_batch(rows=64), key).compile()
  traffic = count_traffic(compiled.as_text(), devices=8)
  sent = sum(each.sent_bytes for each in traffic.values())
  size = 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
  # Each is gathered once, and its gradient summed by a ring that sends twice
  # its size; the embedding has three uses. XLA's own choice sends 65 times.
  assert sent < 3 * size


def test_microbatches_have_the_gradient_of_the_whole(
  tiny_model, tiny_t5, fill, batch
):
  """Rows have unequal numbers of target tokens: means of means would differ.

  Without the contrastive loss, whose negatives come from the part alone.
  """
  model = without_dropout(tiny_model, tiny_t5, contrastive=False)
  params = fill(model, batch)
  mesh = make_mesh(devices=1)
  whole, whole_metrics = run(model, params, batch, mesh, loss=_PLAIN)
  parts, metrics = run(model, params, batch, mesh, 4, loss=_PLAIN)
  # The same sums, four at a time.
  assert_close(parts.params, whole.params, rtol=1e-5, atol=1e-6)
  assert_close(metrics, whole_metrics, rtol=1e-5, atol=1e-6)
  assert batch["loss_weights"].sum(1).std() > 0


@pytest.mark.parametrize(
  ("sizes", "parts"),
  [
    ({"devices": 1}, 1),
    ({"devices": 1}, 2),
    pytest.param({"fsdp": 2, "model": 2}, 1, marks=pytest.mark.devices(4)),
  ],
)
def test_packed_texts_have_the_step_of_texts_in_rows_of_their_own(
  tiny_model, tiny_t5, fill, batch, pack, sizes, parts
):
  model, mesh = without_dropout(tiny_model, tiny_t5), make_mesh(**sizes)
  params = fill(model, batch)
  devices = sharding.batch_divisor(mesh)
  packed = pack(batch, devices, parts, room=24)
  assert packed["packed_places"].shape[1] < len(batch["audio"])
  expected, expected_metrics = run(model, params, batch, mesh, parts)
  found, metrics = run(model, params, packed, mesh, parts)
  # float32 sums over other shapes; SGD's step is a tenth of the gradient.
  assert_close(found.params, expected.params, rtol=1e-5, atol=1e-6)
  assert_close(metrics, expected_metrics, rtol=1e-5, atol=1e-6)


@pytest.mark.devices(4)
def test_devices_pack_their_own_texts(tiny_model, tiny_t5, fill, batch, pack):
  """Packing must not make devices send each other texts."""
  model, mesh = without_dropout(tiny_model, tiny_t5), make_mesh(devices=4)
  params = fill(model, batch)

  def gathered(batch) -> int:
    def loss(params, batch):
      output = model.apply({"params": params}, batch)
      return output.logits.sum()

    placed = sharding.shard_batch(batch, mesh)
    text = jax.jit(jax.grad(loss)).lower(params, placed).compile().as_text()
    return sum(text.count(f" {kind}") for kind in ("all-gather", "all-to-all"))

  assert gathered(pack(batch, devices=4, room=24)) == gathered(batch)


@pytest.mark.parametrize(("remat", "parts"), [("dots", 1), ("full", 2)])
def test_layers_computed_twice_have_the_same_loss(
  tiny_model, fill, batch, remat, parts
):
  """With dropout: the second pass must draw what the first drew."""
  params = fill(tiny_model(), batch)
  mesh = make_mesh(devices=1)
  kept, kept_metrics = run(tiny_model(), params, batch, mesh, parts)
  twice, metrics = run(tiny_model(remat=remat), params, batch, mesh, parts)
  assert metrics["loss"] == kept_metrics["loss"]
  # The same float32 sums, which the compiler may order in another way.
  assert_close(twice.params, kept.params, rtol=1e-5, atol=1e-6)


def test_the_less_is_kept_the_more_is_computed(tiny_model, fill, batch):
  def operations(remat: str) -> float:
    model = tiny_model(remat=remat)

    def loss(params, batch):
      return model.apply({"params": params}, batch).logits.sum()

    lowered = jax.jit(jax.grad(loss)).lower(fill(model, batch), batch)
    return lowered.cost_analysis()["flops"]

  none, dots, full = map(operations, ("none", "dots", "full"))
  assert none < dots < full


def test_dropout_is_drawn_anew_each_step_and_again_after_a_restart(
  tiny_model, fill, batch
):
  model = tiny_model()
  params = fill(model, batch)
  mesh = make_mesh(devices=1)
  optimizer = optax.sgd(0.0)  # parameters stay: only dropout can differ
  state = create(params, optimizer)
  places = sharding.state_sharding(jax.eval_shape(lambda: state), mesh)
  step = make_train_step(
    places,
    mesh,
    model=model,
    optimizer=optimizer,
    objective=WrittenLabels(_LOSS),
    microbatches=1,
  )
  key = jax.device_put(jax.random.key(3), sharding.replicated(mesh))
  rows = sharding.shard_batch(batch, mesh)

  def loss_at(number: int) -> float:
    start = create(jax.tree.map(jnp.copy, params), optimizer)
    start = start.replace(step=jnp.int32(number))
    return float(step(jax.device_put(start, places), rows, key)[1]["loss"])

  assert loss_at(0) == loss_at(0)
  assert loss_at(0) != loss_at(1)


def test_frozen_parameters_cost_no_gradient(tiny_model, tiny_t5, fill, batch):
  model, mesh = without_dropout(tiny_model, tiny_t5), make_mesh(devices=1)
  params = fill(model, batch)
  learns = trees.match(((r"^t5/", False), (r".*", True)), params)
  optimizer = optax.sgd(0.1)
  state = create(params, optimizer)
  places = sharding.state_sharding(jax.eval_shape(lambda: state), mesh)
  key = jax.random.key(3)
  found, operations = {}, {}
  for name, tree in (("some", learns), ("all", None)):
    step = make_train_step(
      places,
      mesh,
      model=model,
      optimizer=optimizer,
      objective=WrittenLabels(_LOSS),
      microbatches=1,
      learns=tree,
    )
    lowered = step.lower(state, batch, key)
    operations[name] = lowered.cost_analysis()["flops"]
    copy = jax.tree.map(jnp.copy, state)
    found[name] = lowered.compile()(copy, batch, key)
  # Two thirds of T5's backward pass go on: the adapters lie behind it.
  assert operations["some"] < 0.9 * operations["all"]
  (some, metrics), (every, others) = found["some"], found["all"]
  assert_close(some.params["t5"], params["t5"], rtol=0)
  del some.params["t5"], every.params["t5"]
  assert_close(some.params, every.params, rtol=1e-6, atol=1e-7)
  assert metrics["gradient/t5"] == 0 < others["gradient/t5"]
  assert metrics["gradient/adapters"] > 0
