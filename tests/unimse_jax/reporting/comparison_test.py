"""Runs are compared utterance by utterance, or not at all."""

import json

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.reporting import comparison, run_files

_COUNTS = {"mosi": 30, "meld": 40}


@pytest.fixture
def pair(make_run, tmp_path):
  make_run(tmp_path / "one", _COUNTS, seed=0, skill=0.9)
  make_run(tmp_path / "two", _COUNTS, seed=1, skill=0.2)
  return tmp_path / "one", tmp_path / "two"


def _change(root, change):
  path = root / "predictions" / "test.jsonl"
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  rows = change(rows)
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  np.savez(
    path.with_name("test_embeddings.npz"), embeddings=np.ones((len(rows), 2))
  )


def _compare(pair):
  return comparison.compare(*map(run_files.load, pair))


def test_differences_are_of_the_scores_in_the_results(pair):
  found = _compare(pair)
  one, two = map(run_files.load, pair)
  for corpus, score in (("mosi", "mae"), ("meld", "wf1")):
    value, low, high = found[corpus][score]
    expected = one.corpora[corpus][score] - two.corpora[corpus][score]
    assert value == pytest.approx(expected, abs=1e-12)
    assert low < value < high
  assert found["meld"]["wf1"][1] > 0  # 0.9 and 0.2 are told apart


def test_the_order_of_the_rows_does_not_matter(pair):
  before = _compare(pair)
  _change(pair[1], lambda rows: rows[::-1])
  assert _compare(pair) == before


def test_a_run_does_not_differ_from_itself(pair):
  found = _compare((pair[0], pair[0]))
  assert all(
    ends == (0, 0, 0) for each in found.values() for ends in each.values()
  )


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


def test_a_corpus_of_one_run_alone_is_left_out(pair, make_run, tmp_path):
  make_run(tmp_path / "three", {"mosi": 30}, seed=1)
  assert list(_compare((pair[0], tmp_path / "three"))) == ["mosi"]
  make_run(tmp_path / "four", {"iemocap": 30})
  with pytest.raises(InputError, match="a corpus in common"):
    _compare((pair[0], tmp_path / "four"))


def test_another_split_or_no_predictions_is_refused(pair, make_run, tmp_path):
  make_run(tmp_path / "other", _COUNTS, split="validation")
  with pytest.raises(InputError, match="--split test"):
    _compare((pair[0], tmp_path / "other"))
  (pair[1] / "predictions" / "test.jsonl").unlink()
  with pytest.raises(InputError, match="predictions/test.jsonl"):
    _compare(pair)
