"""Counts what exported datasets hold (the paper's Tables 1, 4, 5 and 6).

    python -m feature_export.statistics --data DATA_DIR [--json FILE]

The file: {"corpora": {name: {"clips": {split: n}, "emotions": {class: {split:
n}}, "audio_clips": n, "mean_seconds": s | null, "absent_audio": n, "cut": n}},
"tasks": {"MSA" | "ERC": s | null}, "comparison": [{"table", "corpus", "row",
"column", "found", "published", "reason"}]}; a comparison is a cell that the
paper prints; its reason is "" where it is equal or the difference unexplained.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from feature_export import published
from feature_export.corpora.utterance import SPLITS
from feature_export.errors import InputError
from feature_export.records.reader import (
  dataset_dirs,
  load_metadata,
  read_records,
)
from feature_export.records.report import format_table


@dataclass(frozen=True)
class Statistics:
  """What one dataset holds.

  Attributes:
    clips: split -> records (Table 1).
    emotions: class -> split -> records (Tables 5, 6); empty without emotions.
    audio_clips: records with audio.
    audio_seconds: length of all their audio, s; 0 where the corpus brought
      features without a known frame rate.
    cut: records whose audio the export cut to its limit.
  """

  clips: dict[str, int]
  emotions: dict[str, dict[str, int]]
  audio_clips: int
  audio_seconds: float
  cut: int = 0

  @property
  def mean_seconds(self) -> float | None:
    """Mean clip length in s (Table 4); None without audio."""
    if not self.audio_seconds:
      return None
    return self.audio_seconds / self.audio_clips


def compute_statistics(dataset_dir: Path) -> Statistics:
  """Reads a dataset once and counts.

  A clip of A frames lasts A / 31.25 s, a frame (0.032 s) more or less.

  Raises:
    InputError: no complete dataset, or a damaged one.
  """
  metadata = load_metadata(dataset_dir)
  audio = metadata["audio"]
  # Features that a corpus brought have no known frame rate.
  frame_seconds = audio["hop"] / audio["sample_rate"] if "hop" in audio else 0
  scheme = metadata["emotion_scheme"]
  clips, emotions = Counter(), Counter()
  audio_clips = audio_frames = 0
  for split in SPLITS:
    for record in read_records(dataset_dir, split, ("emotion", "audio")):
      clips[split] += 1
      emotions[record["emotion"], split] += 1
      audio_clips += len(record["audio"]) > 0
      audio_frames += len(record["audio"])
  return Statistics(
    dict(clips),
    {
      word: {split: emotions[word, split] for split in SPLITS}
      for word in (scheme["classes"] if scheme else ())
    },
    audio_clips,
    audio_frames * frame_seconds,
    _count_cut(dataset_dir),
  )


def _count_cut(dataset_dir: Path) -> int:
  """Clips that the export's report says were cut; 0 without a report."""
  path = dataset_dir / "export_report.json"
  if not path.is_file():
    return 0
  try:
    return len(json.loads(path.read_text(encoding="utf-8")).get("cut", []))
  except ValueError as error:
    raise InputError(
      f"{path}: expected JSON, found {error}. Export the corpus again."
    ) from error


@dataclass(frozen=True)
class Cell:
  """A published cell beside what the records hold; `found` None: unknown."""

  table: int
  corpus: str
  row: str
  column: str
  found: float | None
  published: float
  reason: str = ""

  @property
  def differs(self) -> bool:
    return self.found is not None and self.found != self.published


def _compare_counts(
  table: int, corpus: str, row: str, counts: dict, printed: Sequence[int]
) -> list[Cell]:
  """The cells of one row; a known error is named only where it applies."""
  cells = []
  found = [counts.get(split, 0) for split in SPLITS]
  for column, ours, theirs in zip(
    published.COLUMNS, (*found, sum(found)), printed, strict=True
  ):
    true, why = published.REASONS.get((table, corpus, row, column), (None, ""))
    reason = why if ours == true and ours != theirs else ""
    cells.append(Cell(table, corpus, row, column, ours, theirs, reason))
  return cells


