"""Tests of the choice of the speaking face: real faces, real voices."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError
from feature_export.extraction.media_extractor import MediaExtractor
from feature_export.features import speaking_face
from feature_export.features.efficientnet import DEFAULT_BACKBONE, find_weights
from feature_export.features.faces import describe_faces, load_detector
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  SpeakerSettings,
  VideoSettings,
)
from feature_export.features.speaking_face import SpeakingFaces, find_speaker
from feature_export.features.weights import hash_weights

RATE, FRAME_RATE, SECONDS = 16000, 25, 3
# Left of this the large face is, right of it the small one; pixels.
BETWEEN = 400
# Rows and columns of the mouth in scikit-image's astronaut.
MOUTH_ROWS, MOUTH_COLUMNS = slice(134, 170), slice(180, 270)


def _settings(choice: str) -> ExtractionSettings:
  weights = find_weights(DEFAULT_BACKBONE, None)
  speaker = SpeakerSettings() if choice == "speaking" else None
  video = VideoSettings(
    *(DEFAULT_BACKBONE, hash_weights(weights), 64, 8),
    faces=describe_faces("haar", None, speaker),
  )
  return ExtractionSettings(AudioSettings(), video, weights, device="cpu")


@pytest.fixture(scope="module")
def extract():
  """Gives a clip's embeddings and findings by the choice among its faces."""
  extractors = {
    choice: MediaExtractor(_settings(choice))
    for choice in ("largest", "speaking")
  }

  def run(path: Path, choice: str):
    found = extractors[choice].extract("video", Media(path))
    return found.values, [each.reason for each in found.findings]

  return run


@pytest.fixture(scope="module")
def locate():
  """Finds out whose face is taken, "large", "small" or None, a tenth a time."""
  settings = _settings("speaking").video
  detector = load_detector(settings.faces, None)

  def run(path: Path) -> list[str | None]:
    faces = find_speaker(Media(path), settings, detector)
    boxes = [faces.box_at(time) for time in np.arange(0.1, 2.9, 0.1)]
    return [
      box and ("large" if box[0] + box[2] < BETWEEN else "small")
      for box in boxes
    ]

  return run


