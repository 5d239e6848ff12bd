"""What eval stores is enough to compute its scores again, and how sure they
are."""

import json

import pytest

from unimse_jax.evaluation import evaluation_run, metrics, results
from unimse_jax.evaluation.confidence import Groups
from unimse_jax.rundir import RunDir


@pytest.fixture(scope="module")
def stored(straight, tiny_config):
  run = evaluation_run.evaluate(tiny_config(), straight, "test")
  path = RunDir(straight).results_file("test")
  results.write(RunDir(straight), "test", *run)
  lines = (straight / "predictions" / "test.jsonl").read_text().splitlines()
  return json.loads(path.read_text()), [json.loads(line) for line in lines]


def _rated(rows, corpus, field):
  own = [row for row in rows if row["corpus"] == corpus]
  own = [row for row in own if row["targets"][field] is not None]
  assert own
  return (
    [row["scored"][field] for row in own],
    [row["targets"][field] for row in own],
  )


def test_scored_values_give_the_stored_scores(stored):
  scores, rows = stored
  films = metrics.sentiment_scores(*_rated(rows, "films", "intensity"))
  found = scores["corpora"]["films"]
  assert films["mae"] == found["mae"]
  assert films["acc7"] == found["acc7"]
  classes = list(scores["corpora"]["friends"]["per_class"])
  friends = metrics.emotion_scores(*_rated(rows, "friends", "emotion"), classes)
  assert friends["wf1"] == scores["corpora"]["friends"]["wf1"]
  assert all(row["text"] for row in rows)
  # What a corpus does not rate is not scored.
  assert all(
    row["scored"]["emotion"] is None for row in rows if row["corpus"] == "films"
  )


def test_intervals_hold_their_scores(stored):
  corpora = stored[0]["corpora"]
  for corpus, names in (("films", ("mae", "acc7")), ("friends", ("wf1",))):
    for name in names:
      low, high = corpora[corpus]["intervals"][name]
      assert low <= corpora[corpus][name] <= high
  assert set(corpora["friends"]["intervals"]) == {"acc", "wf1", "macro_f1"}


def test_intervals_say_what_they_drew_and_the_plain_ones_are_kept(stored):
  corpora, rows = stored[0]["corpora"], stored[1]
  for corpus, field in (("films", "intensity"), ("friends", "emotion")):
    own = [row for row in rows if row["corpus"] == corpus]
    groups = Groups.of(
      [row["dialogue"] for row in own], [row["speaker"] for row in own]
    )
    scores = corpora[corpus]
    assert scores["resampled"] == {field: groups.describe()}
    assert scores["utterance_intervals"].keys() == scores["intervals"].keys()


def test_calibration_counts_what_was_written_with_a_probability(stored):
  scores, rows = stored
  for corpus, slots in (("films", {"polarity"}), ("friends", {"moods"})):
    found = scores["corpora"][corpus]["calibration"]
    assert slots <= set(found)
    for slot, each in found.items():
      own = [row for row in rows if row["corpus"] == corpus]
      sure = [
        row["probabilities"][slot][row["fields"][slot]]
        for row in own
        if slot in row["probabilities"] and row["fields"][slot] is not None
      ]
      assert each["n"] == len(sure)
      assert sum(one["count"] for one in each["bins"]) == each["n"]
      assert 0 <= each["ece"] <= 1
