"""Writes the universal labels of a mixture of exported corpora.

Every record gets a polarity, an intensity and an emotion of each scheme in
the mixture: what its corpus annotates, and for the rest what the most
similar text of the same polarity has (paper, section 3.2; `completion`).
"""

import sys
from collections.abc import Sequence

from feature_export import command_line
from feature_export.labels.completion import Rules
from feature_export.labels.flags import (
  AuditOptions,
  MixtureOptions,
  check_flags,
)


def label(mixture: MixtureOptions, rules: Rules, auditing: AuditOptions) -> int:
  """Completes labels, or scores the sheet that people have marked.

  Raises:
    InputError: with everything that is missing or contradictory.
  """
  check_flags(mixture, rules, auditing)
  if auditing.score is None:
    from feature_export.labels import labelling

    labelling.label_corpora(mixture, rules, auditing)
    return 0
  from feature_export.labels import audit

  scores = audit.score_sheet(auditing.score, mixture.out)
  print(audit.format_scores(scores))
  print(f"Written: {audit.audit_file(mixture.out)}")
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run(
    [MixtureOptions, Rules, AuditOptions], label, arguments
  )


if __name__ == "__main__":
  sys.exit(main())