def _bursts() -> np.ndarray:
  """Noise that comes and goes unevenly, as syllables do."""
  generator = np.random.default_rng(0)
  loudness = np.repeat(generator.uniform(0, 0.4, 12) ** 2, RATE * SECONDS // 12)
  return (loudness * generator.standard_normal(len(loudness))).astype(
    np.float32
  )


def _read(path: Path) -> np.ndarray:
  """The loudest part of a recording."""
  import soundfile

  samples, rate = soundfile.read(path, dtype="float32")
  assert rate == RATE
  middle = len(samples) // 2
  half = RATE * SECONDS // 2
  return samples[middle - half : middle + half]


def _opening(voice: np.ndarray) -> np.ndarray:
  """How far a mouth is open in each frame: syllables, as loud as the voice."""
  parts = voice[: RATE * SECONDS].reshape(FRAME_RATE * SECONDS, -1)
  loudness = np.sqrt((parts**2).mean(axis=1))
  loudness = np.convolve(loudness, np.ones(3) / 3, "same") / loudness.max()
  return loudness * np.abs(np.sin(np.pi * 4 * np.arange(len(parts)) / 25))


def _talk(picture: np.ndarray, opening: float) -> np.ndarray:
  """A face whose mouth is stretched downwards."""
  import cv2

  picture = picture.copy()
  mouth = picture[MOUTH_ROWS, MOUTH_COLUMNS]
  height, width = mouth.shape[:2]
  rows, columns = np.mgrid[:height, :width].astype(np.float32)
  bump = np.sin(np.pi * rows / height) * np.sin(np.pi * columns / width)
  picture[MOUTH_ROWS, MOUTH_COLUMNS] = cv2.remap(
    mouth, columns, rows - 12 * np.float32(opening) * bump, cv2.INTER_LINEAR
  )
  return picture


def _place(canvas: np.ndarray, face: np.ndarray, x: int, scale: float) -> None:
  import cv2

  small = cv2.resize(
    face[:260, 90:390], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
  )
  canvas[20 : 20 + small.shape[0], x : x + small.shape[1]] = small


def _film(path: Path, large, small, voice: np.ndarray | None) -> Path:
  """Films two faces, given by how far their mouths are open; None: not there.

  The heads of both sway a little.
  """
  import av
  from skimage import data

  face = data.astronaut()
  with av.open(str(path), "w") as container:
    video = container.add_stream("libx264", rate=FRAME_RATE)
    video.width, video.height, video.pix_fmt = 720, 360, "yuv420p"
    audio = None
    if voice is not None:
      audio = container.add_stream("aac", rate=RATE)
    for number in range(FRAME_RATE * SECONDS):
      canvas = np.full((360, 720, 3), 90, np.uint8)
      sway = round(4 * np.sin(number / 7))
      if large is not None:
        _place(canvas, _talk(face, large[number]), 30 + sway, 1.2)
      if small is not None:
        other = _talk(face, small[number])
        dark = (other * 0.6).astype(np.uint8)[:, ::-1]
        _place(canvas, dark, 440 - sway, 0.8)
      frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
      container.mux(video.encode(frame))
    container.mux(video.encode(None))
    for start in range(0, len(voice) if audio else 0, 1024):
      sound = av.AudioFrame.from_ndarray(
        voice[None, start : start + 1024], format="fltp", layout="mono"
      )
      sound.sample_rate, sound.pts = RATE, start
      container.mux(audio.encode(sound))
    if audio:
      container.mux(audio.encode(None))
  return path


STILL = np.zeros(FRAME_RATE * SECONDS)


def test_the_small_face_is_taken_when_it_speaks(tmp_path, locate, extract):
  voice = _bursts()
  path = _film(tmp_path / "a.mp4", STILL, _opening(voice), voice)
  assert set(locate(path)) == {"small"}
  values, findings = extract(path, "speaking")
  assert findings[0].startswith("speaking_face: in 8 frames; 2 faces, ")
  alone = _film(tmp_path / "b.mp4", None, _opening(voice), voice)
  wanted, _ = extract(alone, "largest")
  largest, none = extract(path, "largest")
  assert none == []

  def distance(one, other) -> float:
    means = (each.astype(float).mean(axis=0) for each in (one, other))
    return float(np.abs(np.subtract(*means)).mean())

  # Compression differs between the films, and boxes by a pixel or two.
  assert distance(values, wanted) < 0.5 * distance(values, largest)


@pytest.mark.parametrize(
  "name",
  ["Actor_01/03-01-05-02-01-01-01.wav", "Actor_02/03-01-04-01-02-01-02.wav"],
)
def test_real_voices(tmp_path, locate, real_data, name):
  voice = _read(real_data("ravdess") / name)
  speaks, backwards = _opening(voice), _opening(voice)[::-1]
  path = _film(tmp_path / "a.mp4", backwards, speaks, voice)
  assert set(locate(path)) == {"small"}
  path = _film(tmp_path / "b.mp4", speaks, backwards, voice)
  assert set(locate(path)) == {"large"}


def test_the_largest_is_taken_where_nobody_follows_the_voice(
  tmp_path, locate, extract
):
  generator = np.random.default_rng(1)
  one, other = generator.uniform(0, 1, (2, FRAME_RATE * SECONDS))
  path = _film(tmp_path / "a.mp4", one, other, _bursts())
  assert set(locate(path)) == {None}
  values, (reason,) = extract(path, "speaking")
  assert reason.startswith("speaker_unsure: in 0 frames; 2 faces, ")
  np.testing.assert_array_equal(values, extract(path, "largest")[0])


def test_the_largest_is_taken_where_both_speak(tmp_path, locate):
  voice = _bursts()
  opening = _opening(voice)
  path = _film(tmp_path / "a.mp4", opening, opening, voice)
  assert set(locate(path)) == {None}


def test_one_face_is_as_before_and_so_are_two_without_a_voice(
  tmp_path, extract
):
  voice = _bursts()
  one = _film(tmp_path / "one.mp4", None, _opening(voice), voice)
  mute = _film(tmp_path / "mute.mp4", STILL, _opening(voice), None)
  silent = _film(tmp_path / "silent.mp4", STILL, _opening(voice), 0 * voice)
  for path in (one, mute, silent):
    values, findings = extract(path, "speaking")
    assert findings == []
    np.testing.assert_array_equal(values, extract(path, "largest")[0])


def _track(first: float, last: float, agreement: float, x: int = 0):
  boxes = [(x, 10, 40, 40), (x + 20, 10, 40, 40)]
  return speaking_face._Track([first, last], boxes, last, agreement=agreement)


def test_who_speaks_is_asked_at_every_time():
  early, late = _track(0.0, 1.0, 0.5), _track(0.5, 2.0, 0.7, 100)
  faces = SpeakingFaces((early, late))
  assert faces.box_at(0.25) == (5, 10, 40, 40)
  assert faces.box_at(0.75) == (103, 10, 40, 40)  # 100 + 20 / 6
  assert faces.box_at(2.03) == (120, 10, 40, 40)
  assert faces.box_at(2.05) is None
  # A lead of 0.1 is needed over whoever is in sight.
  near = SpeakingFaces((early, _track(0.5, 2.0, 0.59, 100)))
  assert near.box_at(0.75) is None
  assert near.box_at(1.5) is not None
  assert SpeakingFaces((_track(0.0, 1.0, 0.29),)).box_at(0.5) is None
  assert SpeakingFaces().box_at(0.5) is None


def test_a_cut_ends_what_is_followed():
  pictures = [np.full((90, 160, 3), 40, np.uint8)] * 10
  pictures += [np.full((90, 160, 3), 200, np.uint8)] * 10
  searched = []

  def detector(picture, every):
    assert every
    searched.append(int(picture[0, 0, 0]))
    return [(40, 20, 40, 40), (50, 25, 20, 20)]  # the second on the first

  frames = [(number / 10, each) for number, each in enumerate(pictures)]
  settings = dataclasses.replace(SpeakerSettings(), search_every=4)
  tracks = speaking_face._follow_faces(frames, detector, settings)
  assert searched == [40] * 3 + [200] * 3
  assert [each.times for each in tracks] == [[0.0, 0.4, 0.8], [1.0, 1.4, 1.8]]
  assert [each.until for each in tracks] == [0.9, 1.9]
  assert [len(each.moments) for each in tracks] == [9, 9]
  assert set(tracks[0].movement) == {0.0}


def test_a_missed_face_is_found_again_once():
  answers = iter([[1], [], [1], [], [], [1]])
  frames = [(float(n), np.zeros((90, 160, 3), np.uint8)) for n in range(6)]
  settings = dataclasses.replace(SpeakerSettings(), search_every=1)
  tracks = speaking_face._follow_faces(
    frames,
    lambda picture, every: [(9, 9, 40, 40)] * len(next(answers)),
    settings,
  )
  assert [each.times for each in tracks] == [[0.0, 2.0], [5.0]]
  assert tracks[0].until == 2.0


def test_energies_and_correlations():
  samples = np.repeat(np.float32([0, 3, 4]), 100)
  energies = speaking_face._energies(
    samples, 100, np.array([0.5, 1.0, 2.5, 9.0]), 0.2
  )
  expected = [0, np.sqrt(9 / 2), 4, 0]
  np.testing.assert_allclose(energies, expected, rtol=1e-12)
  values = np.array([1.0, 2.0, 6.0])
  np.testing.assert_allclose(
    speaking_face._smooth(values, 3), [4 / 3, 3, 14 / 3], rtol=1e-12
  )
  assert speaking_face._correlate(values, -values) == pytest.approx(-1)
  assert speaking_face._correlate(values, np.ones(3)) == 0


def test_the_choice_is_in_the_settings_and_only_there_where_it_is_made():
  largest = _settings("largest").describe()["video"]["faces"]
  speaking = _settings("speaking").describe()["video"]["faces"]
  assert "speaker" not in largest
  assert speaking.pop("speaker")["rate"] == 12.5
  assert speaking == largest
  with pytest.raises(InputError, match="--faces haar or yunet, found none"):
    describe_faces("none", None, SpeakerSettings())
