"""CPU and wall seconds of clips that one process of the exporter answers.

  python tests/benchmarks/exporter_start.py --clips 5

Each clip (5 s, 640 x 360, a real face and a voice, 32 frames of 224 px) is one
request, as the demo page makes them. The first one starts the exporter; without
a process that stays, every clip would cost as much. CPU seconds are those of
all the exporter's processes.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from feature_export.extraction.flags import FeatureOptions, build_settings
from feature_export.records.schema import hash_settings
from tests.benchmarks.export_speed import write_clip
from unimse_jax.prediction import Clip
from unimse_jax.prediction.raw_media import Exporter


def seconds_below(process: int) -> float:
  """CPU seconds of all processes below one, the ended ones too."""
  total = 0.0
  with contextlib.suppress(OSError):  # it has just ended
    for task in Path(f"/proc/{process}/task").iterdir():
      for child in map(int, (task / "children").read_text().split()):
        stat = Path(f"/proc/{child}/stat").read_text()
        ticks = map(int, stat.rpartition(")")[2].split()[11:15])
        total += sum(ticks) / os.sysconf("SC_CLK_TCK") + seconds_below(child)
  return total


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--clips", type=int, default=5)
  options = parser.parse_args()
  described = build_settings(FeatureOptions()).describe()
  described["settings_sha256"] = hash_settings(described)
  exporter = Exporter(described)
  spent = 0.0
  print("| clip | CPU s | wall s |")
  print("|---|---|---|")
  with tempfile.TemporaryDirectory() as folder, exporter.process:
    path = Path(folder) / "clip.mp4"
    write_clip(path, 0)
    for number in range(1, options.clips + 1):
      started = time.monotonic()
      (clip,) = exporter.extract_files([Clip(text="so", media=path)])
      seconds = time.monotonic() - started
      assert len(clip.audio) and len(clip.video)
      now = seconds_below(os.getpid())
      print(f"| {number} | {now - spent:.2f} | {seconds:.2f} |", flush=True)
      spent = now


if __name__ == "__main__":
  main()
