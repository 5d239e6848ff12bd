"""Speech is found where it is, by the network that silero-vad ships."""

import importlib.util

import numpy as np
import pytest

from feature_export.errors import InputError, MediaError
from feature_export.segmentation import speech
from feature_export.segmentation.cues import LONGEST


@pytest.fixture
def write_talk(real_data, tmp_path):
  """Writes two real sentences with the given pauses (s) around them."""
  import soundfile

  def write(*pauses: float):
    sentences = []
    for take in ("01", "02"):
      path = real_data(f"ravdess/Actor_01/03-01-05-02-01-{take}-01.wav")
      samples, _ = soundfile.read(path)
      loud = np.flatnonzero(np.abs(samples) > 0.05)
      sentences.append(samples[loud[0] : loud[-1]])
    pieces = [np.zeros(round(pauses[0] * 16000))]
    for number, pause in enumerate(pauses[1:]):
      pieces += [sentences[number % 2], np.zeros(round(pause * 16000))]
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.concatenate(pieces), 16000)
    return path, [len(each) / 16000 for each in sentences]

  return write


def test_two_sentences_are_two_stretches(write_talk):
  path, (first, second) = write_talk(2.0, 1.0, 0.5)
  one, two = speech.find_speech(path, 0.0)
  # The network takes a few of its blocks of 32 ms to be sure, and 100 ms are
  # added on both sides: 0.3 s, a fifth of a sentence.
  assert one.start == pytest.approx(2.0, abs=0.3)
  assert one.end == pytest.approx(2.0 + first, abs=0.3)
  assert two.start == pytest.approx(3.0 + first, abs=0.3)
  assert two.end == pytest.approx(3.0 + first + second, abs=0.3)
  assert (one.text, one.speaker) == ("", "")


def test_a_short_pause_is_one_within_an_utterance(write_talk):
  path, lengths = write_talk(0.5, 0.1, 0.5)
  (both,) = speech.find_speech(path, 0.0)
  assert both.end - both.start == pytest.approx(0.1 + sum(lengths), abs=0.3)


def test_talk_without_pauses_is_cut_at_fifteen_seconds(write_talk):
  path, _ = write_talk(0.5, *[0.1] * 15)
  found = speech.find_speech(path, 0.0)
  assert len(found) >= 2
  assert max(each.end - each.start for each in found) <= LONGEST


def test_silence_and_noise_hold_no_speech(tmp_path):
  import soundfile

  noise = np.random.default_rng(0).normal(0, 0.05, 5 * 16000)
  for name, samples in (("silence", 0 * noise), ("noise", noise)):
    soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    assert speech.find_speech(tmp_path / f"{name}.wav", 5.0) == []


def test_a_file_without_sound_or_a_missing_package_is_told(
  tmp_path, write_video, monkeypatch
):
  path = write_video(tmp_path / "a.mp4", [0, 99])
  with pytest.raises(MediaError, match="no_track"):
    speech.find_speech(path, 0.2)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match=r"\[export\].*--transcript"):
    speech.find_speech(path, 0.2)
