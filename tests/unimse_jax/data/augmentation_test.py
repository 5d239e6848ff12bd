"""What training changes in a voice, and that it does so again."""

import dataclasses

import numpy as np
import pytest

from unimse_jax.config import AugmentConfig
from unimse_jax.data import augmentation, mixture
from unimse_jax.data.batching import Batcher, BatchPlan, Collator, Encoded
from unimse_jax.data.features import FeatureTransform

_OFF = AugmentConfig(
  time_masks=0,
  time_share=0.25,
  frequency_masks=0,
  frequency_bands=3,
  level=0.0,
  speed=0.0,
)
_ON = dataclasses.replace(
  _OFF, time_masks=2, frequency_masks=1, level=6.0, speed=0.1
)


def rng(seed: int = 0) -> np.random.Generator:
  return np.random.default_rng(seed)


def config(**changes) -> AugmentConfig:
  return dataclasses.replace(_OFF, **changes)


def test_nothing_is_changed_where_nothing_is_asked_for():
  audio = rng().standard_normal((7, 4)).astype(np.float32)
  assert not augmentation.is_on(_OFF)
  assert augmentation.is_on(_ON)
  np.testing.assert_array_equal(augmentation.perturb(audio, _OFF, rng()), audio)
  np.testing.assert_array_equal(augmentation.mask(audio, _OFF, rng()), audio)


@pytest.mark.parametrize(
  ("masks", "axis", "widest"),
  [({"time_masks": 1}, 1, 5), ({"frequency_masks": 1}, 0, 3)],
)
def test_a_mask_is_one_span_of_every_width_up_to_the_widest(
  masks, axis, widest
):
  audio = np.ones((20, 8), np.float32)
  widths, places = set(), set()
  for seed in range(200):
    found = augmentation.mask(audio, config(**masks), rng(seed))
    silent = (found == 0).all(axis)
    # The span reaches over all of the other axis, and nothing else is zero.
    assert (found == 0).sum() == silent.sum() * found.shape[axis]
    (where,) = np.nonzero(silent)
    if len(where):
      assert where.tolist() == list(range(where[0], where[-1] + 1))
    widths.add(len(where))
    places |= set(where.tolist())
  assert widths == set(range(widest + 1))
  assert places == set(range(len(silent)))
  assert (audio == 1).all()


def test_level_moves_all_frames_and_bands_alike():
  audio = rng().standard_normal((5, 4)).astype(np.float32)
  shifts = []
  for seed in range(100):
    found = augmentation.perturb(audio, config(level=6.0), rng(seed))
    # float32 keeps seven digits of numbers below ten.
    np.testing.assert_allclose(np.ptp(found - audio), 0, atol=1e-5)
    shifts.append((found - audio).mean())
  assert -6 <= min(shifts) < -5
  assert 5 < max(shifts) <= 6


def test_speed_keeps_both_ends_and_straight_lines():
  ramp = np.linspace(-80, 0, 101, dtype=np.float32)[:, None]
  lengths = []
  for seed in range(100):
    found = augmentation.perturb(ramp, config(speed=0.2), rng(seed))
    lengths.append(len(found))
    # float32 of numbers up to 80.
    np.testing.assert_allclose(
      found[:, 0], np.linspace(-80, 0, len(found)), atol=1e-4
    )
  assert 84 <= min(lengths) < 88  # 101 / 1.2
  assert 120 < max(lengths) <= 126  # 101 / 0.8


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_the_shortest_clips_stay_clips(frames):
  audio = np.ones((frames, 4), np.float16)
  for seed in range(20):
    found = augmentation.perturb(audio, _ON, rng(seed))
    assert len(found) == frames
    assert augmentation.mask(found, _ON, rng(seed)).shape == (frames, 4)


@pytest.fixture
def batcher(corpora, tiny_config) -> Batcher:
  """Of the train split, with frames as they were exported."""
  data = dataclasses.replace(tiny_config().data, audio_frames=8)
  loaded = mixture.load(str(corpora), data.corpora, data.labels)
  transform = FeatureTransform(
    {name: np.zeros(width) for name, width in loaded.widths.items()},
    dict.fromkeys(loaded.widths),
    {name: np.ones(width) for name, width in loaded.widths.items()},
  )
  rows = [Encoded([1], [1], [1], [1.0])] * len(loaded.examples["train"])
  return Batcher(loaded, "train", rows, Collator(transform, data, _ON, 2))


_PLAN = BatchPlan(tuple(range(12)), 1)


def test_a_batch_follows_from_seed_and_step_alone(batcher):
  first = batcher.batch(_PLAN, 12, range(12), (3, 5))
  second = batcher.batch(_PLAN, 12, range(12), (3, 5))
  for name in first:
    np.testing.assert_array_equal(first[name], second[name], err_msg=name)
  for draw in ((3, 6), (4, 5)):
    other = batcher.batch(_PLAN, 12, range(12), draw)
    assert not np.array_equal(first["audio"], other["audio"])
    np.testing.assert_array_equal(first["video"], other["video"])


def test_processes_share_one_batch(batcher):
  whole = batcher.batch(_PLAN, 12, range(12), (3, 5))
  parts = [
    batcher.batch(_PLAN, 12, own, (3, 5)) for own in (range(7), range(7, 12))
  ]
  for name in whole:
    joined = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(joined, whole[name], err_msg=name)


def test_what_is_not_trained_on_stays_as_it_is(batcher):
  plain = batcher.batch(_PLAN, 12, range(12))
  for row in _PLAN.rows:
    example = batcher.mixture.examples["train"][row]
    audio = batcher.mixture.frames("train", example)["audio"]
    np.testing.assert_array_equal(plain["audio"][row, : len(audio)], audio)
    assert plain["audio_mask"][row].sum() == len(audio)
