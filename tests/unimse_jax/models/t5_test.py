"""What must hold of any T5: no look-ahead, no padding, float32 logits."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models import T5, vocabulary


@pytest.fixture(scope="module")
def inputs(make_batch) -> tuple[np.ndarray, ...]:
  batch = make_batch(rows=3)
  names = ("encoder_input_tokens", "encoder_mask", "decoder_input_tokens")
  return tuple(batch[name] for name in names)


@pytest.fixture(scope="module")
def params(tiny_t5, fill, inputs):
  return fill(T5(tiny_t5), *inputs)


@pytest.fixture(scope="module")
def run(tiny_t5):
  """The model, compiled once a shape."""
  return jax.jit(T5(tiny_t5).apply)


def test_the_decoder_never_looks_ahead(tiny_t5, params):
  rng = np.random.default_rng(0)
  encoded = rng.standard_normal((1, 3, tiny_t5.width)).astype(np.float32)
  mask = np.array([[True, True, False]])

  def decode(module, x):
    cross = module.decoder.cross(encoded)
    return module.decoder(x, cross, mask, True)[0]

  def states(x):
    # Not a plain sum: the norm makes the sum of squares nearly constant.
    weights = jnp.arange(1.0, tiny_t5.width + 1)
    out = T5(tiny_t5).apply({"params": params}, x, method=decode)
    return (out[0] * weights).sum(-1)

  x = rng.standard_normal((1, 5, tiny_t5.width)).astype(np.float32)
  jacobian = jax.jit(jax.jacobian(states))(x)[:, 0]
  influence = np.abs(jacobian).max(-1)  # [output place, input place]
  # exp(-1e9) is zero in float32, so nothing at all may leak.
  np.testing.assert_array_equal(np.triu(influence, 1), 0)
  assert influence[np.tril_indices(5)].min() > 1e-4


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
def test_the_output_is_two_parts_whose_products_are_the_logits(
  tiny_t5, inputs, fill, tied, scaled
):
  model = T5(dataclasses.replace(tiny_t5, tied=tied, scale_logits=scaled))
  params = fill(model, *inputs)
  rng = np.random.default_rng(0)
  decoded = rng.standard_normal((2, 3, tiny_t5.width)).astype(np.float32)

  def both(module):
    return module.logits(decoded), module.output(decoded)

  logits, output = model.apply({"params": params}, method=both)
  # Sums of 16 products near one, in another order.
  np.testing.assert_allclose(vocabulary.scores(*output), logits, atol=1e-6)


def test_padded_text_reaches_neither_encoder_nor_decoder(tiny_t5, params):
  rng = np.random.default_rng(0)
  embedded = rng.standard_normal((1, 4, tiny_t5.width)).astype(np.float32)
  tokens = np.ones((1, 2), np.int32)
  mask = np.array([[True, True, True, False]])

  def run(module, x):
    encoded = module.encoder(x, mask, True)
    return encoded[:, :3], module.decode(tokens, encoded, mask)

  def outputs(x):
    encoded, logits = T5(tiny_t5).apply({"params": params}, x, method=run)
    weights = jnp.sin(jnp.arange(encoded.size)).reshape(encoded.shape)
    return (encoded * weights).sum() + logits[0, :, 0].sum()

  gradient = np.abs(jax.jit(jax.grad(outputs))(embedded))[0].max(-1)
  assert gradient[3] == 0
  assert gradient[:3].min() > 1e-4


def test_longer_padding_changes_nothing(params, inputs, run):
  tokens, mask, targets = inputs
  logits = run({"params": params}, tokens, mask, targets)
  more = ((0, 0), (0, 7))
  padded = run(
    {"params": params},
    np.pad(tokens, more, constant_values=7),  # not even the pad token
    np.pad(mask, more),
    targets,
  )
  # The same numbers are added in another grouping.
  np.testing.assert_allclose(padded, logits, rtol=1e-5, atol=1e-5)


def test_a_row_does_not_depend_on_its_companions(params, inputs, run):
  together = run({"params": params}, *inputs)
  alone = run({"params": params}, *(array[1:2] for array in inputs))
  # Another shape may group the sums differently.
  np.testing.assert_allclose(alone[0], together[1], rtol=1e-5, atol=1e-5)


def test_dropout_is_off_unless_asked_for(tiny_t5, params, inputs, run):
  model = T5(tiny_t5)
  first = run({"params": params}, *inputs)  # without any dropout key
  np.testing.assert_array_equal(first, run({"params": params}, *inputs))
  drawn = jax.jit(
    lambda key: model.apply(
      {"params": params}, *inputs, False, rngs={"dropout": key}
    )
  )
  keys = jax.random.split(jax.random.key(0))
  assert np.abs(drawn(keys[0]) - first).max() > 1e-3
  assert np.abs(drawn(keys[0]) - drawn(keys[1])).max() > 1e-3
  np.testing.assert_array_equal(drawn(keys[0]), drawn(keys[0]))


@pytest.mark.parametrize("remat", ["dots", "full"])
def test_layers_that_are_computed_twice_decode_token_by_token(
  tiny_t5, params, inputs, remat
):
  tokens, mask, targets = inputs

  def first(model: T5) -> np.ndarray:
    def decode(module):
      encoded = module.encode(tokens, mask)
      cache, cross = module.start_cache(encoded, 3)
      step = (targets[:, 0], jnp.int32(0), cache, cross, mask)
      return module.decode_step(*step)[0]

    return np.asarray(model.apply({"params": params}, method=decode))

  np.testing.assert_array_equal(first(T5(tiny_t5, remat)), first(T5(tiny_t5)))


@pytest.mark.parametrize("tied", [True, False])
def test_bfloat16_computes_float32_logits_close_to_float32(
  tiny_t5, fill, inputs, tied
):
  config = dataclasses.replace(tiny_t5, tied=tied, scale_logits=tied)
  params = fill(T5(config), *inputs)
  exact = jax.jit(T5(config).apply)({"params": params}, *inputs)
  half = T5(dataclasses.replace(config, dtype="bfloat16"))
  logits = jax.jit(half.apply)({"params": params}, *inputs)
  assert exact.dtype == logits.dtype == jnp.float32
  # bfloat16 has 8 bits: 0.4 % a product, and some tens of products deep.
  error = np.abs(logits - exact).max() / np.std(exact)
  assert 0 < error < 0.1
  # Float32 sums: more different logits than bfloat16 could tell apart.
  kept = np.asarray(jnp.asarray(logits, jnp.bfloat16), np.float32)
  assert (kept != np.asarray(logits)).mean() > 0.5


def test_parameters_are_float32_whatever_is_computed(tiny_t5, inputs):
  config = dataclasses.replace(tiny_t5, dtype="bfloat16", tied=False)
  shapes = jax.eval_shape(
    lambda: T5(config).init(jax.random.key(0), *inputs)["params"]
  )
  assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {
    jnp.dtype("float32")
  }


@pytest.mark.parametrize(
  ("tied", "scaled"), list(itertools.product((True, False), repeat=2))
)
def test_tying_and_scaling_are_separate_facts(
  tiny_t5, fill, inputs, tied, scaled
):
  config = dataclasses.replace(tiny_t5, tied=tied, scale_logits=scaled)
  model = T5(config)
  params = fill(model, *inputs)
  assert ("lm_head" in params) == (not tied)
  decoded = np.random.default_rng(0).standard_normal((1, 2, config.width))
  decoded = decoded.astype(np.float32)
  logits = model.apply({"params": params}, decoded, method="logits")
  table = params["shared"]["embedding"].T
  if not tied:
    table = params["lm_head"]["kernel"]
  scale = config.width**-0.5 if scaled else 1.0
  # One float32 product of 16 terms.
  np.testing.assert_allclose(logits, decoded * scale @ table, atol=1e-5)


def test_t5_base_has_its_published_number_of_parameters():
  from unimse_jax.models import T5Config

  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  mask = jax.ShapeDtypeStruct((1, 1), jnp.bool_)
  params = jax.eval_shape(
    T5(T5Config()).init, jax.random.key(0), tokens, mask, tokens
  )["params"]
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 222_903_552


def test_initial_variances_are_those_of_t5(tiny_t5):
  config = dataclasses.replace(tiny_t5, width=64, hidden=256, tied=False)
  tokens = jnp.ones((1, 1), jnp.int32)
  params = jax.jit(T5(config).init)(
    jax.random.key(0), tokens, tokens > 0, tokens
  )["params"]
  layer = params["encoder"]["layers_0"]
  inner = config.heads * config.head_width
  expected = {
    "query": (64 * config.head_width) ** -0.5,
    "key": 64**-0.5,
    "value": 64**-0.5,
    "out": inner**-0.5,
  }
  found = {
    name: np.std(layer["self_attention"][name]["kernel"]) for name in expected
  }
  found |= {
    name: np.std(layer["feed_forward"][name]["kernel"]) for name in ("wi", "wo")
  }
  expected |= {"wi": 64**-0.5, "wo": 256**-0.5}
  for name, value in expected.items():
    # A deviation estimated from >= 768 draws is off by 2.6 %; four of those.
    assert found[name] == pytest.approx(value, rel=0.1), name
  assert np.std(params["shared"]["embedding"]) == pytest.approx(1, rel=0.1)
