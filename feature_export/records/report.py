"""What an export did: counts per split, and every clip without media."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from feature_export.corpora.utterance import SPLITS, Corpus, Utterance
from feature_export.errors import SHOWN_FAULTS
from feature_export.features.extraction import Extraction


@dataclass
class ExportReport:
  """Counts while the records go by; one per corpus.

  Attributes:
    corpus: what is exported.
    splits: split -> "clips", "audio", "video" -> count.
    absent: one entry per clip and modality whose media cannot be used.
    cut: ids of clips whose audio was longer than the limit.
    seconds: wall time of the export.
  """

  corpus: Corpus
  splits: dict[str, Counter] = field(
    default_factory=lambda: defaultdict(Counter)
  )
  absent: list[dict[str, str]] = field(default_factory=list)
  cut: list[str] = field(default_factory=list)
  seconds: float = 0.0

  def add(self, utterance: Utterance, extraction: Extraction) -> None:
    """Counts one written record."""
    counts = self.splits[utterance.split]
    counts["clips"] += 1
    counts["audio"] += len(extraction.audio) > 0
    counts["video"] += len(extraction.video) > 0
    if extraction.cut:
      self.cut.append(utterance.id)
    for modality, reason in extraction.absent.items():
      self.absent.append(
        {
          "id": utterance.id,
          "split": utterance.split,
          "modality": modality,
          "reason": reason,
        }
      )

  @property
  def clips(self) -> int:
    """Records written."""
    return sum(counts["clips"] for counts in self.splits.values())

  @property
  def context_only(self) -> int:
    """Turns without a label: they serve as context and are no records."""
    return sum(not each.labelled for each in self.corpus.utterances)

  def to_json(self) -> dict:
    """The content of export_report.json."""
    return {
      "corpus": self.corpus.name,
      "seconds": round(self.seconds, 3),
      "splits": {
        split: {
          "clips": self.splits[split]["clips"],
          "with_audio": self.splits[split]["audio"],
          "with_video": self.splits[split]["video"],
        }
        for split in SPLITS
        if split in self.splits
      },
      "context_only": self.context_only,
      "absent": self.absent,
      "cut": self.cut,
      "notes": list(self.corpus.notes),
    }


def format_table(
  header: Iterable[str], rows: Iterable[Iterable[object]]
) -> str:
  """Lays out a table for the terminal: first column left, others right."""
  cells = [[str(each) for each in row] for row in (header, *rows)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  return "\n".join(
    "  ".join(
      each.rjust(width) if place else each.ljust(width)
      for place, (each, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in cells
  )


def _format_absent(absent: Iterable[dict[str, str]]) -> list[str]:
  """One line per modality and reason, with its count and its first ids."""
  grouped = defaultdict(list)
  for entry in absent:
    grouped[entry["modality"], entry["reason"]].append(entry["id"])
  lines = []
  for (modality, reason), ids in grouped.items():
    more = ", ..." if len(ids) > SHOWN_FAULTS else ""
    lines.append(
      f"  {modality} absent in {len(ids)}: {reason}: "
      f"{', '.join(ids[:SHOWN_FAULTS])}{more}"
    )
  return lines


def _format_remarks(report: ExportReport) -> list[str]:
  """Notes, clips without media, cut clips and the speed of one corpus."""
  speed = report.clips / report.seconds if report.seconds else 0.0
  lines = [
    f"{report.corpus.name}: {report.clips} clips in {report.seconds:.1f} s "
    f"({speed:.1f} clips/s)"
  ]
  lines += [f"  {note}" for note in report.corpus.notes]
  if report.context_only:
    lines.append(f"  {report.context_only} turns without labels: context only")
  if report.cut:
    lines.append(
      f"  {len(report.cut)} longer than the audio limit, cut: "
      f"{', '.join(report.cut[:SHOWN_FAULTS])}"
    )
  return lines + _format_absent(report.absent)


def format_reports(reports: Iterable[ExportReport]) -> str:
  """The table at the end of an export, then what is worth a look."""
  rows, remarks = [], []
  for report in reports:
    failed = Counter(
      (each["modality"], each["split"]) for each in report.absent
    )
    for split in SPLITS:
      if split not in report.splits:
        continue
      counts = report.splits[split]
      rows.append(
        (
          f"{report.corpus.name}/{split}",
          counts["clips"],
          counts["audio"],
          counts["video"],
          failed["audio", split],
          failed["video", split],
        )
      )
    remarks += _format_remarks(report)
  header = (
    *("split", "clips", "with audio", "with video"),
    *("unusable audio", "unusable video"),
  )
  return "\n".join([format_table(header, rows), *remarks])
