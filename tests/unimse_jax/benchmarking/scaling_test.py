"""Ratios of what is larger to what is smaller."""

import pytest

from configs import base
from tests.unimse_jax.benchmarking.throughput_test import tiny
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import scaling
from unimse_jax.benchmarking.scaling import Cost


@pytest.mark.parametrize(("size", "small", "large"), [(96, 12, 96), (4, 1, 8)])
def test_what_is_larger_stands_above(monkeypatch, size, small, large):
  seen = []

  def cost(config, steps, warmup):
    seen.append((config.train.batch_size, config.data.audio_frames))
    assert (steps, warmup) == (5, 2)
    texts, frames = seen[-1]
    return Cost(flops=texts, bytes=texts + 1, seconds=frames)

  monkeypatch.setattr(scaling, "step_cost", cost)
  found = scaling.measure(tiny(train={"batch_size": size}), 5, 2)
  assert sorted(set(seen)) == [(small, 3), (large, 3), (large, 6)]
  assert found["batch_flops"] == 8
  assert found["batch_bytes"] == (large + 1) / (small + 1)
  assert found["batch_seconds"] == 1 and found["audio_seconds"] == 2
  assert found["audio_flops"] == found["audio_bytes"] == 1


def test_a_larger_corpus_is_read_in_proportion():
  """The fullest of four times the batches is a little fuller."""
  config = config_lib.validate(base.get_config().to_dict())
  found = scaling._corpora(config)
  assert 4.0 <= found["corpora_places"] < 4.2
  assert found["corpora_seconds"] > 0


def test_a_step_is_counted_and_timed():
  cost = scaling.step_cost(tiny(), 1, 0)
  # Two rows of 240 tokens, three passes, some hundreds of numbers a token.
  assert 1e6 < cost.flops < 1e9
  assert cost.bytes > 0 and cost.seconds > 0
