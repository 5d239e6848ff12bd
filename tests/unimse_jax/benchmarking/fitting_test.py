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

  changes = fitting.training_changes(config, devices)
  assert fitting.nearest_fit(config, changes, fits) is None
  return seen


def test_fsdp_comes_first_and_microbatches_last():
  alone = [("dots", 1), ("full", 1), ("full", 2), ("full", 4), ("full", 8)]
  assert tried(CONFIG, devices=1) == [(*each, 1) for each in alone]
  assert tried(CONFIG, devices=4) == [
    ("none", 1, 2),
    ("none", 1, 4),
    *((*each, 4) for each in alone),
  ]


def test_what_the_config_has_already_is_not_tried_again():
  train = dataclasses.replace(
    CONFIG.train, batch_size=24, remat="full", microbatches=2
  )
  config = dataclasses.replace(CONFIG, train=train)
  # Nor are 16 parts of 24 rows.
  assert tried(config, devices=1) == [("full", 4, 1), ("full", 8, 1)]


def test_the_first_that_fits_is_taken():
  changes = fitting.nearest_fit(
    CONFIG,
    fitting.training_changes(CONFIG, devices=1),
    lambda config: config.train.microbatches >= 2,
  )
  assert changes == {"train.remat": "full", "train.microbatches": 2}


@pytest.mark.parametrize(
  ("rows", "expected"), [(96, [48, 24, 12]), (3, [1]), (1, [])]
)
def test_decoding_takes_fewer_rows_at_once(rows, expected):
  decoding = dataclasses.replace(CONFIG.decoding, batch_size=rows)
  config = dataclasses.replace(CONFIG, decoding=decoding)
  assert fitting.decoding_changes(config, devices=2) == [
    {"decoding.batch_size": each} for each in expected
  ]
