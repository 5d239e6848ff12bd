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


def cpu_seconds(process: int) -> float:
  """CPU seconds of a process and all below it, the ended ones too."""
  total = 0.0
  with contextlib.suppress(OSError):
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{process}/task").iterdir():
      for child in (task / "children").read_text().split():
        total += cpu_seconds(int(child))
  return total


def own_seconds() -> float:
  return time.process_time()


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
  with tempfile.TemporaryDirectory() as folder, exporter.process as process:
    path = Path(folder) / "clip.mp4"
    write_clip(path, 0)
    for number in range(1, options.clips + 1):
      started = time.monotonic()
      (clip,) = exporter.extract_files([Clip(text="so", media=path)])
      seconds = time.monotonic() - started
      assert len(clip.audio) and len(clip.video)
      now = cpu_seconds(os.getpid()) - own_seconds()
      print(f"| {number} | {now - spent:.2f} | {seconds:.2f} |", flush=True)
      spent = now


if __name__ == "__main__":
  main()
