"""Peak memory of every process that answers a recording, by its length.

python tests/benchmarks/recording_memory.py --workdir DIR [--minutes 3 30]
    [--batch_size 8] [--by_voice]

The recordings are synthetic voices with plain pictures of 64 px. Linux only.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import av
import numpy as np

_ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT))
from feature_export.synthesis import affect, voice  # noqa: E402

_RATE = voice.SAMPLE_RATE
_SPOKEN, _SILENT = 1.6, 0.6  # s
_PROCESS = re.compile(
  r"unimse_jax\.predict|feature_export\.\w+|multiprocessing"
)


def write_recording(folder: pathlib.Path, minutes: float) -> pathlib.Path:
  """Writes talk.mp4 and talk.srt beside it."""
  generator = np.random.default_rng(0)
  path, cues, frames = folder / "talk.mp4", [], 0
  with av.open(str(path), "w") as container:
    video = container.add_stream("mpeg4", rate=5)
    video.width = video.height = 64
    video.pix_fmt = "yuv420p"
    sound = container.add_stream("aac", rate=_RATE, layout="mono")
    done = 0  # samples
    while done < minutes * 60 * _RATE:
      feeling = affect.draw_affect("anger", generator)
      speaker = voice.draw_speaker(generator)
      spoken = voice.speak(feeling, speaker, _SPOKEN, generator)
      cues.append(done / _RATE)
      samples = np.pad(spoken, (0, round(_SILENT * _RATE)))
      for start in range(0, len(samples), 1024):
        piece = samples[None, start : start + 1024].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
        frame.sample_rate, frame.pts = _RATE, done + start
        container.mux(sound.encode(frame))
      done += len(samples)
      while frames < 5 * done / _RATE:
        picture = np.full((64, 64, 3), 40 + frames % 180, np.uint8)
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        frames += 1
    container.mux([*video.encode(None), *sound.encode(None)])
  path.with_suffix(".srt").write_text(
    "\n".join(
      f"{n}\n{_stamp(start)} --> {_stamp(start + _SPOKEN)}\nIt is {n}.\n"
      for n, start in enumerate(cues, 1)
    )
  )
  return path


def _stamp(seconds: float) -> str:
  whole = round(1000 * seconds)
  minutes, rest = divmod(whole, 60000)
  return f"{minutes // 60:02}:{minutes % 60:02}:{rest / 1000:06.3f}"


def peaks(command: list[str]) -> dict[str, float]:
  """Runs a command; MB of each kind of process below it."""
  process = subprocess.Popen(command)
  most: dict[str, float] = collections.defaultdict(float)
  while process.poll() is None:
    parents, found = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
      try:
        status = (folder / "status").read_text()
        line = (folder / "cmdline").read_text().replace("\0", " ")
      except OSError:  # it has ended
        continue
      peak = re.search(r"VmHWM:\s+(\d+)", status)
      if peak and (kind := _PROCESS.search(line)):
        parents[int(folder.name)] = int(re.search(r"PPid:\s+(\d+)", status)[1])
        found[int(folder.name)] = kind[0], int(peak[1]) / 1024
    for number, (kind, size) in found.items():
      above = number
      while above in parents and above != process.pid:
        above = parents[above]
      if above == process.pid:
        most[kind] = max(most[kind], size)
    time.sleep(0.2)
  if process.returncode:
    raise SystemExit(process.returncode)
  return most


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--workdir", required=True)
  parser.add_argument("--minutes", type=float, nargs="+", default=[3, 30])
  parser.add_argument("--batch_size", type=int, default=8)
  parser.add_argument("--by_voice", action="store_true")
  values = parser.parse_args()
  for minutes in values.minutes:
    with tempfile.TemporaryDirectory() as name:
      folder = pathlib.Path(name)
      path = write_recording(folder, minutes)
      command = [sys.executable, "-m", "unimse_jax.predict", "--devices=1"]
      command += [f"--workdir={values.workdir}", f"--media={path}"]
      command += [f"--output={folder / 'out.jsonl'}"]
      command += [f"--timeline={folder / 'talk.html'}"]
      command += [f"--batch_size={values.batch_size}"]
      if not values.by_voice:
        command += [f"--transcript={path.with_suffix('.srt')}"]
      found = peaks(command)
      rows = (folder / "out.jsonl").read_text().count("\n")
      shown = ", ".join(f"{k} {v:.0f} MB" for k, v in sorted(found.items()))
      print(f"{minutes:g} min, {rows} utterances: {shown}", flush=True)


if __name__ == "__main__":
  main()