def task_seconds(statistics: dict[str, Statistics], task: str) -> float | None:
  """The sample-weighted mean length of a task's corpora, s; None if unknown."""
  chosen = [statistics.get(name) for name in published.TASKS[task]]
  if any(each is None or each.mean_seconds is None for each in chosen):
    return None
  weights = [sum(each.clips.values()) for each in chosen]
  total = sum(
    each.mean_seconds * weight
    for each, weight in zip(chosen, weights, strict=True)
  )
  return total / sum(weights)


def compare(statistics: dict[str, Statistics]) -> list[Cell]:
  """Every cell that the paper prints of these corpora, beside ours."""
  cells, lengths = [], []
  for name, each in statistics.items():
    if name not in published.CLIPS:
      continue
    printed = published.CLIPS[name]
    cells += _compare_counts(1, name, "clips", each.clips, printed)
    lengths.append((name, each.mean_seconds, published.SECONDS[name]))
    for word, row in published.EMOTIONS.get(name, {}).items():
      table, counts = published.EMOTION_TABLES[name], each.emotions.get(word)
      cells += _compare_counts(table, name, word, counts or {}, row)
  for task, printed in published.TASK_SECONDS.items():
    if all(name in statistics for name in published.TASKS[task]):
      lengths.append((task, task_seconds(statistics, task), printed))
  for name, mean, printed in lengths:
    mean = None if mean is None else round(mean, 1)
    cells.append(Cell(4, name, "seconds", "all", mean, printed))
  return cells


def format_comparison(cells: Sequence[Cell]) -> str:
  """Differences from the paper, one line each, and how many cells agree."""
  if not cells:
    return "no corpus of the paper: nothing to compare"
  known = [cell for cell in cells if cell.found is not None]
  different = [cell for cell in known if cell.differs]
  lines = [
    f"the paper's tables: {len(known) - len(different)} of {len(cells)} cells "
    f"equal, {len(different)} differ, {len(cells) - len(known)} unknown here"
  ]
  lines += [
    f"  Table {cell.table} {cell.corpus} {cell.row} {cell.column}: found "
    f"{cell.found}, published {cell.published}: "
    f"{cell.reason or 'UNEXPLAINED'}"
    for cell in different
  ]
  return "\n".join(lines)


def to_json(statistics: dict[str, Statistics]) -> dict:
  """The content of --json, as described at the top of this module."""
  corpora = {}
  for name, each in statistics.items():
    content = asdict(each)
    del content["audio_seconds"]
    corpora[name] = content | {
      "mean_seconds": each.mean_seconds,
      "absent_audio": sum(each.clips.values()) - each.audio_clips,
    }
  return {
    "corpora": corpora,
    "tasks": {task: task_seconds(statistics, task) for task in published.TASKS},
    "comparison": [asdict(cell) for cell in compare(statistics)],
  }


def format_statistics(statistics: dict[str, Statistics]) -> str:
  """The tables for the terminal."""
  overview = []
  for name, each in statistics.items():
    counts = [each.clips.get(split, 0) for split in SPLITS]
    mean = each.mean_seconds
    length = "-" if mean is None else f"{mean:.2f}"
    absent = sum(counts) - each.audio_clips
    overview.append((name, *counts, sum(counts), length, absent, each.cut))
  header = ("corpus", *SPLITS, "all", "mean s", "no audio", "cut")
  parts = [format_table(header, overview)]
  for name, each in statistics.items():
    if each.emotions:
      rows = [
        (word, *(counts[split] for split in SPLITS), sum(counts.values()))
        for word, counts in each.emotions.items()
      ]
      parts.append(format_table((f"{name} emotion", *SPLITS, "all"), rows))
  return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  parser = argparse.ArgumentParser(prog="python -m feature_export.statistics")
  parser.add_argument("--data", required=True, type=Path, help="DATA_DIR")
  parser.add_argument("--json", type=Path, help="also write this file")
  options = parser.parse_args(arguments)
  try:
    statistics = {
      name: compute_statistics(path)
      for name, path in dataset_dirs(options.data).items()
    }
  except InputError as error:
    print(error, file=sys.stderr)
    return 2
  print(format_statistics(statistics))
  print("\n" + format_comparison(compare(statistics)))
  if options.json:
    try:
      options.json.write_text(json.dumps(to_json(statistics), indent=2) + "\n")
    except OSError as error:
      print(f"Cannot write {options.json}: {error}", file=sys.stderr)
      return 2
  return 0


if __name__ == "__main__":
  sys.exit(main())
