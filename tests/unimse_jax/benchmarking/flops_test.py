"""The formula against a case by hand and against what XLA counts."""

import jax
import numpy as np
import pytest

from unimse_jax.benchmarking.flops import (
  Lengths,
  forward_flops,
  t5_forward_flops,
  train_flops,
)
from unimse_jax.models import T5Config, UniMSE, UniMSEConfig
from unimse_jax.models.contrastive import info_nce

# Two by two heads, one layer each: small enough to add up by hand.
T5 = T5Config(
  vocab_size=10,
  width=8,
  head_width=2,
  heads=2,
  hidden=16,
  encoder_layers=1,
  decoder_layers=1,
)


def test_a_plain_t5_by_hand():
  encoder = 3 * (4 * 2 * 8 * 4)  # q, k, v, out of 3 tokens
  encoder += 2 * (2 * 3 * 3 * 4)  # scores and mixing
  encoder += 3 * (2 * 2 * 8 * 16)  # wi and wo
  decoder = 2 * (4 * 2 * 8 * 4) + 2 * (2 * 2 * 2 * 4) + 2 * (2 * 2 * 8 * 16)
  cross = 2 * (2 * 2 * 8 * 4)  # q and out of 2 tokens
  cross += 3 * (2 * 2 * 8 * 4)  # k and v of 3
  cross += 2 * (2 * 2 * 3 * 4)
  logits = 2 * 2 * 8 * 10
  assert t5_forward_flops(T5, 3, 2) == encoder + decoder + cross + logits


def test_a_gated_feed_forward_has_a_third_matrix():
  gated = T5Config(**(vars(T5) | {"gated": True}))
  more = t5_forward_flops(gated, 3, 2) - t5_forward_flops(T5, 3, 2)
  assert more == (3 + 2) * (2 * 8 * 16)


def test_fusion_modalities_and_contrast_by_hand():
  config = UniMSEConfig(
    t5=T5,
    modality_width=4,
    pmf_layers=1,
    adapter_width=5,
    contrastive_width=6,
    contrastive_kernel=2,
  )
  found = forward_flops(
    config,
    Lengths(text=3, label=2, frames={"audio": 7, "video": 1}, batch=9),
    {"audio": 11, "video": 13},
  )
  joined = 8 + 4 + 4
  fusion = (3 + 2) * (2 * joined * 5 + 2 * 5 * joined + 2 * joined * 8)
  audio = 7 * (2 * 11 * 16 + 2 * 4 * 16) + 2 * 4 * 4
  video = 1 * (2 * 13 * 16 + 2 * 4 * 16) + 2 * 4 * 4
  contrast = 3 * 2 * (2 * 8 * 6)  # text, kernel of 2
  contrast += (7 + 1) * 2 * (2 * 4 * 6)
  contrast += 2 * (2 * 9 * 6)  # one row of similarities a modality
  plain = t5_forward_flops(T5, 3, 2)
  assert found == plain + fusion + audio + video + contrast


def test_what_is_switched_off_costs_nothing():
  config = UniMSEConfig(
    t5=T5, modalities=(), pmf=False, pmf_layers=0, contrastive=False
  )
  lengths = Lengths(text=3, label=2, frames={})
  assert forward_flops(config, lengths, {}) == t5_forward_flops(T5, 3, 2)
  assert train_flops(config, lengths, {}) == 3 * t5_forward_flops(T5, 3, 2)


def test_rows_are_counted_each_and_do_not_overflow():
  base = UniMSEConfig(t5=T5Config(), modalities=(), contrastive=False)
  text = np.array([512, 64], np.int32)
  found = forward_flops(base, Lengths(text=text, label=10, frames={}), {})
  alone = forward_flops(base, Lengths(text=512, label=10, frames={}), {})
  assert found.shape == (2,)
  assert found[0] == alone
  # 340 GFLOP for forward and backward of 512 tokens, plus the PMF layers.
  assert 3 * found[0] == pytest.approx(340e9, rel=0.1)


_OPTIONS = {
  "plain": {},
  "text, both directions": {"adapter_residual": "text", "lstm": "bi"},
  "decoder": {"pmf_decoder": True, "contrastive_decoder": True},
  "cross-attention": {"pmf_place": "cross_attention", "pmf_decoder": True},
}


@pytest.mark.parametrize(
  ("gated", "name"), [(True, "plain"), *((False, name) for name in _OPTIONS)]
)
def test_xla_counts_the_same(gated, name):
  t5 = T5Config(
    vocab_size=512,
    width=128,
    head_width=32,
    heads=8,
    hidden=256,
    encoder_layers=2,
    decoder_layers=2,
    gated=gated,
  )
  config = UniMSEConfig(t5=t5, pmf_layers=2, **_OPTIONS[name])
  rows, text, label, widths = 4, 96, 16, {"audio": 64, "video": 64}
  tokens = np.ones((rows, text), np.int32)
  batch = {
    "encoder_input_tokens": tokens,
    "segment_ids": tokens,
    "encoder_mask": tokens > 0,
    "decoder_input_tokens": np.ones((rows, label), np.int32),
    "decoder_target_tokens": np.ones((rows, label), np.int32),
  }
  # One frame: XLA counts the body of a loop once, whatever its length.
  for name, width in widths.items():
    batch[name] = np.ones((rows, 1, width), np.float32)
    batch[f"{name}_mask"] = np.ones((rows, 1), bool)
  model = UniMSE(config)

  def forward(params, batch):
    output = model.apply({"params": params}, batch)
    losses = [
      info_nce(anchors, output.keys[name], output.present[name], 1.0)
      for anchors in output.anchors
      for name in output.keys
    ]
    return output.logits, losses

  shapes = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
  compiled = jax.jit(forward).lower(shapes, batch).compile()
  lengths = Lengths(
    text=text, label=label, frames={"audio": 1, "video": 1}, batch=rows
  )
  counted = rows * forward_flops(config, lengths, widths)
  # XLA also counts norms, softmax, masks and activations: 1 % here.
  assert 1 <= compiled.cost_analysis()["flops"] / counted < 1.03
