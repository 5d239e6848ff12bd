"""The parts of a T5 layer against plain restatements."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models import layers


def bucket_of(
  offset: int, bidirectional: bool, buckets: int, farthest: int
) -> int:
  """T5's rule in whole numbers, so without any rounding.

  floor(log(n/e) / log(m/e) * r) is the largest k with (n/e)^r >= (m/e)^k.
  """
  first = 0
  if bidirectional:
    buckets //= 2
    first = buckets if offset > 0 else 0
    distance = abs(offset)
  else:
    distance = max(-offset, 0)
  exact = buckets // 2
  if distance < exact:
    return first + distance
  rest = buckets - exact
  k = 0
  while k < rest and (
    distance**rest * exact ** (k + 1) >= farthest ** (k + 1) * exact**rest
  ):
    k += 1
  return first + min(exact + k, buckets - 1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (8, 20)])
def test_buckets_follow_the_rule_at_every_offset(
  bidirectional, buckets, farthest
):
  offsets = np.arange(-600, 601)
  found = layers.relative_position_bucket(
    jnp.asarray(offsets)[None], bidirectional, buckets, farthest
  )[0]
  expected = [
    bucket_of(int(offset), bidirectional, buckets, farthest)
    for offset in offsets
  ]
  np.testing.assert_array_equal(found, expected)
  assert found.min() >= 0
  assert found.max() == buckets - 1


def test_buckets_are_those_that_published_weights_were_trained_with():
  import torch
  from transformers.models.t5.modeling_t5 import T5Attention

  offsets = np.arange(-600, 601)
  for bidirectional in (True, False):
    theirs = T5Attention._relative_position_bucket(
      torch.as_tensor(offsets), bidirectional, 32, 128
    )
    ours = layers.relative_position_bucket(
      jnp.asarray(offsets), bidirectional, 32, 128
    )
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_rms_norm_divides_by_the_root_mean_square():
  norm = layers.RMSNorm(epsilon=0.0, dtype=jnp.float32)
  params = {"scale": jnp.array([1.0, 2.0])}
  # rms of (3, 4) is sqrt(12.5); no mean is taken off.
  out = norm.apply({"params": params}, jnp.array([[3.0, 4.0]]))
  expected = np.array([[3.0, 8.0]]) / np.sqrt(12.5)
  # float32 rounding of one division.
  np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_rms_norm_is_computed_in_float32():
  norm = layers.RMSNorm(epsilon=1e-6, dtype=jnp.bfloat16)
  x = jnp.full((1, 4), 1e30, jnp.bfloat16)  # its square overflows
  out = norm.apply({"params": {"scale": jnp.ones(4)}}, jnp.sqrt(x))
  assert out.dtype == jnp.bfloat16
  np.testing.assert_array_equal(out.astype(np.float32), np.ones((1, 4)))


@pytest.mark.parametrize("gated", [False, True])
def test_feed_forward_is_two_products_and_an_activation(fill, gated):
  layer = layers.FeedForward(
    width=4,
    hidden=6,
    activation="relu",
    gated=gated,
    dropout=0.0,
    dtype=jnp.float32,
  )
  x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
  params = fill(layer, x, True)
  matrix = {name: params[name]["kernel"] for name in params}
  if gated:
    hidden = np.maximum(x @ matrix["wi_0"], 0) * (x @ matrix["wi_1"])
  else:
    hidden = np.maximum(x @ matrix["wi"], 0)
  out = layer.apply({"params": params}, x, True)
  # Two float32 products of six terms.
  np.testing.assert_allclose(out, hidden @ matrix["wo"], rtol=1e-5, atol=1e-6)


def test_gelu_names_mean_what_hugging_face_means_by_them():
  import torch
  from transformers.activations import ACT2FN

  x = np.linspace(-4, 4, 41).astype(np.float32)
  for name in ("relu", "gelu", "gelu_new", "silu"):
    theirs = ACT2FN[name](torch.as_tensor(x)).numpy()
    # Both in float32; the exact and the tanh form differ by up to 5e-4.
    np.testing.assert_allclose(layers.ACTIVATIONS[name](x), theirs, atol=1e-6)


@pytest.mark.parametrize(
  "shape", [(400_000,), (500, 801), (8, 501, 100), (4, 2, 251, 200)]
)
@pytest.mark.parametrize("keep", [0.9, 0.7])
def test_keep_masks_have_their_rate_everywhere(shape, keep):
  mask = np.asarray(layers.keep_mask(jax.random.key(1), keep, shape))
  assert mask.shape == shape
  # Five deviations of the mean of at least 400,000 draws: 0.0036.
  assert mask.mean() == pytest.approx(keep, abs=0.004)
  # Neighbours along an axis, far ones, and the masks of other keys agree as
  # often as chance has it; of at least 200,000 pairs five deviations are .0056.
  chance = keep**2 + (1 - keep) ** 2
  for axis, size in enumerate(shape):
    for step in {1, min(16, size // 2), size // 2}:
      low = mask.take(range(size - step), axis)
      high = mask.take(range(step, size), axis)
      assert (low == high).mean() == pytest.approx(chance, abs=0.006)
  for seed in (0, 2, 3):
    other = np.asarray(layers.keep_mask(jax.random.key(seed), keep, shape))
    assert (mask == other).mean() == pytest.approx(chance, abs=0.006)


def test_keep_masks_draw_every_entry_by_itself():
  """The counts of kept entries in blocks of 64 are a binomial's."""
  for number in range(4):
    mask = layers.keep_mask(jax.random.key(number), 0.9, (64, 64, 1024))
    counts = np.asarray(mask).reshape(-1, 64).sum(1)
    # 65,536 blocks: the variance 5.76 is off by .033 at one deviation.
    assert counts.mean() == pytest.approx(57.6, abs=0.05)
    assert counts.var() == pytest.approx(5.76, abs=0.17)


