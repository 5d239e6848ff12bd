"""Tests of padding, absent clips and values that are not finite."""

import numpy as np
import pytest

from feature_export.corpora.stored import FeatureCleaner, trim_padding
from feature_export.corpora.utterance import Utterance
from feature_export.errors import InputError


def _rows(*values: float) -> np.ndarray:
  return np.array([[each, each] for each in values], np.float32)


@pytest.mark.parametrize(
  ("padded", "expected"),
  [
    ((0, 0, 1, 0, 2), (1, 0, 2)),  # in front; the zero inside stays
    ((1, 0, 2, 0, 0), (1, 0, 2)),  # behind
    ((0, 1, 2, 0, 0), (0, 1, 2)),  # only the longer run is padding
    ((1, 2), (1, 2)),
    ((0, 0), ()),
  ],
)
def test_padding(padded, expected):
  np.testing.assert_array_equal(
    trim_padding(_rows(*padded)), _rows(*expected).reshape(-1, 2)
  )


def test_the_file_s_length_counts_more_than_zero_rows():
  cleaner = FeatureCleaner()
  behind = cleaner.clean("a", "audio", _rows(1, 2, 0, 0), 3)
  np.testing.assert_array_equal(behind.values, _rows(1, 2, 0))
  front = cleaner.clean("b", "audio", _rows(0, 0, 0, 2), 2)
  np.testing.assert_array_equal(front.values, _rows(0, 2))
  assert cleaner.remarks == []
  wrong = cleaner.clean("c", "audio", _rows(1, 2, 3, 0), 1)
  np.testing.assert_array_equal(wrong.values, _rows(1, 2, 3))
  assert cleaner.remarks[0].kind == "audio length does not fit the zero rows"


@pytest.mark.parametrize(("policy", "expected"), [("zero", 0), ("mean", 2)])
def test_nonfinite_values_are_replaced_and_counted(policy, expected):
  cleaner = FeatureCleaner(policy)
  found = cleaner.clean("a", "audio", _rows(1, -np.inf, 3, np.nan))
  np.testing.assert_array_equal(found.values, _rows(1, expected, 3, expected))
  (remark,) = cleaner.remarks
  assert (remark.id, remark.detail) == ("a", "4")
  assert policy in remark.kind


def test_nonfinite_values_can_be_refused():
  cleaner = FeatureCleaner("refuse")
  audio = cleaner.clean("a", "audio", _rows(1, np.nan))
  with pytest.raises(InputError, match="a: audio: 2 values"):
    cleaner.finish([Utterance("a", "train", "", audio=audio)])


def test_values_that_float16_cannot_hold():
  cleaner = FeatureCleaner()
  found = cleaner.clean("a", "audio", _rows(1e6, -1e6))
  np.testing.assert_array_equal(found.values, _rows(65504, -65504))
  assert cleaner.remarks[0].kind == "audio values beyond 65504 cut"


def test_absent_clips_take_the_width_of_the_others():
  cleaner = FeatureCleaner()
  missing = cleaner.clean("a", "video", np.zeros((2, 35)))
  there = cleaner.clean("b", "video", np.ones((3, 64)))
  found, widths = cleaner.finish(
    [
      Utterance("a", "train", "", video=missing),
      Utterance("b", "train", "", video=there),
    ]
  )
  assert widths == {"audio": 1, "video": 64}
  assert [each.video.values.shape for each in found] == [(0, 64), (3, 64)]
  assert [each.audio.values.shape for each in found] == [(0, 1), (0, 1)]
  assert cleaner.remarks[0].kind == "video all zero: absent"


def test_arrays_of_other_forms_are_named():
  cleaner = FeatureCleaner()
  utterances = [
    Utterance(name, "train", "", audio=cleaner.clean(name, "audio", values))
    for name, values in (
      ("flat", np.ones(5)),
      ("words", [["a"]]),
      ("three", np.ones((1, 3))),
      ("four", np.ones((1, 4))),
      ("five", np.ones((1, 3))),
    )
  ]
  with pytest.raises(InputError) as caught:
    cleaner.finish(utterances)
  for part in ("flat: audio: shape (5,)", "words: audio", "four: audio has 4"):
    assert part in str(caught.value)
