"""Predictions a second of a tiny model, without files."""

import itertools

import jax
import numpy as np
import pytest

from configs import authors, paper, scratch
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import prediction_speed, synthetic, workload
from unimse_jax.decoding import grammar
from unimse_jax.parallel import mesh as mesh_lib

_SMALL = {
  "text": {"max_tokens": 24},
  "tokenizer": {"vocab_size": 64},
  "data": {"buckets": (24,), "audio_frames": 3, "video_frames": 2},
  "t5": {"pretrained": "", "width": 8, "head_width": 4, "hidden": 8}
  | {"heads": 2, "encoder_layers": 2, "decoder_layers": 2},
  "model": {"pmf_layers": 1, "modality_width": 4, "adapter_width": 4},
  "decoding": {"batch_size": 5, "max_new_tokens": 24},
}


def tiny(parent):
  values = parent.get_config().to_dict()
  for section, fields in _SMALL.items():
    values[section].update(fields)
  return config_lib.validate(values)


@pytest.mark.parametrize("parent", [scratch, paper, authors])
def test_the_made_up_vocabulary_writes_every_label(parent):
  config = tiny(parent)
  text, pieces = prediction_speed.make_labels(config)
  words = map(text.words, text.slots)
  rng = np.random.default_rng(0)
  texts = [text.separator.join(each) for each in itertools.product(*words)]
  for written in rng.choice(texts, 200):
    tokens = pieces.encode(written)
    assert pieces.decode([*tokens, 1, 5]) == written
  size = len(pieces.surfaces())
  assert size <= synthetic.vocabulary_size(config)
  automaton = grammar.compile_grammar(text, pieces, 60)
  assert automaton.tokens.max() < size
  first = automaton.tokens[automaton.next_states[0] >= 0]
  assert {pieces.decode([token]) for token in first} == {
    *("negative", "neutral", "positive")
  }


def test_what_it_cannot_write_is_unknown():
  pieces = synthetic.Vocabulary(("joy",))
  assert pieces.encode("joy") == [len(pieces.surfaces()) - 1]
  assert pieces.encode("xjoy")[1] == 2
  assert pieces.surfaces()[2] is None


def test_every_way_is_measured_with_legal_labels():
  config = tiny(scratch)
  model = workload.synthetic_model(config)
  params = workload.init_params(config, model, jax.random.key(0))
  mesh = mesh_lib.make_mesh(devices=1)
  report = prediction_speed.measure(
    config, model, params, mesh, steps=2, warmup=0
  )
  assert list(report) == [
    *("greedy", "constrained", "beam of 4", "with probabilities")
  ]
  for name, row in report.items():
    rate = pytest.approx(5 / row["batch_seconds"])
    assert row["predictions_per_second"] == rate
    assert row["tokens_per_second"] == pytest.approx(
      5 * row["tokens"] / row["batch_seconds"]
    )
    # The first batch compiles.
    assert row["first_seconds"] > row["batch_seconds"]
    if name != "greedy":
      # positive, 1, joy, joy </s> is eight, -1.23 has four more.
      assert 8 <= row["tokens"] <= 12
  lines = prediction_speed.format_report(report, 5).splitlines()
  assert len(lines) == 2 + len(report)
  assert max(map(len, lines)) <= 80
