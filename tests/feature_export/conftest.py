"""Small raw media, written on the spot."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from feature_export.records import tensorflow_start

# Before any test imports TensorFlow, which may then meet PyTorch.
tensorflow_start.prepare()

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def real_data() -> Callable[[str], Path]:
  """Finds real data beside the checkout; skips where there is none."""

  def find(name: str) -> Path:
    path = REAL_DATA / name
    if not path.exists():
      pytest.skip(f"real data not there: {path}")
    return path

  return find


@pytest.fixture
def write_tone() -> Callable[..., Path]:
  """Writes a sine of amplitude 0.5 as a 16-bit wav file."""
  import soundfile

  def write(
    path: Path, seconds: float = 0.5, hertz: float = 440.0, rate: int = 16000
  ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * time), rate)
    return path

  return write


@pytest.fixture
def write_video() -> Callable[..., Path]:
  """Writes a video whose frame i is plain grey of the i-th level.

  `late` frames have no picture before the first one; its tone, if it has one,
  is from 0 s, or `late_tone` s, to the end of the pictures.
  """
  import av

  def write(
    path: Path,
    levels: list[int],
    fps: int = 10,
    tone: bool = False,
    late: int = 0,
    late_tone: float = 0.0,
    **options: str,
  ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
      video = container.add_stream("mpeg4", rate=fps)
      video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
      audio = container.add_stream("aac", rate=16000) if tone else None
      for place, level in enumerate(levels, late):
        picture = np.full((48, 64, 3), level, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = place, Fraction(1, fps)
        container.mux(video.encode(frame))
      container.mux(video.encode(None))
      if audio is not None:
        end = (late + len(levels)) / fps
        _mux_tone(container, audio, late_tone, end)
    return path

  return write


def _mux_tone(container, stream, begin: float, end: float) -> None:
  """Adds 440 Hz of amplitude 0.5 as a sound track, from begin to end in s."""
  import av

  time = np.arange(round((end - begin) * 16000)) / 16000
  samples = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
  for start in range(0, len(samples), 1024):
    frame = av.AudioFrame.from_ndarray(
      samples[None, start : start + 1024], format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts = 16000, start + round(begin * 16000)
    frame.time_base = Fraction(1, 16000)
    container.mux(stream.encode(frame))
  container.mux(stream.encode(None))


@pytest.fixture
def write_manifest() -> Callable[..., Path]:
  """Writes rows, and a scheme if given, as a manifest folder."""

  def write(folder: Path, rows: list[dict], scheme: dict | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in rows]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    if scheme is not None:
      (folder / "scheme.json").write_text(json.dumps(scheme))
    return folder

  return write


@pytest.fixture
def raw_corpus(tmp_path, write_tone, write_video, write_manifest) -> Path:
  """A manifest folder with a bit of everything.

  A dialogue of three turns, the last without a label; a clip whose audio and
  video are broken; a clip with intensity; every split.
  """
  raw = tmp_path / "raw" / "mine"
  write_tone(raw / "a.wav")
  write_tone(raw / "b.wav", hertz=880)
  write_video(raw / "a.mp4", [60, 90, 120, 150, 180, 210])
  (raw / "broken.wav").write_text("no sound")
  (raw / "broken.mp4").write_text("no picture")
  dialogue = {"dialogue": "d", "split": "train"}
  rows = [
    {"id": "t0", "turn": 0, "speaker": "A", "text": "hello", "emotion": "joy"}
    | {"audio": "a.wav", "video": "a.mp4", **dialogue},
    {"id": "t1", "turn": 2, "speaker": "B", "text": "oh", "emotion": "fear"}
    | {"audio": "broken.wav", "video": "broken.mp4", **dialogue},
    {"id": "t2", "turn": 5, "speaker": "A", "text": "well", **dialogue},
    {"id": "v0", "split": "validation", "text": "so", "intensity": -1.5}
    | {"audio": "b.wav"},
    {"id": "e0", "split": "test", "text": "d\u00e9j\u00e0 vu \U0001f600"}
    | {"emotion": "surprise", "polarity": "negative"},
  ]
  scheme = {"joy": "positive", "fear": "negative", "surprise": ""}
  return write_manifest(raw, rows, {"name": "three", "classes": scheme})


@pytest.fixture
def export_raw(raw_corpus, tmp_path) -> Callable[..., int]:
  """Exports `raw_corpus` in this process to tmp_path / "data"."""
  from feature_export import export

  def run(*flags: str) -> int:
    return export.main(
      ["--corpus", "manifest", "--raw", str(raw_corpus)]
      + ["--out", str(tmp_path / "data"), "--jobs", "1"]
      + ["--frames", "3", "--image_size", "64", "--faces", "none", *flags]
    )

  return run