@pytest.mark.devices(8)
def test_a_mesh_does_not_change_a_keep_mask():
  mesh = jax.make_mesh(
    (8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
  )
  places = jax.NamedSharding(mesh, jax.P("data"))
  make = functools.partial(layers.keep_mask, keep=0.9, shape=(16, 5, 3))
  key = jax.random.key(0)
  split = jax.jit(make, out_shardings=places)
  np.testing.assert_array_equal(split(key), make(key))
  assert "all-" not in split.lower(key).compile().as_text()


def test_dropout_keeps_the_mean_and_can_be_switched_off():
  x = jnp.full((64, 9, 100), 3.0)
  drop = layers.Dropout(0.25)
  np.testing.assert_array_equal(drop.apply({}, x, True), x)
  dropped = drop.apply({}, x, False, rngs={"dropout": jax.random.key(0)})
  np.testing.assert_allclose(np.unique(dropped), [0.0, 4.0])
  # 57,600 draws: five deviations of the mean are 0.036.
  assert float(dropped.mean()) == pytest.approx(3.0, abs=0.04)
  again = drop.apply({}, x, False, rngs={"dropout": jax.random.key(0)})
  np.testing.assert_array_equal(again, dropped)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate):
  x = jnp.ones((100, 400))
  drop = layers.Dropout(rate)
  rngs = {"dropout": jax.random.key(0)}
  out = np.asarray(drop.apply({}, x, False, rngs=rngs))
  # 40,000 draws: the share is off by at most 0.0025, four times of it.
  assert (out == 0).mean() == pytest.approx(rate, abs=0.01)
  assert out.mean() == pytest.approx(1, abs=0.02)
  assert len(np.unique(out)) == (2 if rate else 1)
  np.testing.assert_array_equal(drop.apply({}, x, True), x)


def test_a_table_sums_its_gradient_in_float32():
  """A token that stands in a batch 4,097 times, with what bfloat16 drops."""
  embed = layers.Embed(entries=3, width=1, dtype=jnp.bfloat16)
  tokens = jnp.ones((4097,), jnp.int32)
  params = embed.init(jax.random.key(0), tokens)

  def total(params):
    return embed.apply(params, tokens).astype(jnp.float32).sum()

  gradient = jax.jit(jax.grad(total))(params)["params"]["embedding"]
  np.testing.assert_array_equal(gradient[:, 0], [0, 4097, 0])
  assert embed.apply(params, tokens).dtype == jnp.bfloat16
