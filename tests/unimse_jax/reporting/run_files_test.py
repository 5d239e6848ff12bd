"""What is absent is empty; what is damaged is named."""

import json

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.reporting import run_files


def test_without_results_it_says_what_to_run(tmp_path):
  with pytest.raises(InputError, match="unimse_jax.eval"):
    run_files.load(tmp_path)


def test_a_gathered_directory_shows_its_first_seed(gathered_runs):
  run = run_files.load(gathered_runs)
  assert run.run_dir.path == gathered_runs / "seed_0"
  assert run.root == gathered_runs
  assert run.seeds["seeds"] == [0, 1, 2]
  assert len(run.rows) == len(run.embeddings) == 90


def test_an_ablation_alone_shows_its_whole_model(make_run, tmp_path):
  make_run(tmp_path / "full" / "seed_3", {"mosi": 5})
  rows = [
    {"row": "full", "seeds": [3], "title": "", "corpora": {}, "split": "test"}
  ]
  (tmp_path / "ablation.json").write_text(json.dumps({"rows": rows}))
  run = run_files.load(tmp_path)
  assert run.run_dir.path == tmp_path / "full" / "seed_3"
  assert run.seeds == rows[0]


@pytest.mark.parametrize("study", ["seeds", "ablation"])
def test_a_mean_of_scores_that_are_no_longer_there_is_refused(
  make_run, tmp_path, study
):
  above = tmp_path / "full" if study == "ablation" else tmp_path
  values = []
  for seed in (0, 1):
    make_run(above / f"seed_{seed}", {"mosi": 5})
    stored = json.loads((above / f"seed_{seed}/results/test.json").read_text())
    values.append(stored["corpora"]["mosi"]["mae"])
  scores = {"mae": {"mean": 1.0, "sd": 0.1, "values": values}}
  content = {"seeds": [0, 1], "split": "test", "corpora": {"mosi": scores}}
  if study == "ablation":
    content = {"rows": [content | {"row": "full", "title": ""}]}
  (tmp_path / f"{study}.json").write_text(json.dumps(content))
  run_files.load(tmp_path)
  file = above / "seed_1/results/test.json"
  stored = json.loads(file.read_text())
  stored["corpora"]["mosi"]["mae"] += 0.2
  file.write_text(json.dumps(stored))
  with pytest.raises(InputError, match=f"{study}.json: expected the scores in"):
    run_files.load(tmp_path)
  file.unlink()  # a copy of the tables alone
  run_files.load(tmp_path)


def test_the_test_split_comes_first(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 5}, split="validation")
  assert run_files.load(tmp_path).split == "validation"
  make_run(tmp_path, {"mosi": 6})
  run = run_files.load(tmp_path)
  assert list(run.results) == ["test", "validation"] and len(run.rows) == 6


def test_absent_files_are_empty_and_old_rows_are_not_read(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 5})
  rows = tmp_path / "predictions" / "test.jsonl"
  old = [json.loads(line) for line in rows.read_text().splitlines()]
  rows.write_text(
    "".join(
      json.dumps({k: v for k, v in row.items() if k != "scored"}) + "\n"
      for row in old
    )
  )
  run = run_files.load(tmp_path)
  assert run.rows == [] and run.embeddings is None
  rows.unlink()
  (tmp_path / "metrics.jsonl").unlink()
  run = run_files.load(tmp_path)
  assert run.rows == run.metrics == []
  assert run.seeds is run.ablation is run.statistics is run.audit is None


@pytest.mark.parametrize(
  ("name", "content"),
  [
    ("results/test.json", b"{"),
    ("predictions/test.jsonl", b'{"id": "a"\n'),
    ("seeds.json", b"[1,"),
    ("predictions/test_embeddings.npz", b"PK"),
  ],
)
def test_damaged_files_are_named(make_run, tmp_path, name, content):
  make_run(tmp_path, {"mosi": 5})
  (tmp_path / name).write_bytes(content)
  with pytest.raises(InputError, match=name):
    run_files.load(tmp_path)


@pytest.mark.parametrize(
  ("rows", "value", "message"),
  [(4, 1.0, "expected 5 rows"), (5, np.nan, "finite")],
)
def test_embeddings_that_do_not_fit(make_run, tmp_path, rows, value, message):
  make_run(tmp_path, {"mosi": 5})
  path = tmp_path / "predictions" / "test_embeddings.npz"
  np.savez(path, embeddings=np.full((rows, 3), value, np.float32))
  with pytest.raises(InputError, match=message):
    run_files.load(tmp_path)
