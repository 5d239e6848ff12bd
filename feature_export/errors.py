"""Errors that the exporter raises on purpose.

Entry points print them and exit with status 2; anything else that escapes is
a bug and keeps its traceback.
"""

from collections.abc import Sequence

from unimse_cli.errors import InputError as InputError

# A long manifest can hold thousands of faults of one kind; ten show the
# pattern, the count shows the size.
SHOWN_FAULTS = 10


class MediaError(ValueError):
  """A medium that cannot be used; the exporter stores it as absent.

  Attributes:
    kind: key of `features.findings.KINDS`.
    detail: particulars of this medium.
  """

  def __init__(self, kind: str, detail: str = ""):
    super().__init__(f"{kind}: {detail}" if detail else kind)
    self.kind, self.detail = kind, detail


def list_faults(
  title: str, faults: Sequence[str], shown: int = SHOWN_FAULTS
) -> str:
  """Formats faults of one kind: the count, then the first ones.

  Args:
    title: mistake that all the faults share, without a colon at its end.
    faults: one line per fault; at least one.
    shown: number of faults that are printed at most.
  """
  lines = [f"{title} ({len(faults)}):"]
  lines += [f"  {fault}" for fault in faults[:shown]]
  if len(faults) > shown:
    lines.append(f"  ... and {len(faults) - shown} more")
  return "\n".join(lines)
