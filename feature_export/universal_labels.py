"""Writes the universal labels of a mixture of exported corpora.

Every record gets a polarity, an intensity and an emotion of each scheme in
the mixture: what its corpus annotates, and for the rest what the most
similar text of the same polarity has (paper, section 3.2; `completion`).
"""

import argparse
import sys
from collections.abc import Sequence

from feature_export import command_line
from feature_export.files import local_path
from feature_export.labels import flags
from feature_export.labels.audit import (
  audit_file,
  format_scores,
  score_sheet,
)
from feature_export.labels.labelling import label_corpora
from feature_export.labels.sentences import DEFAULT_ENCODER


def build_parser() -> argparse.ArgumentParser:
  """The command's flags."""
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.universal_labels", description=__doc__
  )
  parser.add_argument("--data", type=local_path, help="DATA_DIR")
  parser.add_argument("--corpora", help="names: a,b,c")
  parser.add_argument(
    "--encoder",
    default=DEFAULT_ENCODER,
    help="folder or hub name (default: %(default)s, offline)",
  )
  parser.add_argument(
    "--device",
    choices=("auto", "cpu", "cuda"),
    default="auto",
    help="where sentences are encoded and compared",
  )
  parser.add_argument(
    "--out", type=local_path, required=True, help="FILE.jsonl"
  )
  parser.add_argument(
    "--sentences",
    action="store_true",
    help="also writes FILE.sentences.npz, the vectors of the training texts, "
    "for t5.warm_start = sentences",
  )
  flags.add_rule_flags(parser)
  flags.add_audit_flags(parser)
  return parser


def label(options: argparse.Namespace) -> int:
  """Completes labels, or scores the sheet that people have marked.

  Raises:
    InputError: with everything that is missing or contradictory.
  """
  flags.check_flags(options)
  if options.score is None:
    label_corpora(options)
    return 0
  print(format_scores(score_sheet(options.score, options.out)))
  print(f"Written: {audit_file(options.out)}")
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  options = build_parser().parse_args(arguments)
  return command_line.run(lambda: label(options))


if __name__ == "__main__":
  sys.exit(main())
