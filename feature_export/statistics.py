"""Counts what exported datasets hold (the paper's Tables 1, 4, 5 and 6).

python -m feature_export.statistics --data DATA_DIR
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    audio_seconds: length of all their audio, s.
  """

  clips: dict[str, int]
  emotions: dict[str, dict[str, int]]
  audio_clips: int
  audio_seconds: float

  @property
  def mean_seconds(self) -> float | None:
    """Mean clip length in s (Table 4); None without audio."""
    if not self.audio_clips:
      return None
    return self.audio_seconds / self.audio_clips


def compute_statistics(dataset_dir: Path) -> Statistics:
  """Reads a dataset once and counts.

  A clip of A frames lasts A / 31.25 s, a frame (0.032 s) more or less.

  Raises:
    InputError: no complete dataset, or a damaged one.
  """
  metadata = load_metadata(dataset_dir)
  frame_seconds = metadata["audio"]["hop"] / metadata["audio"]["sample_rate"]
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
  )


def format_statistics(statistics: dict[str, Statistics]) -> str:
  """The tables for the terminal."""
  overview = []
  for name, each in statistics.items():
    counts = [each.clips.get(split, 0) for split in SPLITS]
    mean = each.mean_seconds
    length = "-" if mean is None else f"{mean:.2f}"
    overview.append((name, *counts, sum(counts), length))
  parts = [format_table(("corpus", *SPLITS, "all", "mean s"), overview)]
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
  return 0


if __name__ == "__main__":
  sys.exit(main())
