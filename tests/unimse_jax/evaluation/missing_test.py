"""Batches without some of their modalities."""

import numpy as np
import pytest

from unimse_jax.evaluation import missing

NAMES = ("text", "audio", "video")
ROWS = 400


def batch(size: int, tokens: int = 4, frames: int = 3) -> dict:
  """Rows of 2 to `tokens` tokens; every third row has no voice."""
  lengths = 2 + np.arange(size) % (tokens - 1)
  heard = np.arange(size) % 3 > 0
  return {
    "encoder_mask": np.arange(tokens) < lengths[:, None],
    "audio": np.where(heard[:, None, None], 1.0, 0.0)
    * np.ones((size, frames, 2)),
    "audio_mask": np.tile(heard[:, None], (1, frames)),
    "video": np.ones((size, frames, 2)),
    "video_mask": np.ones((size, frames), bool),
  }


def present(arrays: dict) -> np.ndarray:
  """bool[B, 3]: text beyond </s>, voice, face."""
  return np.stack(
    [
      arrays["encoder_mask"].sum(axis=1) > 1,
      *(arrays[f"{name}_mask"].any(axis=1) for name in NAMES[1:]),
    ],
    axis=1,
  )


def test_withhold_takes_a_modality_from_every_row():
  before = batch(6)
  after = missing.withhold(before, ["video"])
  assert not after["video"].any()
  assert not after["video_mask"].any()
  np.testing.assert_array_equal(after["audio"], before["audio"])
  assert before["video"].all(), "the batch that was given must stay"


def test_a_hidden_text_keeps_its_last_token():
  before = batch(5)
  after = missing.withhold(before, ["text"])["encoder_mask"]
  assert after.sum(axis=1).tolist() == [1] * 5
  last = before["encoder_mask"].sum(axis=1) - 1
  assert after.argmax(axis=1).tolist() == last.tolist()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.7, 0.99])
def test_every_row_keeps_one_of_the_modalities_that_it_has(share):
  before = batch(ROWS)
  after = missing.drop(before, range(ROWS), NAMES, share)
  left = present(after)
  assert left.any(axis=1).all()
  assert not (left & ~present(before)).any()
  if not share:
    np.testing.assert_array_equal(left, present(before))


def test_the_share_is_that_of_each_modality_but_for_those_that_are_kept():
  """All three at once would be .5^3 of the rows with three: one is kept."""
  rows = 3 * ROWS
  before = batch(rows)
  gone = ~present(missing.drop(before, range(rows), NAMES, 0.5))
  whole = present(before).all(axis=1)
  expected = 0.5 - 0.5**3 / 3
  assert gone[whole].mean() == pytest.approx(expected, abs=0.03)


def test_more_is_missing_of_the_same():
  few, many = (
    present(missing.drop(batch(ROWS), range(ROWS), NAMES, share))
    for share in (0.3, 0.7)
  )
  assert not (many & ~few).any()
  assert (few & ~many).any()


def test_the_size_of_a_batch_changes_nothing():
  whole = present(missing.drop(batch(12), range(12), NAMES, 0.5))
  every = batch(12)
  second = {name: values[6:] for name, values in every.items()}
  parts = present(missing.drop(second, range(6, 12), NAMES, 0.5))
  np.testing.assert_array_equal(whole[6:], parts)


def test_rows_of_padding_are_left_alone():
  arrays = batch(4)
  arrays["encoder_mask"][3] = False
  for name in NAMES[1:]:
    arrays[name][3] = arrays[f"{name}_mask"][3] = 0
  after = missing.drop(arrays, range(3), NAMES, 0.9)
  assert not after["encoder_mask"][3].any()
  assert not after["audio_mask"][3].any()
