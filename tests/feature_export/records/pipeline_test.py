"""Tests of extraction in one process and in several."""

import os

import numpy as np
import pytest

from feature_export.corpora.utterance import Media, Utterance
from feature_export.errors import InputError
from feature_export.features.audio import AudioSettings
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  VideoSettings,
  find_weights,
  hash_file,
)
from feature_export.features.extraction import ExtractionSettings
from feature_export.records.pipeline import Pipeline


@pytest.fixture(scope="module")
def settings():
  weights = find_weights(DEFAULT_BACKBONE, None)
  video = VideoSettings(DEFAULT_BACKBONE, hash_file(weights), 32, 3)
  return ExtractionSettings(AudioSettings(), video, weights)


def _utterances(folder, write_tone, write_video) -> list[Utterance]:
  video = Media(write_video(folder / "a.mp4", [60, 120, 180]))
  clips = [
    Utterance(
      f"u{number}",
      "train",
      "",
      audio=Media(
        write_tone(folder / f"{number}.wav", seconds=0.1 * (number + 1))
      ),
      video=video if number % 2 else None,
    )
    for number in range(10)
  ]
  return [*clips, Utterance("text only", "train", "")]


def test_processes_give_the_same_in_the_same_order(
  tmp_path, settings, write_tone, write_video
):
  clips = _utterances(tmp_path, write_tone, write_video)
  with Pipeline(settings, 1) as alone:
    expected = list(alone.run(clips))
  with Pipeline(settings, 2) as two:
    found = list(two.run(clips))
  assert [each.id for each, _ in found] == [each.id for each in clips]
  for (_, one), (_, other) in zip(expected, found, strict=True):
    # Bit for bit: two exports must make the same shards.
    np.testing.assert_array_equal(one.audio, other.audio)
    np.testing.assert_array_equal(one.video, other.video)
  assert found[3][1].video.shape == (3, 1280)
  assert found[2][1].video.shape == (0, 1280)
  assert found[-1][1].audio.shape == (0, 64)


def test_broken_media_are_absent_with_a_reason(tmp_path, settings):
  (tmp_path / "bad.wav").write_text("no sound")
  media = Media(tmp_path / "bad.wav")
  with Pipeline(settings, 1) as alone:
    ((_, found),) = alone.run(
      [Utterance("a", "train", "", audio=media, video=media)]
    )
  assert found.audio.shape == (0, 64)
  assert found.video.shape == (0, 1280)
  assert set(found.absent) == {"audio", "video"}
  assert "cannot be decoded" in found.absent["audio"]


def test_reading_ahead_is_bounded(settings):
  started = []

  def endless():
    number = 0
    while True:
      started.append(number)
      yield Utterance(f"u{number}", "train", "")
      number += 1

  with Pipeline(settings, 2) as two:
    stream = two.run(endless())
    for _ in range(3):
      next(stream)
  # Eight ahead of the three that were taken.
  assert len(started) <= 3 + 8


class _Deadly(Media):
  """Media whose path ends the process that asks for it."""

  def __reduce__(self):
    return os._exit, (1,)


def test_a_dead_process_is_one_message(tmp_path, settings):
  clip = Utterance("killer", "train", "", audio=_Deadly(tmp_path / "x.wav"))
  with (
    pytest.raises(InputError, match="process died, near the clips killer"),
    Pipeline(settings, 2) as two,
  ):
    list(two.run([clip]))
