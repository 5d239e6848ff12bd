"""Means, deviations and differences of runs with known predictions."""

import json

import numpy as np
import pytest

from unimse_jax.evaluation import metrics
from unimse_jax.study import gather

_TARGET = np.linspace(-3, 3, 40)


def rows_with(error):
  """40 utterances of films whose intensity is off by `error`."""
  return [
    {
      "corpus": "films",
      "id": f"u{number}",
      "targets": {"intensity": target, "emotion": None},
      "scored": {"intensity": target + error * (-1) ** number, "emotion": None},
    }
    for number, target in enumerate(_TARGET)
  ]


def scores_of(rows):
  return metrics.sentiment_scores(
    [row["scored"]["intensity"] for row in rows], _TARGET
  )


def test_the_deviation_is_that_of_a_sample(make_rows, evaluate):
  runs = make_rows("without_audio", seeds=3)[0][0].runs
  for run, mae in zip(runs, (1.0, 2.0, 6.0), strict=True):
    corr = None if mae == 2 else 0.5
    evaluate(run, {"films": {"mae": mae, "corr": corr, "n": 5}})
  found = gather.summarize(runs, "test")
  # (-2, -1, 3) about the mean 3: 14 / 2.
  assert found == {
    "films": {
      "mae": {
        "mean": 3.0,
        "sd": pytest.approx(7**0.5),
        "values": [1.0, 2.0, 6.0],
      }
    }
  }
  assert gather.summarize(runs[:1], "test")["films"]["mae"]["sd"] is None


def test_differences_are_the_row_minus_the_whole(make_rows, evaluate, tmp_path):
  rows, left_out = make_rows("without_audio")
  for row, errors in zip(rows, ((0.1, 0.2), (0.4, 0.7)), strict=True):
    for run, error in zip(row.runs, errors, strict=True):
      said = rows_with(error)
      evaluate(run, {"films": scores_of(said)}, said)
  gather.write_ablation(tmp_path, rows, "test", left_out)
  stored = json.loads((tmp_path / "ablation.json").read_text())
  full, without = stored["rows"]
  assert full["differences"] == {}
  assert without["seeds"] == [0, 1]
  # (0.4 + 0.7 - 0.1 - 0.2) / 2, of every utterance alike: resamples that all
  # agree tell of no interval.
  mae = without["differences"]["films"]["mae"]
  assert mae == [pytest.approx(0.4), None, None]
  assert without["resampled"]["films"] == {
    "intensity": {"unit": "utterance", "groups": 40}
  }
  value, low, high = without["differences"]["films"]["acc7"]
  means = [each["corpora"]["films"]["acc7"]["mean"] for each in (without, full)]
  assert value == pytest.approx(means[0] - means[1])
  assert low < value < high


def test_what_saw_test_labels_is_gathered_with_the_scores(
  make_rows, evaluate, tmp_path
):
  rows, left_out = make_rows("without_audio", seeds=2)
  for row in rows:
    for run in row.runs:
      said = rows_with(0.1)
      evaluate(run, {"films": scores_of(said) | {"n_intensity": 40}}, said)
  run = rows[1].runs[1]
  file = run.run_dir.results_file("test")
  results = json.loads(file.read_text())
  results["selection"] = {"banner": "SELECTED ON THE TEST SPLIT"}
  file.write_text(json.dumps(results))
  gather.write_ablation(tmp_path, rows, "test", left_out)
  full, without = json.loads((tmp_path / "ablation.json").read_text())["rows"]
  assert full["reservations"] == []
  assert without["reservations"] == ["SELECTED ON THE TEST SPLIT"]
  assert full["n"] == without["n"] == {"films": 40}
  seeds = gather.write_seeds(tmp_path, rows[1].runs, "test")
  assert seeds["reservations"] == without["reservations"]


def test_rows_of_several_versions_are_told(
  make_rows, evaluate, tmp_path, caplog
):
  rows, left_out = make_rows("without_audio", seeds=1)
  for row, commit in zip(rows, ("1a", "2b"), strict=True):
    evaluate(row.runs[0], {"films": scores_of(rows_with(0.1))}, rows_with(0.1))
    file = row.runs[0].run_dir.results_file("test")
    results = json.loads(file.read_text())
    results["provenance"]["commit"] = commit
    file.write_text(json.dumps(results))
  found = gather.write_ablation(tmp_path, rows, "test", left_out)
  assert [row["commits"] for row in found["rows"]] == [["1a"], ["2b"]]
  assert "2 versions of the code (1a, 2b)" in caplog.text


def test_rows_that_are_not_evaluated_wait(make_rows, evaluate, tmp_path):
  rows, left_out = make_rows("without_audio")
  evaluate(
    rows[1].runs[1], {"films": scores_of(rows_with(0.1))}, rows_with(0.1)
  )
  found = gather.write_ablation(tmp_path, rows, "test", left_out)
  assert [(row["row"], row["seeds"]) for row in found["rows"]] == [
    ("without_audio", [1])
  ]
  assert found["rows"][0]["differences"] == {}
