"""Runs are compared utterance by utterance, or not at all."""

import json

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.evaluation import comparison, metrics
from unimse_jax.rundir import RunDir

_COUNTS = {"mosi": 30, "meld": 40}
_CLASSES = ("anger", "joy", "sadness")


def _rows(corpus, count, seed, skill):
  """Utterances of which the model knows a share; truths go by the number."""
  rng = np.random.default_rng(seed)
  rows = []
  for number in range(count):
    intensity, emotion = number % 7 - 3.0, _CLASSES[number % 3]
    knows = rng.random() < skill
    guess = float(rng.integers(-3, 4)), str(rng.choice(_CLASSES))
    said = (intensity, emotion) if knows else guess
    place = 0 if corpus in ("mosi", "mosei") else 1
    row = {"id": f"test{number}", "corpus": corpus}
    for key, values in (("targets", (intensity, emotion)), ("scored", said)):
      row[key] = {"intensity": None, "emotion": None}
      row[key][("intensity", "emotion")[place]] = values[place]
    rows.append(row)
  return rows


def _scores(rows):
  field = "intensity" if rows[0]["targets"]["emotion"] is None else "emotion"
  values = [[row[key][field] for row in rows] for key in ("scored", "targets")]
  if field == "intensity":
    return metrics.sentiment_scores(*values)
  return metrics.emotion_scores(*values, _CLASSES)


def _make_run(path, counts, seed=0, skill=0.5, split="test"):
  by_corpus = {
    corpus: _rows(corpus, count, seed, skill)
    for corpus, count in counts.items()
  }
  results = {
    "corpora": {name: _scores(each) for name, each in by_corpus.items()}
  }
  rows = [row for each in by_corpus.values() for row in each]
  RunDir(path).write_results(split, results, rows, None)


@pytest.fixture
def pair(tmp_path):
  _make_run(tmp_path / "one", _COUNTS, seed=0, skill=0.9)
  _make_run(tmp_path / "two", _COUNTS, seed=1, skill=0.2)
  return tmp_path / "one", tmp_path / "two"


def _change(root, change):
  path = root / "predictions" / "test.jsonl"
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  path.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))


def _compare(pair, single=False):
  return comparison.compare([tuple(map(RunDir, pair))], "test", single)


def test_differences_are_of_the_scores_in_the_results(pair):
  found = _compare(pair).differences
  one, two = (RunDir(path).results("test")["corpora"] for path in pair)
  for corpus, score in (("mosi", "mae"), ("meld", "wf1")):
    value, low, high = found[corpus][score]
    expected = one[corpus][score] - two[corpus][score]
    assert value == pytest.approx(expected, abs=1e-12)
    assert low < value < high
  assert found["meld"]["wf1"][1] > 0  # 0.9 and 0.2 are told apart


def test_several_seeds_are_compared_by_their_mean(pair):
  runs = tuple(map(RunDir, pair))
  once = comparison.compare([runs], "test").differences["meld"]["acc"]
  both = comparison.compare([runs, runs[::-1]], "test").differences["meld"]
  twice = comparison.compare([runs, runs], "test").differences["meld"]["acc"]
  assert twice == pytest.approx(once)
  assert both["acc"][0] == pytest.approx(0, abs=1e-12)


def test_resamples_draw_dialogues_where_there_are_any(pair):
  def add_dialogues(rows):
    return [
      row | {"dialogue": f"d{number // 4}", "speaker": ""}
      for number, row in enumerate(rows)
    ]

  for path in pair:
    _change(path, add_dialogues)
  found = _compare(pair)
  assert found.resampled == {
    "mosi": {"intensity": {"unit": "dialogue", "groups": 8}},
    "meld": {"emotion": {"unit": "dialogue", "groups": 11}},
  }
  plain = _compare(pair, single=True)
  assert plain.resampled["meld"] == {
    "emotion": {"unit": "utterance", "groups": 40}
  }
  values = [each.differences["meld"]["wf1"] for each in (found, plain)]
  assert values[0][0] == values[1][0] and values[0][1:] != values[1][1:]


def test_the_order_of_the_rows_does_not_matter(pair):
  before = _compare(pair)
  _change(pair[1], lambda rows: rows[::-1])
  assert _compare(pair) == before


def test_a_run_does_not_differ_from_itself(pair):
  """Nor is it known to: its shares' intervals are as wide as Wilson's."""
  found = _compare((pair[0], pair[0])).differences
  for corpus, n in (("mosi", 30), ("meld", 40)):
    for name, (value, low, high) in found[corpus].items():
      assert value == 0
      if name in ("mae", "corr"):
        assert low is high is None
      elif not name.endswith("non0"):
        reach = 1.959964**2 / (n + 1.959964**2)
        assert (low, high) == pytest.approx((-reach, reach))


def test_all_other_samples_are_named_at_once(pair):
  def drop(rows):
    return [row for row in rows if row["id"] != "test3"]

  _change(pair[1], drop)
  with pytest.raises(InputError) as error:
    _compare(pair)
  for part in (
    "mosi: 30 here, 29 there, 1 only here (test3 first)",
    "meld: 40 here, 39 there",
  ):
    assert part in str(error.value)


def test_other_labels_of_the_same_samples_are_refused(pair):
  def relabel(rows):
    rows[0]["targets"]["intensity"] = -2.95
    return rows

  _change(pair[1], relabel)
  with pytest.raises(InputError, match="1 utterances have other labels"):
    _compare(pair)


def test_runs_that_were_scored_on_one_field_are_compared_on_it(pair):
  """A scored file may say nothing of one field of a corpus that rates both."""

  def both(rows):
    for row in rows:
      if row["corpus"] == "mosi":
        row["targets"]["emotion"] = row["scored"]["emotion"] = "joy"
    return rows

  expected = _compare(pair).differences["mosi"]
  _change(pair[0], both)
  assert _compare(pair).differences["mosi"] == expected

  def some(rows):
    rows[0]["targets"]["emotion"] = "joy"
    return rows

  _change(pair[1], some)
  with pytest.raises(InputError, match="29 utterances have other labels"):
    _compare(pair)


def test_a_corpus_of_one_run_alone_is_left_out(pair, tmp_path):
  _make_run(tmp_path / "three", {"mosi": 30}, seed=1)
  found = _compare((pair[0], tmp_path / "three"))
  assert list(found.differences) == ["mosi"]
  _make_run(tmp_path / "four", {"iemocap": 30})
  with pytest.raises(InputError, match="a corpus in common"):
    _compare((pair[0], tmp_path / "four"))


def test_another_split_or_no_predictions_is_refused(pair, tmp_path):
  _make_run(tmp_path / "other", _COUNTS, split="validation")
  with pytest.raises(InputError, match="--split test"):
    _compare((pair[0], tmp_path / "other"))
  (pair[1] / "predictions" / "test.jsonl").unlink()
  with pytest.raises(InputError, match="predictions/test.jsonl"):
    _compare(pair)
