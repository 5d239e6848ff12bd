"""The options of universal labels, beside the rules of `completion`."""

from dataclasses import dataclass
from pathlib import Path

from feature_export.errors import InputError
from feature_export.labels.completion import Rules
from feature_export.labels.sentences import DEFAULT_ENCODER
from feature_export.options import option


@dataclass(frozen=True)
class MixtureOptions:
  """Which corpora are labelled, and what is written."""

  out: Path = option("FILE.jsonl.")
  data: Path | None = option("DATA_DIR of all datasets.", None)
  corpora: str | None = option("Names: a,b,c.", None)
  encoder: str = option(
    "Folder or hub name; the default is offline.", DEFAULT_ENCODER
  )
  device: str = option(
    "Where sentences are encoded and compared.",
    "auto",
    choices=("auto", "cpu", "cuda"),
  )
  sentences: bool = option(
    "Also write FILE.sentences.npz, the vectors of the training texts, for "
    "t5.warm_start = sentences.",
    False,
  )


@dataclass(frozen=True)
class AuditOptions:
  """The sheet on which people judge completed labels."""

  audit: int | None = option(
    "Number of samples to draw for people to judge (the paper: 80).", None
  )
  audit_corpus: str | None = option(
    "Corpus to draw from; if unset mosi where it is there, else all.", None
  )
  audit_seed: int = option("Random seed of the draw.", 0)
  audit_sheet: Path | None = option(
    "Sheet to write; FILE.audit.csv beside --out if unset.", None
  )
  score: Path | None = option(
    "Marked sheet: it is scored against the labels --out, and nothing is "
    "completed.",
    None,
  )


def check_flags(
  mixture: MixtureOptions, rules: Rules, audit: AuditOptions
) -> None:
  """Raises one InputError with everything wrong with the flags."""
  faults = []
  if mixture.out.suffix != ".jsonl":
    faults.append(f"--out: expected FILE.jsonl, found {mixture.out}.")
  if rules.k < 1:
    faults.append(f"--k: expected at least 1, found {rules.k}.")
  if audit.audit is not None and audit.audit < 1:
    faults.append(f"--audit: expected at least 1, found {audit.audit}.")
  if audit.score is None:
    faults += [
      f"--{name} is missing."
      for name in ("data", "corpora")
      if getattr(mixture, name) is None
    ]
  if faults:
    raise InputError("\n".join(faults))
