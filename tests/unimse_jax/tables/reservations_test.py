"""Who saw test labels is told."""

import pytest

from unimse_jax.tables import reservations


@pytest.mark.parametrize(
  ("banner", "donors", "expected"),
  [
    (None, "train", []),
    (None, "all_splits", ["labels completed from all splits"]),
    ("SELECTED ON TEST", "train", ["SELECTED ON TEST"]),
    (
      *("SELECTED ON TEST", "all_splits"),
      ["SELECTED ON TEST", "labels completed from all splits"],
    ),
  ],
)
def test_selection_and_donors_are_told(banner, donors, expected):
  found = reservations.of_results(
    {
      "selection": {"banner": banner} if banner else {"step": 4},
      "provenance": {"data": {"labels_donors": donors}},
    }
  )
  assert [each.partition(":")[0] for each in found] == expected


def test_another_programs_scores_have_none():
  assert reservations.of_results({"provenance": {}}) == []
