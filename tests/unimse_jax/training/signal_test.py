"""The figures of a step, and what is said of them after the first epoch."""

import functools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging

from unimse_jax.models.signal import COLLECTION, TOKENS, every
from unimse_jax.training import signal, trainer


@pytest.fixture(scope="module")
def batch(make_batch):
  return make_batch(rows=6)


def measure(model, params, batch) -> dict[str, float]:
  """The figures of a batch, without dropout."""

  @jax.jit
  def run(params):
    _, sown = model.apply({"params": params}, batch, mutable=[COLLECTION])
    return signal.figures(signal.add_up(sown, batch))

  return {name: float(value) for name, value in run(params).items()}


def test_a_change_is_the_output_less_that_without_the_modality(
  tiny_model, fill, batch
):
  """Against the fused text of the same batch with the voice taken out."""
  model = tiny_model(contrastive=False)
  params = fill(model, batch)
  bare = tiny_model(contrastive=False, pmf=False)

  @functools.partial(jax.jit, static_argnums=0)
  def fused(model, params, batch):
    _, kept = model.apply(
      {"params": params}, batch, method="encode", mutable=["intermediates"]
    )
    return kept["intermediates"]["last_fused"][0]

  silent = {**batch, "audio_mask": np.zeros_like(batch["audio_mask"])}
  text = {k: v for k, v in params.items() if k != "fusion_layers_1"}
  stream = fused(bare, text, batch)
  change = fused(model, params, batch) - fused(model, params, silent)
  seen = np.array(batch["encoder_mask"])
  seen[:, np.arange(seen.shape[1]) % every(seen.shape[1]) > 0] = False
  heard = seen & batch["audio_mask"].any(1)[:, None]
  assert 0 < heard.sum() < seen.sum() < batch["encoder_mask"].sum()

  def rms(x, mask):
    return np.sqrt(np.mean(np.square(np.asarray(x)[mask])))

  found = measure(model, params, batch)
  # float32 sums in another order.
  np.testing.assert_allclose(
    found["signal/layers_1/audio"],
    rms(change, heard) / rms(stream, heard),
    rtol=1e-5,
  )
  np.testing.assert_allclose(
    found["signal/layers_1/stream"], rms(stream, seen), rtol=1e-5
  )


@pytest.mark.parametrize(
  "changes",
  [
    {"pmf_place": "parallel"},
    {"pmf_place": "cross_attention", "adapter_width": 8},
    {"pmf_decoder": False},
  ],
)
def test_every_place_of_pmf_is_measured(changes, tiny_model, fill, batch):
  model = tiny_model(**changes)
  found = measure(model, fill(model, batch), batch)
  layers = ["layers_1"]
  if model.config.pmf_decoder:
    layers.append("decoder_layers_0")
  for layer in layers:
    for name in ("stream", "audio", "video"):
      assert found[f"signal/{layer}/{name}"] > 0, (layer, name)
    attends = changes.get("pmf_place") == "cross_attention"
    assert (f"signal/{layer}/saturated" in found) != attends


def test_an_adapter_that_starts_as_the_identity_changes_nothing(
  tiny_model, batch
):
  model = tiny_model()
  params = jax.jit(model.init)(jax.random.key(0), batch)["params"]
  found = measure(model, params, batch)
  assert found["signal/layers_1/audio"] == 0
  assert found["signal/layers_1/saturated"] == 0
  assert found["signal/segments"] == 0  # zero rows


def test_a_modality_that_no_row_has_is_no_number(tiny_model, fill, batch):
  model = tiny_model(zeroed_modalities=("audio",))
  found = measure(model, fill(model, batch), batch)
  assert math.isnan(found["signal/layers_1/audio"])
  assert found["signal/layers_1/video"] > 0


