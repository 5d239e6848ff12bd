"""Export speed and memory on clips of 5 s at 640 x 360 with a real face.

  python tests/benchmarks/export_speed.py --folder FOLDER --clips 500
  python tests/benchmarks/export_speed.py --folder FOLDER --clips 0 --memory 50

Prints Markdown tables: speed by modality and number of processes; the CPU time
of each stage of a clip; the peak memory of the exporter's whole process tree,
as the kernel shares it out (PSS), at N and at 10 N clips.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from skimage import data

SECONDS, RATE, SOUND_RATE = 5, 30, 44100
MODES = {"audio": ("--novideo",), "video": ("--noaudio",), "both": ()}
# Raw media that are made; more clips differ from them by milliseconds of
# their end, so that every clip is decoded and nothing is found in a store.
_FILES = 50
_SAMPLE_SECONDS = 0.2  # between two looks at the memory


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


def write_corpus(folder: Path, clips: int, files: int) -> Path:
  """Raw media, where they are missing, and a manifest; returns its folder."""
  media = folder / "media"
  media.mkdir(parents=True, exist_ok=True)
  rows = []
  for number in range(clips):
    path = media / f"{number % files}.mp4"
    if not path.exists():
      write_clip(path, number % files)
    row = {"id": f"u{number}", "text": "", "intensity": 1.0}
    row |= {"split": "train" if number else "validation"}
    row |= {"audio": str(path.absolute()), "video": str(path.absolute())}
    if number >= files:
      row |= {"start": 0.0, "end": SECONDS - number // files * 1e-3}
    rows.append(json.dumps(row))
  corpus = folder / f"corpus_{clips}"
  corpus.mkdir(exist_ok=True)
  (corpus / "manifest.jsonl").write_text("\n".join(rows))
  return corpus


def _tree(root: int) -> Iterator[int]:
  """A process and all below it, the fork server's children too."""
  yield root
  with contextlib.suppress(OSError):
    for task in Path(f"/proc/{root}/task").iterdir():
      for child in (task / "children").read_text().split():
        yield from _tree(int(child))


def _memory(root: int) -> Counter:
  """RSS and PSS of a process tree now, MiB; pages shared count once in PSS."""
  found = Counter()
  for process in _tree(root):
    with contextlib.suppress(OSError):  # it has ended
      for line in Path(f"/proc/{process}/smaps_rollup").read_text().split("\n"):
        name, _, value = line.partition(":")
        if name in ("Rss", "Pss"):
          found[name] += int(value.split()[0]) / 1024
  return found


@dataclass(frozen=True)
class Run:
  """One export in processes of its own.

  Attributes:
    seconds: wall time of the command, start included.
    report: its export_report.json.
    peaks: "Rss", "Pss" -> MiB, the largest sum over the tree.
  """

  seconds: float
  report: dict
  peaks: Counter


def run(corpus: Path, mode: str, jobs: int, watched: bool) -> Run:
  """Exports a corpus; `watched` looks at the memory while it runs."""
  out = corpus.parent / "data"
  command = [sys.executable, "-m", "feature_export.export", "--overwrite"]
  command += ["--corpus", "manifest", "--raw", str(corpus), "--name", "speed"]
  command += ["--out", str(out), "--jobs", str(jobs), *MODES[mode]]
  peaks, started = Counter(), time.monotonic()
  log = corpus.parent / "log.txt"
  with log.open("w") as output:
    process = subprocess.Popen(command, stdout=output, stderr=output)
    while process.poll() is None:
      if watched:
        peaks |= _memory(process.pid)  # the larger of both
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_SAMPLE_SECONDS)
  seconds = time.monotonic() - started
  if process.returncode:
    sys.exit(f"the export failed:\n{log.read_text()}")
  (report,) = out.glob("speed/*/export_report.json")
  return Run(seconds, json.loads(report.read_text()), peaks)


def print_table(header: list[str], rows: list[list]) -> None:
  """A table in Markdown."""
  for cells in (header, ["---"] * len(header), *rows):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
  print(flush=True)


def measure_speed(options: argparse.Namespace) -> None:
  """Exports the same clips by every mode and number of processes."""
  corpus = write_corpus(options.folder, options.clips, options.files)
  rows = []
  for mode in options.modes.split(","):
    for jobs in map(int, options.jobs.split(",")):
      one = run(corpus, mode, jobs, watched=False)
      counts = one.report["splits"]["train"]
      for each in ("audio", "video") if mode == "both" else (mode,):
        if counts[f"with_{each}"] != counts["clips"]:
          sys.exit(f"clips without {each}: {one.report['kinds']}")
      rows.append(
        [mode, jobs, f"{one.seconds:.1f}"]
        + [f"{one.seconds - one.report['seconds']:.1f}"]
        + [f"{options.clips / one.seconds:.2f}"]
        + [f"{SECONDS * options.clips / one.seconds:.1f}"]
      )
      print(f"done: {rows[-1]}", file=sys.stderr, flush=True)
  print(f"{options.clips} clips of {SECONDS} s, 640 x 360\n")
  header = ["what", "`--jobs`", "seconds", "of them start and end"]
  print_table([*header, "clips/s", "times real time"], rows)


