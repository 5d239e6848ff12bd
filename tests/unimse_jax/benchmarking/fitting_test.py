"""The order in which changes are tried."""

import dataclasses

import pytest

from unimse_jax.benchmarking import fitting
from unimse_jax.config import Config

CONFIG = Config()


def tried(config, devices):
  """Everything that is tried where nothing fits."""
  seen = []

  def fits(changed: Config) -> bool:
    train = changed.train
    seen.append((train.remat, train.microbatches, changed.parallel.fsdp))
    return False

  steps = fitting.training_steps(config)
  assert fitting.nearest_fit(config, steps, devices, fits) is None
  return seen


def test_the_loss_stays_as_long_as_it_can_and_fsdp_comes_last():
  alone = [("dots", 1), ("full", 1), ("full", 2), ("full", 4), ("full", 8)]
  assert tried(CONFIG, devices=4) == [
    *((*each, 1) for each in alone),
    *((*each, 2) for each in [("none", 1), *alone]),
    *((*each, 4) for each in [("none", 1), *alone]),
  ]


def test_what_the_config_has_already_is_not_tried_again():
  train = dataclasses.replace(
    CONFIG.train, batch_size=24, remat="full", microbatches=2
  )
  config = dataclasses.replace(CONFIG, train=train)
  # Nor are 16 parts of 24 rows.
  assert tried(config, devices=1) == [("full", 4, 1), ("full", 8, 1)]


def test_the_first_that_fits_is_taken():
  steps = fitting.training_steps(CONFIG)
  changes = fitting.nearest_fit(
    CONFIG, steps, 1, lambda config: config.train.microbatches >= 2
  )
  assert changes == {"train.remat": "full", "train.microbatches": 2}


@pytest.mark.parametrize(
  ("rows", "expected"), [(96, [48, 24, 12]), (3, [1]), (1, [])]
)
def test_decoding_takes_fewer_rows_at_once(rows, expected):
  decoding = dataclasses.replace(CONFIG.decoding, batch_size=rows)
  steps = fitting.decoding_steps(dataclasses.replace(CONFIG, decoding=decoding))
  assert steps == [{"decoding.batch_size": each} for each in expected]