# The table's RMS is 4: rows of 0.02 are that many of it, or a 4th of that.
@pytest.mark.parametrize(("units", "mark"), [("table", 0.02), ("none", 0.005)])
def test_saturated_units_and_segment_rows_are_as_they_were_made(
  units, mark, tiny_model, fill, batch
):
  model = tiny_model(segment_units=units)
  params = fill(model, batch)
  down = params["fusion_layers_1"]["down"]
  down["kernel"] = jnp.zeros_like(down["kernel"])
  # The derivative of the sigmoid is .0099 at 4.6 and .0105 at 4.54.
  down["bias"] = jnp.array([4.6, -4.6, 4.5, -4.5, 0.0, 90.0])
  rows = np.zeros((2, model.config.t5.width), np.float32)
  rows[1] = 0.02
  params["segment_embedding"]["embedding"] = jnp.asarray(rows)
  table = jnp.full_like(params["t5"]["shared"]["embedding"], -4.0)
  params["t5"]["shared"]["embedding"] = table
  found = measure(model, params, batch)
  assert found["signal/layers_1/saturated"] == pytest.approx(3 / 6)
  assert found["signal/segments"] == pytest.approx(mark)


def test_gradient_norms_of_the_groups_make_the_whole():
  grads = {
    "t5": {"shared": {"embedding": jnp.array([3.0, 4.0])}},
    "fusion_layers_1": {"down": {"kernel": jnp.array([2.0])}},
    "fusion_decoder_layers_0": {"down": {"kernel": jnp.array([2.0])}},
    "modality_encoder_audio": {"out": {"bias": jnp.array([1.0])}},
    "contrastive_text": {"conv": {"kernel": jnp.array([6.0])}},
    "segment_embedding": {"embedding": jnp.array([7.0])},
  }
  found = signal.gradient_norms(grads)
  assert {name: float(value) for name, value in found.items()} == pytest.approx(
    {
      "gradient/t5": 5,
      "gradient/adapters": math.sqrt(8),
      "gradient/encoders": 1,
      "gradient/projections": 6,
      "gradient/segments": 7,
    }
  )


def test_long_texts_are_looked_at_in_few_places():
  for length in (1, TOKENS, TOKENS + 1, 64, 512):
    assert 0 < len(range(0, length, every(length))) <= TOKENS


def test_sentences_are_of_what_is_faint_everywhere():
  metrics = {
    "nll": 2.0,
    "gradient/segments": 0.0,
    "signal/layers_0/stream": 0.001,
    "signal/layers_0/saturated": 0.0,
    "signal/layers_0/audio": 0.0002,
    "signal/layers_1/audio": 0.0031,
    "signal/layers_0/video": 0.2,
    "signal/layers_1/video": 0.0,
    "signal/segments": 0.0004,
  }
  voice, mark = signal.sentences(metrics, dialogues=True)
  assert "audio changes at most 0.31% of the text stream" in voice
  assert "(signal/layers_1/audio)" in voice
  assert "the segment rows differ by 0.04% of a token embedding" in mark
  # Nothing to tell apart, nothing that is heard, nothing that is there.
  assert [*signal.sentences(metrics, dialogues=False)] == [voice]
  loud = metrics | {"signal/layers_1/audio": 0.01, "signal/segments": 0.01}
  assert [*signal.sentences(loud, dialogues=True)] == []
  absent = {"signal/layers_0/audio": math.nan, "nll": 1.0}
  assert [*signal.sentences(absent, dialogues=True)] == []


def test_a_run_says_once_what_is_faint_and_logging_changes_nothing(
  straight, tiny_config, tmp_path, caplog, monkeypatch
):
  monkeypatch.setattr(signal, "FAINT", math.inf)
  with caplog.at_level(logging.WARNING):
    trainer.train(tiny_config({"train.log_every_steps": 3}), tmp_path)
  said = [
    each.getMessage().split()[4]
    for each in caplog.records
    if "After the first epoch" in each.getMessage()
  ]
  assert sorted(said) == ["audio", "the", "video"]

  def read(workdir):
    text = (workdir / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]

  found = read(tmp_path)
  for name in ("layers_1/audio", "layers_1/video", "layers_1/stream"):
    assert f"signal/{name}" in found[0]
  assert {"signal/segments", "gradient/encoders"} <= found[0].keys()
  # The other run logged every step; the last figures hold all updates before.
  expected = [
    line
    for line in read(straight)
    if line["split"] != "train" or line["step"] in (3, 6, 8)
  ]
  assert found == expected
