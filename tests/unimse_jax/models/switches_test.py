"""The options of the model: each builds, starts and decodes as it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models import T5, vocabulary

_DECODER = {"pmf_decoder": True, "pmf_layers": 1}
_CROSS = {"pmf_place": "cross_attention", "adapter_width": 8}
_OPTIONS = {
  "text residual": {"adapter_residual": "text"},
  "norm": {"adapter_norm": True},
  "parallel": {"pmf_place": "parallel"},
  "cross-attention": _CROSS,
  "decoder": _DECODER,
  "bi": {"lstm": "bi"},
  "any layer": {"pmf_layer_numbers": (0,)},
}


@pytest.mark.parametrize("name", _OPTIONS)
def test_every_option_starts_as_plain_t5(name, tiny_model, make_batch):
  model, batch = tiny_model(**_OPTIONS[name]), make_batch()
  params = jax.jit(model.init)(jax.random.key(0), batch)["params"]
  logits = jax.jit(model.apply)({"params": params}, batch).logits
  fields = ("encoder_input_tokens", "encoder_mask", "decoder_input_tokens")
  expected = jax.jit(T5(model.config.t5).apply)(
    {"params": params["t5"]}, *(batch[field] for field in fields)
  )
  # Products with ones and zeros; two programs may add in another order.
  np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [_DECODER, _DECODER | _CROSS])
def test_cached_equals_uncached_with_adapters_in_the_decoder(
  options, tiny_model, make_batch, fill, score_tokens
):
  model, batch = tiny_model(**options), make_batch()
  variables = {"params": fill(model, batch)}
  tokens = batch["decoder_input_tokens"]

  @jax.jit
  def run(variables):
    mask = batch["encoder_mask"]
    encoded = model.apply(variables, batch, method="encode")
    cache, cross = model.apply(variables, encoded, 5, method="start_cache")
    steps = []
    for place in range(5):
      decoded, cache = model.apply(
        variables,
        tokens[:, place],
        jnp.int32(place),
        cache,
        cross,
        mask,
        method="decode_step",
      )
      output = model.apply(variables, decoded, method="output")
      steps.append(vocabulary.scores(*output))
    scored = score_tokens(model, variables, tokens, encoded, mask)
    silent = dict(batch, audio_mask=jnp.zeros_like(batch["audio_mask"]))
    other = model.apply(variables, silent).logits
    whole = model.apply(variables, batch).logits
    return jnp.stack(steps, 1), scored, whole, other

  steps, scored, whole, other = run(variables)
  # The demand of issue 4 for cached decoding.
  np.testing.assert_allclose(steps, whole, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(scored, whole, rtol=1e-5, atol=1e-5)
  assert np.abs(other - whole).max() > 1e-3  # the voice counts


def test_absent_as_zeros_and_zeroed_change_who_has_a_voice(
  tiny_model, make_batch, fill
):
  batch = make_batch()
  params = fill(tiny_model(), batch)
  for options, expected in (
    ({}, [True, True, True, False]),
    ({"absent": "as_zeros"}, [True] * 4),
    ({"zeroed_modalities": ("audio",)}, [False] * 4),
  ):
    output = tiny_model(**options).apply({"params": params}, batch)
    assert output.present["audio"].tolist() == expected
    assert output.present["video"].tolist() == (
      [True] * 4 if "absent" in options else [False, True, True, True]
    )


def test_contrasted_layers_are_the_ones_asked_for(tiny_model):
  def layers(**options):
    config = tiny_model(pmf_layers=2, **options).config
    return config.contrasted(config.fused_layers)

  assert layers() == (0, 1)
  assert layers(contrastive_layers="last_only") == (1,)
  assert layers(contrastive_layers="pre_block") == (0,)
