"""How often the speaking face is found among two, from clips of one speaker.

  python tests/benchmarks/speaking_faces.py --clips FOLDER --pairs 30

FOLDER holds videos of one talking face each, with sound, all of one size and
rate. Two are put side by side: the voice is that of the smaller one. The other
keeps still (the clip's first third of a second, to and fro), speaks a second
out of step, or speaks as it did.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import av
import cv2
import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.features.audio import read_waveform
from feature_export.features.faces import (
  Detector,
  describe_faces,
  load_detector,
)
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import (
  AudioSettings,
  SpeakerSettings,
  VideoSettings,
)
from feature_export.features.speaking_face import find_speaker
from feature_export.features.video import extract_frames
from feature_export.features.waveform import Waveform

RATE = 25  # frames/s
SCALE = 0.65  # of the speaker, beside the other
_STILL = RATE // 3
_VIDEO = VideoSettings(
  "none", "0" * 64, faces=describe_faces("haar", None, SpeakerSettings())
)


@dataclass(frozen=True)
class Clip:
  """A talking face: uint8[H, W, 3] frames, and the voice."""

  frames: list[np.ndarray]
  voice: Waveform


def read_clip(path: Path) -> Clip:
  found = extract_frames(
    Media(path), _VIDEO, Inspection(default_policies("video")), RATE
  )
  voice = read_waveform(
    Media(path), AudioSettings(), Inspection(default_policies("audio"))
  )
  return Clip([frame for _, frame in found], voice)


def listen(frames: list[np.ndarray], how: str) -> list[np.ndarray]:
  """What the other face does while the speaker speaks."""
  if how == "still":
    there = [*range(_STILL), *range(_STILL - 2, 0, -1)]
    return [frames[there[n % len(there)]] for n in range(len(frames))]
  return frames[RATE:] + frames[:RATE] if how == "out of step" else frames


def put_together(
  small: Iterable[np.ndarray], large: Iterable[np.ndarray]
) -> list[np.ndarray]:
  """The large face on the left, the small one on the right."""
  pictures = []
  for one, other in zip(small, large, strict=False):
    height, width = other.shape[:2]
    canvas = np.full((height + 32, 2 * width + 80, 3), 60, np.uint8)
    canvas[16 : 16 + height, 16 : 16 + width] = other
    reduced = cv2.resize(
      one, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA
    )
    top, left = 40, width + 80
    canvas[top : top + len(reduced), left : left + reduced.shape[1]] = reduced
    pictures.append(canvas)
  return pictures


def write_film(path: Path, pictures: list[np.ndarray], voice: Waveform) -> None:
  with av.open(str(path), "w") as container:
    video = container.add_stream("libx264", rate=RATE)
    video.height, video.width = pictures[0].shape[:2]
    video.pix_fmt, video.options = "yuv420p", {"preset": "veryfast"}
    audio = container.add_stream("aac", rate=voice.rate)
    for picture in pictures:
      frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
      container.mux(video.encode(frame))
    container.mux(video.encode(None))
    for first in range(0, len(voice.samples), 1024):
      part = np.float32(voice.samples[None, first : first + 1024])
      sound = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
      sound.sample_rate, sound.pts = voice.rate, first
      container.mux(audio.encode(sound))
    container.mux(audio.encode(None))


def measure(
  small: Clip, large: Clip, how: str, detector: Detector
) -> tuple[str, float]:
  """Whose face is taken in most frames, and the CPU seconds of finding out."""
  pictures = put_together(small.frames, listen(large.frames, how))
  middle = large.frames[0].shape[1] + 40
  with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "film.mp4"
    write_film(path, pictures, small.voice)
    started = time.process_time()
    faces = find_speaker(Media(path), _VIDEO, detector)
    seconds = time.process_time() - started
  times = np.arange(0.1, len(pictures) / RATE - 0.1, 0.1)
  boxes = [box for box in map(faces.box_at, times) if box is not None]
  right = sum(box[0] > middle for box in boxes)
  if 2 * right > len(times):
    return "right", seconds
  return "wrong" if 2 * (len(boxes) - right) > len(times) else "nobody", seconds


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--clips", type=Path, required=True)
  parser.add_argument("--pairs", type=int, default=30)
  parser.add_argument("--seed", type=int, default=0)
  options = parser.parse_args()
  clips = [read_clip(path) for path in sorted(options.clips.iterdir())]
  pairs = [*itertools.permutations(clips, 2)]
  order = np.random.default_rng(options.seed).permutation(len(pairs))
  detector = load_detector(_VIDEO.faces, None)
  print("| the other | pairs | right | wrong | nobody | CPU s a clip |")
  print("|---|---|---|---|---|---|")
  for how in ("still", "out of step", "as it did"):
    found = [measure(*pairs[n], how, detector) for n in order[: options.pairs]]
    counts = Counter(whose for whose, _ in found)
    shown = " | ".join(str(counts[k]) for k in ("right", "wrong", "nobody"))
    mean = sum(seconds for _, seconds in found) / len(found)
    print(f"| {how} | {len(found)} | {shown} | {mean:.2f} |", flush=True)


if __name__ == "__main__":
  main()
