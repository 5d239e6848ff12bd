"""Rules place what they say, for parameters and their moments."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from unimse_jax.parallel import sharding, trees
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.training.train_state import create


@pytest.fixture(scope="module")
def shapes(tiny_model, make_batch):
  model = tiny_model()
  return jax.eval_shape(
    lambda: model.init(jax.random.key(0), make_batch())["params"]
  )


def specs(tree, mesh) -> dict[str, P]:
  places = sharding.state_sharding(tree, mesh)
  return dict(
    zip(
      trees.paths(tree),
      [place.spec for place in jax.tree.leaves(places)],
      strict=True,
    )
  )


def test_matrices_are_split_and_small_things_are_not(shapes):
  found = specs(shapes, make_mesh(2, 2))
  layer = "t5/encoder/layers_0"
  expected = {
    "t5/shared/embedding": P("model", "fsdp"),
    f"{layer}/self_attention/query/kernel": P("fsdp", "model"),
    f"{layer}/self_attention/out/kernel": P("model", "fsdp"),
    f"{layer}/feed_forward/wi/kernel": P("fsdp", "model"),
    f"{layer}/feed_forward/wo/kernel": P("model", "fsdp"),
    f"{layer}/feed_forward_norm/scale": P(),
    "t5/encoder/relative_bias/embedding": P(),
    # Not T5's: an LSTM's map is named "out" as well.
    "modality_encoder_audio/out/kernel": P(),
    "fusion_layers_1/out/kernel": P(),
  }
  for path, spec in expected.items():
    assert found[path] == spec, path


def test_an_axis_that_does_not_divide_is_left_out(shapes):
  # 12 = 3 heads x 4 does not divide by 8; 16 does not by 5.
  found = specs(shapes, make_mesh(1, 8))
  path = "t5/encoder/layers_0/self_attention/query/kernel"
  assert found[path] == P("fsdp", None)
  assert found["t5/shared/embedding"] == P("model", "fsdp")  # 40 = 5 x 8


def test_moments_lie_where_their_parameters_lie(shapes):
  mesh = make_mesh(2, 2)
  state = jax.eval_shape(lambda params: create(params, optax.adam(1.0)), shapes)
  found = specs(state, mesh)
  for path, spec in specs(shapes, mesh).items():
    places = {found[name] for name in found if name.endswith(path)}
    assert places == {spec}, path
    assert len([name for name in found if name.endswith(path)]) == 3
  assert found["step"] == P()


def test_what_fsdp_splits_is_whole_where_the_model_reads_it():
  mesh = make_mesh(2, 2)
  rng = np.random.default_rng(0)
  params = {
    "wo": {"kernel": rng.standard_normal((8, 4), np.float32)},
    "norm": {"scale": rng.standard_normal(8, np.float32)},
  }
  places = sharding.state_sharding(params, mesh)
  params = jax.device_put(params, places)

  def read(params):
    return sharding.gather_parameters(params, places, jnp.bfloat16)

  found = jax.jit(read)(params)
  assert found["wo"]["kernel"].sharding.spec == P("model")
  # Read as bfloat16, whatever the state holds; norms as they are.
  kernel = params["wo"]["kernel"].astype(jnp.bfloat16).astype(jnp.float32)
  np.testing.assert_array_equal(found["wo"]["kernel"], kernel)
  np.testing.assert_array_equal(found["norm"]["scale"], params["norm"]["scale"])

  def loss(params):
    read_ones = read(params)
    return (
      read_ones["wo"]["kernel"].sum() + 3 * read_ones["norm"]["scale"].sum()
    )

  gradient = jax.jit(jax.grad(loss))(params)
  assert gradient["wo"]["kernel"].sharding.spec == P("model", "fsdp")
  np.testing.assert_array_equal(gradient["wo"]["kernel"], np.ones((8, 4)))
  np.testing.assert_array_equal(gradient["norm"]["scale"], np.full(8, 3.0))


def test_without_fsdp_parameters_are_read_as_they_are():
  mesh = make_mesh(1, 2)
  params = {"wo": {"kernel": jnp.ones((8, 4))}}
  places = sharding.state_sharding(params, mesh)
  found = sharding.gather_parameters(params, places, jnp.bfloat16)
  assert found["wo"]["kernel"] is params["wo"]["kernel"]


def test_a_batch_is_split_by_rows_and_comes_back():
  mesh = make_mesh(2, 2)
  assert sharding.batch_divisor(mesh) == 4
  assert (
    sharding.divisible_size(5, mesh) == sharding.divisible_size(8, mesh) == 8
  )
  rows = np.arange(24).reshape(8, 3)
  batch = sharding.shard_batch({"rows": rows}, mesh)
  assert batch["rows"].sharding.spec == sharding.BATCH
  assert {shard.data.shape for shard in batch["rows"].addressable_shards} == {
    (2, 3)
  }
  np.testing.assert_array_equal(batch["rows"], rows)
