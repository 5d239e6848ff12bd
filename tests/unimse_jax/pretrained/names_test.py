"""Names of tensors, in both spellings of Hugging Face."""

import pytest

from unimse_jax.pretrained import names


@pytest.mark.parametrize(
  ("theirs", "ours"),
  [
    ("shared.weight", "shared/embedding"),
    ("shared/embedding", "shared/embedding"),
    ("encoder.embed_tokens.weight", "shared/embedding"),
    ("decoder/embed_tokens/embedding", "shared/embedding"),
    ("module._orig_mod.shared.weight", "shared/embedding"),
    ("base_model.model.lm_head.weight", "lm_head/kernel"),
    ("lm_head.weight", "lm_head/kernel"),
    ("lm_head/kernel", "lm_head/kernel"),
    (
      "encoder.block.11.layer.0.SelfAttention.q.weight",
      "encoder/layers_11/self_attention/query/kernel",
    ),
    (
      "decoder/block/0/layer/0/SelfAttention/relative_attention_bias/embedding",
      "decoder/relative_bias/embedding",
    ),
    (
      "decoder.block.3.layer.1.EncDecAttention.o.weight",
      "decoder/layers_3/cross_attention/out/kernel",
    ),
    (
      "decoder.block.3.layer.2.DenseReluDense.wi_1.weight",
      "decoder/layers_3/feed_forward/wi_1/kernel",
    ),
    (
      "encoder.block.3.layer.1.layer_norm.weight",
      "encoder/layers_3/feed_forward_norm/scale",
    ),
    (
      "decoder.block.3.layer.1.layer_norm.weight",
      "decoder/layers_3/cross_attention_norm/scale",
    ),
    ("encoder.final_layer_norm.weight", "encoder/final_norm/scale"),
  ],
)
def test_places(theirs, ours):
  assert names.path(theirs) == ours


@pytest.mark.parametrize(
  "name",
  [
    "classifier.weight",
    "model",
    "shared.module.weight",
    # Only the first block has the bias that all share.
    "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight",
    "encoder.block.0.layer.1.EncDecAttention.q.weight",
    "encoder.block.0.layer.2.layer_norm.weight",
  ],
)
def test_what_is_of_no_t5_has_no_place(name):
  assert names.path(name) is None


def test_only_the_bias_that_published_files_have_is_left_over():
  name = "decoder.block.{}.layer.1.EncDecAttention.relative_attention_bias"
  assert names.is_leftover(f"{name.format(0)}.weight")
  assert not names.is_leftover(f"{name.format(1)}.weight")
  assert names.path(f"{name.format(0)}.weight") is None
