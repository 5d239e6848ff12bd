"""Why the scores of a run must not stand beside others' without a note."""

from collections.abc import Mapping
from typing import Any

_DONORS = (
  "labels completed from all splits: a training label may come from a test "
  "utterance (data.donors = all_splits)"
)


def of_results(results: Mapping[str, Any]) -> list[str]:
  """A sentence for each reason; none for a run that saw no test label.

  Args:
    results: content of results/<split>.json.
  """
  banner = results.get("selection", {}).get("banner")
  reasons = [banner] if banner else []
  data = results.get("provenance", {}).get("data", {})
  if data.get("labels_donors") == "all_splits":
    reasons.append(_DONORS)
  return reasons
