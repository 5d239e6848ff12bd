"""Times universal labels of real and made-up texts, and without one corpus.

  python tests/benchmarks/completion_speed.py --shared ../shared/data \\
      --folder /tmp/completion_speed

Three corpora of text alone: MELD's label files; MOSI's real texts, of which the
sign of the score is known, not the score (it counts as 1 or -1); and made-up
scenes, halves of MELD's sentences joined anew, in IEMOCAP's classes. Each step
is the command as a user gives it; seconds are of the whole command.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

_FOLDS = {"train": "train", "valid": "validation", "test": "test"}
_EMOTIONS = ("neutral", "frustrated", "anger", "sadness", "joy", "excited")


def write_manifest(folder: Path, rows: list[dict]) -> None:
  folder.mkdir(parents=True)
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (folder / "manifest.jsonl").write_text(lines, encoding="utf-8")


def read_signs(shared: Path) -> list[dict]:
  """MOSI's 2,199 texts in the standard folds, lower-cased."""
  folds = json.loads((shared / "folds/cmu_mosi_std_folds.json").read_text())
  split_of = {
    video: _FOLDS[name] for name, videos in folds.items() for video in videos
  }
  with (shared / "mosi/transcripts.csv").open(encoding="utf-8") as file:
    return [
      {"id": name, "split": split_of[name.rpartition("_")[0]]}
      | {"text": text.lower(), "intensity": 1.0 if label == "1" else -1.0}
      for name, text, _, label in csv.reader(file)
    ]


def make_scenes(shared: Path, count: int) -> list[dict]:
  """Sentences of MELD's length and words that nobody said."""
  with (shared / "meld/train_sent_emo.csv").open(encoding="utf-8") as file:
    sentences = [row["Utterance"].split() for row in csv.DictReader(file)]
  draw, rows = random.Random(0), []
  for number in range(count):
    first, second = draw.sample(sentences, 2)
    words = first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
    split = ("train", "train", "train", "validation", "test")[number % 5]
    rows.append(
      {"id": f"s{number}", "split": split, "text": " ".join(words)}
      | {"emotion": draw.choice(_EMOTIONS)}
    )
  return rows


def run(title: str, module: str, *flags: str) -> None:
  """Runs a command of the exporter; prints its seconds and what it says."""
  start = time.perf_counter()
  done = subprocess.run(
    [sys.executable, "-m", f"feature_export.{module}", *map(str, flags)],
    check=True,
    capture_output=True,
    text=True,
  )
  print(f"{title}: {time.perf_counter() - start:.1f} s", flush=True)
  for line in done.stdout.splitlines():
    if any(word in line for word in ("embedded in", "new to it", " labels: ")):
      print(f"  {line}", flush=True)


def export(shared: Path, folder: Path, scenes: int) -> Path:
  """The three corpora in a fresh data folder."""
  data = folder / "data"
  shutil.rmtree(folder, ignore_errors=True)
  write_manifest(folder / "signs", read_signs(shared))
  write_manifest(folder / "scenes", make_scenes(shared, scenes))
  run("export meld", "export", "--corpus", "meld", "--raw", shared / "meld",
      "--out", data)  # fmt: skip
  for name, scheme in (("signs", ()), ("scenes", ("--scheme", "iemocap"))):
    flags = ("--name", name, "--noaudio", "--novideo", *scheme, "--out", data)
    run(f"export {name}", "export", "--corpus", "manifest", "--raw",
        folder / name, *flags)  # fmt: skip
  return data


def main() -> None:
  parser = argparse.ArgumentParser()
  parser.add_argument("--shared", type=Path, required=True)
  parser.add_argument("--folder", type=Path, required=True, help="is emptied")
  parser.add_argument("--scenes", type=int, default=7380, help="made-up rows")
  options = parser.parse_args()
  data = export(options.shared, options.folder, options.scenes)
  for title, corpora in (
    ("all three, nothing embedded yet", "signs,meld,scenes"),
    ("all three again", "signs,meld,scenes"),
    ("without scenes", "signs,meld"),
    ("without meld", "signs,scenes"),
    ("without signs", "meld,scenes"),
  ):
    run(title, "universal_labels", "--data", data, "--corpora", corpora,
        "--out", options.folder / "labels.jsonl")  # fmt: skip
  run("verify", "verify", "--data", data)
  run("statistics", "statistics", "--data", data)


if __name__ == "__main__":
  main()
