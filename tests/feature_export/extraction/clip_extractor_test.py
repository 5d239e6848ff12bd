"""Tests of extraction in processes, and of what it leaves for a restart."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from feature_export.corpora.utterance import Media, Stored, Utterance
from feature_export.extraction.clip_extractor import ClipExtractor
from feature_export.extraction.store import open_store
from feature_export.extraction.workers import Workers
from feature_export.features.efficientnet import DEFAULT_BACKBONE, find_weights
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.files import hash_file


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


def _extract(clips, settings, folder: Path, jobs: int, seconds: float = 300):
  """The extractor after its first step, with what that yielded."""
  store = open_store(folder, settings)
  with Workers(settings, jobs, seconds) as workers:
    extractor = ClipExtractor(settings, store, workers)
    return extractor, list(extractor.extract(clips))


def test_processes_give_the_same_and_a_second_run_reads_it(
  tmp_path, settings, write_tone, write_video
):
  clips = _utterances(tmp_path, write_tone, write_video)
  alone, _ = _extract(clips, settings, tmp_path / "one", 1)
  two, _ = _extract(clips, settings, tmp_path / "two", 2)
  assert two.reused == 0
  for clip in clips:
    one, other = alone.collect(clip), two.collect(clip)
    # Bit for bit: two exports must make the same shards.
    np.testing.assert_array_equal(one.audio.values, other.audio.values)
    np.testing.assert_array_equal(one.video.values, other.video.values)
  assert two.collect(clips[3]).video.values.shape == (3, 1280)
  assert two.collect(clips[2]).video.values.shape == (0, 1280)
  assert two.collect(clips[-1]).audio.values.shape == (0, 64)
  again, _ = _extract(clips, settings, tmp_path / "two", 2)
  assert again.reused == 15
  # A changed file is extracted again, and so is a damaged result.
  write_tone(tmp_path / "0.wav", seconds=0.7)
  store = open_store(tmp_path / "two", settings)
  broken = store._path("audio", clips[5].audio)
  broken.write_bytes(broken.read_bytes()[:100])
  third, _ = _extract(clips, settings, tmp_path / "two", 1)
  assert third.reused == 13
  assert len(third.collect(clips[0]).audio.values) == 1 + 11200 // 512


def test_stored_features_need_no_process(tmp_path, settings):
  clip = Utterance("a", "train", "", audio=Stored(np.ones((4, 64))))
  extractor, done = _extract([clip], settings, tmp_path / "store", 2)
  assert done == []
  found = extractor.collect(clip).audio.values
  assert (found.shape, found.dtype) == ((4, 64), np.float16)


def test_broken_media_are_absent_with_a_reason(tmp_path, settings):
  (tmp_path / "bad.wav").write_text("no sound")
  media = Media(tmp_path / "bad.wav")
  clip = Utterance("a", "train", "", audio=media, video=media)
  extractor, _ = _extract([clip], settings, tmp_path / "store", 1)
  found = extractor.collect(clip)
  assert found.audio.values.shape == (0, 64)
  assert found.video.values.shape == (0, 1280)
  assert {(m, f.kind, f.action) for m, f in found.findings()} == {
    ("audio", "unreadable", "absent"),
    ("video", "unreadable", "absent"),
  }


class _DeadlyPath(type(Path())):
  """A path that kills the process which looks at it, as a decoder might."""

  def is_file(self):
    os.kill(os.getpid(), signal.SIGSEGV)


class _EndlessPath(type(Path())):
  """A path that keeps the process which looks at it for ever."""

  def is_file(self):
    time.sleep(3600)


def test_a_clip_that_kills_its_process_is_alone_in_that(
  tmp_path, settings, write_tone
):
  media = [Media(write_tone(tmp_path / f"{n}.wav")) for n in range(3)]
  media.insert(1, Media(_DeadlyPath(tmp_path / "deadly.wav")))
  media.insert(3, Media(_EndlessPath(tmp_path / "endless.wav")))
  clips = [
    Utterance(f"u{n}", "train", "", audio=each) for n, each in enumerate(media)
  ]
  store = tmp_path / "store"
  extractor, done = _extract(clips, settings, store, 2, seconds=6)
  assert len(done) == 5
  found = [extractor.collect(clip).audio for clip in clips]
  assert [len(each.values) > 0 for each in found] == [
    *(True, False, True, False, True)
  ]
  assert [each.reason for each in found[1].findings] == ["crashed: SIGSEGV"]
  assert [each.kind for each in found[3].findings] == ["time_limit"]
  # Neither is kept: a later run may have more memory, or time.
  assert len(list(store.rglob("*.npz"))) == 3
