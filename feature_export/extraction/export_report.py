"""The report of an export: counts per split, and all findings and remarks."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from feature_export.corpora.utterance import SPLITS, Corpus, Utterance
from feature_export.errors import SHOWN_FAULTS
from feature_export.features.extracted import Extraction
from feature_export.text_table import format_table


@dataclass
class ExportReport:
  """The report of one corpus; it grows as records are written.

  Attributes:
    corpus: corpus that is exported.
    splits: split -> "clips", "audio", "video" -> count.
    findings: one entry per clip, modality and kind.
    bad: number of labelled clips with a medium too damaged to be used.
    seconds: wall time of the export.
    reused: number of media that an interrupted export had finished.
    device: device of the face network.
  """

  corpus: Corpus
  splits: dict[str, Counter] = field(
    default_factory=lambda: defaultdict(Counter)
  )
  findings: list[dict[str, str]] = field(default_factory=list)
  bad: int = 0
  seconds: float = 0.0
  reused: int = 0
  device: str = "cpu"

  def add(self, utterance: Utterance, extraction: Extraction) -> None:
    """Counts one written record."""
    counts = self.splits[utterance.split]
    counts["clips"] += 1
    counts["audio"] += len(extraction.audio.values) > 0
    counts["video"] += len(extraction.video.values) > 0
    findings = extraction.findings()
    self.bad += any(finding.unusable for _, finding in findings)
    for modality, finding in findings:
      self.findings.append(
        {
          "id": utterance.id,
          "split": utterance.split,
          "modality": modality,
          "kind": finding.kind,
          "action": finding.action,
          "detail": finding.detail,
        }
      )

  def finish(self, seconds: float) -> None:
    """Puts the findings into the order of the corpus, after the last record."""
    self.seconds = seconds
    place = {each.id: at for at, each in enumerate(self.corpus.utterances)}
    self.findings.sort(key=lambda finding: place[finding["id"]])

  @property
  def clips(self) -> int:
    """Records written."""
    return sum(counts["clips"] for counts in self.splits.values())

  @property
  def context_only(self) -> int:
    """The number of turns without a label: they are context, not records."""
    return sum(not each.labelled for each in self.corpus.utterances)

  def to_json(self) -> dict:
    """The content of export_report.json."""
    kinds = Counter(
      (each["modality"], each["kind"], each["action"]) for each in self.findings
    )
    return {
      "corpus": self.corpus.name,
      "seconds": round(self.seconds, 3),
      "device": self.device,
      "media_reused": self.reused,
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
      "bad_clips": self.bad,
      "kinds": [
        {"modality": modality, "kind": kind, "action": action, "count": count}
        for (modality, kind, action), count in sorted(kinds.items())
      ],
      "findings": self.findings,
      "notes": list(self.corpus.notes),
      "remarks": [
        {"id": each.id, "kind": each.kind, "detail": each.detail}
        for each in self.corpus.remarks
      ],
    }


def _format_group(title: str, ids: list[str]) -> str:
  more = ", ..." if len(ids) > SHOWN_FAULTS else ""
  return f"  {title} ({len(ids)}): {', '.join(ids[:SHOWN_FAULTS])}{more}"


def _format_findings(findings: Iterable[dict[str, str]]) -> list[str]:
  """One line per modality, action and kind, with its first ids."""
  grouped = defaultdict(list)
  for entry in findings:
    key = entry["modality"], entry["action"], entry["kind"]
    grouped[key].append(entry["id"])
  return [
    _format_group(f"{modality} {action}: {kind}", ids)
    for (modality, action, kind), ids in sorted(grouped.items())
  ]


def _format_remarks(report: ExportReport) -> list[str]:
  """Notes, remarks and findings of one corpus, and its speed."""
  speed = report.clips / report.seconds if report.seconds else 0.0
  lines = [
    f"{report.corpus.name}: {report.clips} clips in {report.seconds:.1f} s "
    f"({speed:.1f} clips/s)"
  ]
  lines += [f"  {note}" for note in report.corpus.notes]
  if report.reused:
    lines.append(f"  {report.reused} media were finished by an earlier export")
  if report.context_only:
    lines.append(f"  {report.context_only} turns without labels: context only")
  remarks = defaultdict(list)
  for each in report.corpus.remarks:
    remarks[each.kind].append(each.id)
  lines += [_format_group(kind, ids) for kind, ids in remarks.items()]
  return lines + _format_findings(report.findings)


def format_reports(reports: Iterable[ExportReport]) -> str:
  """The table at the end of an export, then notes, remarks and findings."""
  rows, remarks = [], []
  for report in reports:
    failed = Counter(
      (each["modality"], each["split"])
      for each in report.findings
      if each["action"] == "absent"
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
