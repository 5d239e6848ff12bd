"""Export speed and memory on clips of 5 s at 640 x 360 with a real face.

python tests/benchmarks/export_speed.py --clips 500 --folder /tmp/export_speed
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
from skimage import data

SECONDS, RATE, SOUND_RATE = 5, 30, 44100


def write_clip(path: Path, seed: int) -> None:
  """A face that moves before a coloured background, with a wavering tone."""
  generator = np.random.default_rng(seed)
  picture = np.tile(data.astronaut(), (1, 2, 1))
  phase, pitch = generator.uniform(0, 6, 2), generator.uniform(120, 300)
  with av.open(str(path), "w") as container:
    video = container.add_stream("libx264", rate=RATE)
    video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
    video.options = {"preset": "veryfast"}
    audio = container.add_stream("aac", rate=SOUND_RATE)
    for number in range(SECONDS * RATE):
      x = int(40 + 30 * np.sin(number / 10 + phase[0]))
      y = int(20 + 15 * np.sin(number / 8 + phase[1]))
      cut = np.ascontiguousarray(picture[y : y + 360, x : x + 640])
      frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
      container.mux(video.encode(frame))
    container.mux(video.encode(None))
    time_ = np.arange(SECONDS * SOUND_RATE) / SOUND_RATE
    wave = 0.3 * np.sin(2 * np.pi * pitch * time_ + 5 * np.sin(9 * time_))
    for first in range(0, len(wave), 1024):
      part = wave[None, first : first + 1024].astype(np.float32)
      sound = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
      sound.sample_rate, sound.pts = SOUND_RATE, first
      container.mux(audio.encode(sound))
    container.mux(audio.encode(None))


def write_corpus(folder: Path, media: Path, clips: int, files: int) -> None:
  """A manifest; with fewer files than clips, intervals differ a little."""
  folder.mkdir(parents=True, exist_ok=True)
  rows = []
  for number in range(clips):
    path = str((media / f"{number % files}.mp4").absolute())
    row = {"id": f"u{number}", "text": "", "intensity": 1.0}
    row |= {"split": "train" if number else "validation"}
    row |= {"audio": path, "video": path}
    if number >= files:
      row |= {"start": 0.0, "end": 5.0 - number // files * 1e-3}
    rows.append(json.dumps(row))
  (folder / "manifest.jsonl").write_text("\n".join(rows))


def run(folder: Path, out: Path, clips: int, *flags: str) -> None:
  """One export in a process of its own; prints its speed and memory."""
  command = [sys.executable, "-m", "feature_export.export"]
  command += ["--corpus", "manifest", "--raw", str(folder), "--overwrite"]
  started = time.monotonic()
  subprocess.run(
    [*command, "--out", str(out), *flags], check=True, capture_output=True
  )
  seconds = time.monotonic() - started
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
  print(
    f"{clips} clips {' '.join(flags)}: {seconds:.1f} s, "
    f"{clips / seconds:.2f} clips/s, {SECONDS * clips / seconds:.1f} times "
    f"real time, largest process so far {peak:.0f} MiB",
    flush=True,
  )


def main() -> None:
  parser = argparse.ArgumentParser()
  parser.add_argument("--clips", type=int, default=500)
  parser.add_argument("--folder", type=Path, required=True)
  options = parser.parse_args()
  media = options.folder / "media"
  media.mkdir(parents=True, exist_ok=True)
  for number in range(options.clips):
    if not (media / f"{number}.mp4").exists():
      write_clip(media / f"{number}.mp4", number)
  corpus, out = options.folder / "corpus", options.folder / "data"
  write_corpus(corpus, media, options.clips, options.clips)
  for jobs in ("1", "2"):
    for left_out in (("--novideo",), ("--noaudio",), ()):
      run(corpus, out, options.clips, "--jobs", jobs, *left_out)
  larger = options.folder / "larger"
  write_corpus(larger, media, 10 * options.clips, options.clips)
  run(larger, out, 10 * options.clips, "--jobs", "2", "--novideo")


if __name__ == "__main__":
  main()
