"""Counts what exported datasets hold, beside the paper's Tables 1, 4, 5 and 6.

    python -m feature_export.statistics --data DATA_DIR [--json FILE]

The file: {"corpora": {name: {"clips": {split: n}, "emotions": {class: {split:
n}}, "audio_clips": n, "mean_seconds": s | null, "absent_audio": n, "cut": n}},
"tasks": {"MSA" | "ERC": s | null}, "comparison": [{"table", "corpus", "row",
"column", "found" | null, "published", "reason"}]}; a comparison is a cell that
the paper prints; found is null where the corpus or its audio is not there,
the reason "" where both are equal or nothing known explains the difference.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from feature_export import published
from feature_export.corpora.utterance import SPLITS
from feature_export.errors import InputError
from feature_export.files import write_whole
from feature_export.paper_tables import Cell, format_tables
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


def _compare_counts(
  table: int,
  corpus: str,
  row: str,
  counts: dict | None,
  printed: Sequence[int] | None,
) -> list[Cell]:
  """The cells of one row; a known error is named only where it applies.

  Args:
    table, corpus, row: where it stands.
    counts: split -> ours; None: the corpus is not there.
    printed: as published; None: the paper leaves the row out.
  """
  found = [None] * len(published.COLUMNS)
  if counts is not None:
    splits = [counts.get(split, 0) for split in SPLITS]
    found = [*splits, sum(splits)]
  cells = []
  for column, ours, theirs in zip(
    published.COLUMNS, found, printed or [None] * len(found), strict=True
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


def _compare_emotions(
  name: str, table: int, statistics: Statistics | None
) -> Iterator[Cell]:
  """Yields a row per class: ours first, then those that only the paper has."""
  ours = statistics.emotions if statistics else {}
  for word in dict.fromkeys([*ours, *published.EMOTIONS[name]]):
    counts = ours.get(word, {}) if statistics else None
    printed = published.EMOTIONS[name].get(word)
    yield from _compare_counts(table, name, word, counts, printed)


def compare(statistics: dict[str, Statistics]) -> list[Cell]:
  """Every cell of the paper's tables, and our classes that they leave out."""
  cells, lengths = [], {}
  for name, printed in published.CLIPS.items():
    own = statistics.get(name)
    clips = own.clips if own else None
    cells += _compare_counts(1, name, "clips", clips, printed)
    lengths[name] = own.mean_seconds if own else None, published.SECONDS[name]
  for task, printed in published.TASK_SECONDS.items():
    lengths[task] = task_seconds(statistics, task), printed
  for name, (mean, printed) in lengths.items():
    mean = None if mean is None else round(mean, 1)
    cells.append(Cell(4, name, "seconds", "all", mean, printed))
  for name, table in published.EMOTION_TABLES.items():
    cells += _compare_emotions(name, table, statistics.get(name))
  return cells


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
    "comparison": [
      asdict(cell) for cell in compare(statistics) if cell.published is not None
    ],
  }


def format_statistics(statistics: dict[str, Statistics]) -> str:
  """The corpora for the terminal."""
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
    # The paper's corpora have tables of their own below.
    if each.emotions and name not in published.EMOTION_TABLES:
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
  if set(statistics) & set(published.CLIPS):
    print("\n" + format_tables(compare(statistics)))
  if options.json:
    try:
      write_whole(
        options.json, json.dumps(to_json(statistics), indent=2) + "\n"
      )
    except OSError as error:
      print(f"Cannot write {options.json}: {error}", file=sys.stderr)
      return 2
  return 0


if __name__ == "__main__":
  sys.exit(main())
