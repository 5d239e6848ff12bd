"""Counts what a dataset holds: clips, emotions, lengths."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from feature_export.corpora.utterance import SPLITS
from feature_export.errors import InputError
from feature_export.features.speech import step_seconds
from feature_export.files import parse_json
from feature_export.records.reader import load_metadata, read_records
from feature_export.tables import published
from feature_export.text_table import format_table


@dataclass(frozen=True)
class Statistics:
  """What one dataset holds.

  Attributes:
    clips: split -> number of records (Table 1).
    emotions: class -> split -> number of records (Tables 5, 6); empty without
      emotions.
    audio_clips: number of records with audio.
    audio_seconds: length of all their audio, s; 0: the corpus brought features
      whose frame rate is not known.
    cut: number of records whose audio the export cut to its limit.
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

  A clip of A frames lasts A / 31.25 s, give or take a frame (0.032 s); with a
  speech model A / 25 s (0.04 s, two states).

  Raises:
    InputError: no complete dataset, or a damaged one.
  """
  metadata = load_metadata(dataset_dir)
  audio = metadata["audio"]
  frame_seconds = _frame_seconds(audio)
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


def _frame_seconds(audio: dict) -> float:
  """Time between frames, s; 0: not known, of features a corpus brought."""
  if speech := audio.get("speech"):
    # A speech model's states take the place of the spectrogram, whose hop is
    # still written beside them.
    return step_seconds(speech["pool"])
  return audio["hop"] / audio["sample_rate"] if "hop" in audio else 0.0


def _count_cut(dataset_dir: Path) -> int:
  """The number of clips whose voice was cut, by the export's report, or 0."""
  path = dataset_dir / "export_report.json"
  if not path.is_file():
    return 0
  try:
    findings = parse_json(path.read_text(encoding="utf-8"))["findings"]
    return sum(
      (each["modality"], each["action"]) == ("audio", "cut")
      for each in findings
    )
  except (KeyError, TypeError, ValueError) as error:
    raise InputError(
      f"{path}: expected the JSON of an export's report, found {error}. Export "
      "the corpus again."
    ) from error


def format_statistics(statistics: dict[str, Statistics]) -> str:
  """A table of the corpora for the terminal, and tables of their emotions."""
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