def measure_memory(options: argparse.Namespace) -> None:
  """Exports N and 10 N clips with both modalities."""
  rows = []
  for clips in (options.memory, 10 * options.memory):
    corpus = write_corpus(options.folder, clips, options.files)
    one = run(corpus, "both", 2, watched=True)
    rows.append([clips, f"{one.peaks['Pss']:.0f}", f"{one.peaks['Rss']:.0f}"])
  print("Both modalities, `--jobs 2`; peak over the process tree\n")
  print_table(["clips", "PSS, MiB", "sum of RSS, MiB"], rows)


class Stages:
  """CPU seconds of this process by stage, without those of inner stages."""

  def __init__(self):
    self.seconds: Counter = Counter()
    self._inner = [0.0]

  @contextlib.contextmanager
  def stage(self, name: str) -> Iterator[None]:
    """Counts what happens inside for `name`."""
    started = time.process_time()
    self._inner.append(0.0)
    try:
      yield
    finally:
      passed = time.process_time() - started
      self.seconds[name] += passed - self._inner.pop()
      self._inner[-1] += passed

  def watch(self, module, function: str, name: str) -> None:
    """Puts a function of a module under watch."""
    setattr(module, function, self.wrap(getattr(module, function), name))

  def wrap(self, function: Callable, name: str) -> Callable:
    """The same function, counted."""

    def counted(*arguments, **named):
      with self.stage(name):
        return function(*arguments, **named)

    return counted

  def wrap_iterator(self, function: Callable, name: str) -> Callable:
    """The same generator function, counted."""

    def counted(*arguments):
      values = function(*arguments)
      while True:
        with self.stage(name):
          value = next(values, None)
        if value is None:
          return
        yield value

    return counted


def measure_stages(options: argparse.Namespace) -> None:
  """Extracts some clips in this process, as a process of an export does."""
  from feature_export.corpora.utterance import MODALITIES, Media
  from feature_export.extraction import media_extractor as extraction
  from feature_export.extraction.flags import FeatureOptions, build_settings
  from feature_export.extraction.store import open_store
  from feature_export.features import audio

  stages = Stages()
  settings = build_settings(FeatureOptions(engine=options.engine))
  write_corpus(options.folder, options.stages, options.files)
  media = [
    Media(options.folder / "media" / f"{n % options.files}.mp4")
    for n in range(options.stages)
  ]
  stages.watch(audio, "read_waveform", "voice: decoding")
  stages.watch(audio, "compute_log_mel", "voice: resampling, Mel")
  stages.watch(extraction, "resize_picture", "face: cutting, resizing")
  stages.watch(extraction, "embed_pictures", "face: network")
  extraction.extract_frames = stages.wrap_iterator(
    extraction.extract_frames, "face: decoding"
  )
  follow = extraction.follow
  extraction.follow = lambda detector: stages.wrap(
    follow(detector), "face: search"
  )
  extractor = extraction.MediaExtractor(settings)
  for modality in MODALITIES:  # the networks are loaded
    extractor.extract(modality, media[0])
  stages.seconds.clear()
  store = open_store(options.folder / "store", settings)
  with stages.stage("the rest"):
    for each in media:
      for modality in MODALITIES:
        features = extractor.extract(modality, each)
        with stages.stage("keeping in the store"):
          store.save(modality, each, features)
  total = sum(stages.seconds.values())
  print(f"CPU time of one clip, mean of {options.stages}, one process\n")
  print_table(
    ["stage", "CPU ms per clip", "share"],
    [
      [name, f"{1000 * value / len(media):.1f}", f"{value / total:.0%}"]
      for name, value in [*stages.seconds.most_common(), ("all", total)]
    ],
  )


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add("--folder", type=Path, required=True, help="raw media and datasets")
  add("--clips", type=int, default=500, help="timed; 0: none")
  add("--modes", default="audio,video,both")
  add("--jobs", default="1,2")
  add("--files", type=int, default=_FILES, help="raw media behind the clips")
  add("--stages", type=int, default=20, help="clips of the breakdown; 0: none")
  add("--engine", default="torch", help="of the face network, in the breakdown")
  add("--memory", type=int, default=0, help="N, beside 10 N; 0: not measured")
  options = parser.parse_args()
  if options.stages:
    measure_stages(options)
  if options.clips:
    measure_speed(options)
  if options.memory:
    measure_memory(options)


if __name__ == "__main__":
  main()
