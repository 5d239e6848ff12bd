"""Tests of our counts beside the published ones."""

from feature_export.tables import paper_comparison, published
from feature_export.tables.paper_comparison import format_tables
from feature_export.tables.statistics import Statistics


def test_reasons_only_where_they_apply():
  counts = {"train": 5237, "validation": 521, "test": 1600}
  (train, validation, test, total) = paper_comparison._compare_counts(
    1, "iemocap", "clips", counts, published.CLIPS["iemocap"]
  )
  assert train.reason and validation.reason
  # Neither the paper's number nor the one that its error explains.
  assert test.differs and not test.reason
  assert total.differs and not total.reason


def test_tasks_weigh_by_samples():
  found = {
    "mosi": Statistics({"train": 1}, {}, 1, 4.0),
    "mosei": Statistics({"train": 3}, {}, 3, 24.0),
  }
  assert paper_comparison.task_seconds(found, "MSA") == 7.0
  assert paper_comparison.task_seconds(found, "ERC") is None


def test_an_unknown_difference_is_marked():
  counts = {"train": 1284, "validation": 229, "test": 685}
  found = {"mosi": Statistics(counts, {}, 1, 4.2)}
  printed = format_tables(paper_comparison.compare(found))
  lines = [" ".join(each.split()) for each in printed.splitlines()]
  assert "mosi 1284 | 1284 = 229 | 229 = 685 | 686 ! 2198 | 2199 !" in lines
  assert "! mosi: no known error of the paper explains it" in lines
  # Table 4: one length is known, the task's is not without MOSEI.
  assert "mosi 4.2 | 4.2 =" in lines
  assert "MSA - | 7.3" in lines
  assert "Table 6: emotions of iemocap: nothing of it here" in lines
