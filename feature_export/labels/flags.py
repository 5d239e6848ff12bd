"""The flags of universal labels: how donors are chosen, what people judge."""

import argparse

from feature_export.errors import InputError
from feature_export.files import local_path
from feature_export.labels import completion


def add_rule_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that say how donors are chosen (D34 to D37)."""
  parser.add_argument(
    "--donors",
    choices=completion.DONOR_POOLS,
    default="train",
    help="splits that donors come from; all_splits, as in the authors' code, "
    "leaks test labels into training",
  )
  parser.add_argument(
    "--ties",
    choices=completion.TIE_RULES,
    default="lowest",
    help="choice among equally similar donors: the lowest (corpus, split, id), "
    "the majority's label, or the vote of the --k most similar samples",
  )
  parser.add_argument(
    "--k", type=int, default=5, help="number of voters of --ties top_k"
  )
  parser.add_argument(
    "--neutral",
    choices=completion.NEUTRAL_RULES,
    default="as_others",
    help="labels of neutral samples; constants: 0 and neutral, as in the "
    "authors' code",
  )
  parser.add_argument(
    "--donor_classes",
    choices=completion.DONOR_CLASSES,
    default="scheme",
    help="classes that donate; authors_drop: any, and a training record that "
    "gets one outside the task's has no label and is left out",
  )


def add_audit_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of the sheet on which people judge completed labels."""
  parser.add_argument(
    "--audit",
    type=int,
    help="number of samples to draw for people to judge (the paper: 80)",
  )
  parser.add_argument(
    "--audit_corpus",
    help="corpus to draw from (default: mosi if it is there, else all)",
  )
  parser.add_argument(
    "--audit_seed", type=int, default=0, help="random seed of the draw"
  )
  parser.add_argument(
    "--audit_sheet",
    type=local_path,
    help="sheet to write (default: FILE.audit.csv beside --out)",
  )
  parser.add_argument(
    "--score",
    type=local_path,
    help="marked sheet: it is scored against the labels --out, and nothing is "
    "completed",
  )


def check_flags(options: argparse.Namespace) -> None:
  """Raises one InputError with everything wrong with the flags."""
  faults = []
  if options.out.suffix != ".jsonl":
    faults.append(f"--out: expected FILE.jsonl, found {options.out}.")
  if options.k < 1:
    faults.append(f"--k: expected at least 1, found {options.k}.")
  if options.audit is not None and options.audit < 1:
    faults.append(f"--audit: expected at least 1, found {options.audit}.")
  if options.score is None:
    faults += [
      f"--{name} is missing."
      for name in ("data", "corpora")
      if getattr(options, name) is None
    ]
  if faults:
    raise InputError("\n".join(faults))
