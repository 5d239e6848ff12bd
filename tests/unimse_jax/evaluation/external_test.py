"""Another model's predictions get the scores that our own would get."""

import csv
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run, external, results
from unimse_jax.rundir import RunDir

_ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="session")
def evaluated(straight, tiny_config, tmp_path_factory) -> RunDir:
  """A run of ours with its test split evaluated."""
  workdir = tmp_path_factory.mktemp("evaluated") / "ours"
  shutil.copytree(straight, workdir)
  run = evaluation_run.evaluate(tiny_config(), workdir, "test", False)
  evaluation_run.write(tiny_config(), workdir, "test", run)
  return RunDir(workdir)


@pytest.fixture(scope="session")
def rows(evaluated) -> list[dict]:
  """What the run was scored by, as another model would write it."""
  return [
    {"id": row["id"], "corpus": row["corpus"]}
    | {k: v for k, v in row["scored"].items() if v is not None}
    for row in evaluated.predictions("test")
  ]


@pytest.fixture
def mixture(corpora):
  return external.open_records(str(corpora), ["films", "friends"])


def run_score(corpora, *flags) -> subprocess.CompletedProcess:
  """Runs the command on exported corpora."""
  return subprocess.run(
    [sys.executable, "-m", "unimse_jax.score", f"--data={corpora}", *flags],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=180,
    check=False,
  )


def write(path: pathlib.Path, rows) -> pathlib.Path:
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  return path


def test_the_scores_are_those_of_eval(evaluated, rows, mixture, tmp_path):
  path = write(tmp_path / "a.jsonl", rows)
  evaluation = external.evaluate(external.read(path, mixture), mixture, "test")
  theirs = RunDir(tmp_path / "theirs")
  source = external.provenance(path, "data", "theirs", mixture)
  results.write(theirs, "test", evaluation, {}, source)
  found = theirs.results("test")["corpora"]
  expected = evaluated.results("test")["corpora"]
  assert found.keys() == expected.keys() == {"films", "friends"}
  for name, scores in expected.items():
    # Our own is about probabilities, which are not given here.
    assert found[name] == scores | {"calibration": {}}


def test_a_collapse_is_told_of_each_corpus_by_what_it_rates(
  rows, mixture, tmp_path
):
  rows = [
    {**row, "emotion": "joy"} if "emotion" in row else row for row in rows
  ]
  path = write(tmp_path / "a.jsonl", rows[::-1])
  evaluation = external.evaluate(external.read(path, mixture), mixture, "test")
  found = evaluation.decoding["collapse"]
  assert set(found["entropy"]) == {"intensity", "moods"}
  assert any("friends, emotion" in each for each in found["warnings"])


def test_csv_is_read_as_json_lines_are(rows, mixture, tmp_path):
  path = tmp_path / "a.csv"
  with path.open("w", newline="") as file:
    writer = csv.DictWriter(file, ["id", "corpus", "intensity", "emotion"])
    writer.writeheader()
    writer.writerows(rows)
  assert external.read(path, mixture) == external.read(
    write(tmp_path / "a.jsonl", rows), mixture
  )


def test_what_a_model_does_not_predict_is_not_scored(rows, mixture, tmp_path):
  alone = [row for row in rows if row["corpus"] == "friends"]
  for row in (alone := [dict(row) for row in alone]):
    row.pop("intensity", None)
  others = [row for row in rows if row["corpus"] == "films"]
  read = external.read(write(tmp_path / "a", [*alone, *others]), mixture)
  scores = external.evaluate(read, mixture, "test").corpora
  assert "wf1" in scores["friends"] and "mae" not in scores["friends"]
  assert "mae" in scores["films"]


def test_probabilities_give_calibration(rows, mixture, tmp_path):
  sure = [
    row | ({"probabilities": {row["emotion"]: 1.0}} if "emotion" in row else {})
    for row in rows
  ]
  read = external.read(write(tmp_path / "a", sure), mixture)
  scores = external.evaluate(read, mixture, "test").corpora["friends"]
  (slot,) = scores["calibration"].values()
  # Always wholly sure: the error is the share of wrong answers.
  assert slot["ece"] == pytest.approx(1 - scores["acc"])


def test_missing_and_unknown_ids_are_named(rows, mixture, tmp_path):
  odd = [*rows[1:], rows[0] | {"id": "nobody"}]
  read = external.read(write(tmp_path / "a", odd), mixture)
  with pytest.raises(InputError) as caught:
    external.evaluate(read, mixture, "test")
  message = str(caught.value)
  corpus = rows[0]["corpus"]
  assert f"1 predictions of no test record: {corpus}/nobody" in message
  assert "--allow_missing counts" in message
  assert f"{corpus}/{rows[0]['id']}" in message


def test_missing_ones_may_count_as_malformed(rows, mixture, tmp_path):
  read = external.read(write(tmp_path / "a", rows[1:]), mixture)
  found = external.evaluate(read, mixture, "test", allow_missing=True)
  assert sum(each["malformed"] for each in found.corpora.values()) == 1
  assert found.decoding["n"] == len(rows)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"emotion": "glee"}, "expected an emotion of .*found 'glee'"),
    ({"intensity": "high"}, "expected a number as intensity, found 'high'"),
    ({"intensity": True}, "expected a number as intensity, found True"),
    ({"corpus": "opera"}, "expected a corpus of films, friends, found 'opera'"),
    ({"id": 7}, "expected a text as id, found 7"),
    ({"id": ["a"]}, r"expected a text as id, found \['a'\]"),
    ({"corpus": ["films"]}, r"expected a corpus of films, friends, found \["),
    ({"emotions": "joy"}, "unknown field emotions"),
    ({"probabilities": {"joy": 0.4}}, "expected probabilities of joy, anger"),
  ],
)
def test_a_bad_row_is_told_with_its_line(
  rows, mixture, tmp_path, change, message
):
  friend = next(row for row in rows if row["corpus"] == "friends")
  path = write(tmp_path / "a", [rows[-1], friend | change])
  with pytest.raises(InputError, match=f"line 2: {message}"):
    external.read(path, mixture)


def test_a_row_twice_and_broken_json_are_told(rows, mixture, tmp_path):
  path = write(tmp_path / "a", [rows[0], rows[0]])
  with pytest.raises(InputError, match="line 2: .* stands twice"):
    external.read(path, mixture)
  path.write_text(json.dumps(rows[0]) + "\n{")
  with pytest.raises(InputError, match="line 2: expected a JSON object"):
    external.read(path, mixture)
  path.write_text("")
  with pytest.raises(InputError, match="found no rows"):
    external.read(path, mixture)


def test_a_corpus_named_twice_is_refused(corpora):
  """Every record would count twice."""
  with pytest.raises(InputError, match="each name once, found films,films"):
    external.open_records(str(corpora), ["films", "films"])


def test_what_is_rated_outside_train_alone_is_told(rows, mixture, tmp_path):
  mixture.examples["train"] = [
    dataclasses.replace(each, intensity=None)
    for each in mixture.examples["train"]
  ]
  read = external.read(write(tmp_path / "a", rows), mixture)
  with pytest.raises(InputError, match="films: expected an intensity of some"):
    external.evaluate(read, mixture, "test")


def test_the_command_compares_the_split_that_it_scores(
  rows, corpora, mixture, tmp_path
):
  """Also where the directory holds scores of the test split."""
  validation = [
    {"id": each.id, "corpus": each.corpus}
    | ({} if each.intensity is None else {"intensity": each.intensity})
    | ({"emotion": each.emotion} if each.emotion else {})
    for each in mixture.examples["validation"]
  ]
  wrong = [
    row | ({"intensity": 3.0} if "intensity" in row else {})
    for row in validation
  ]
  files = {
    name: write(tmp_path / name, content)
    for name, content in (
      *(("test", rows), ("right", validation), ("wrong", wrong)),
    )
  }

  def score(out, file, split, *against):
    done = run_score(
      *(corpora, "--corpora=films,friends", f"--out={tmp_path / out}"),
      *(f"--predictions={files[file]}", f"--split={split}", *against),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

  score("mine", "test", "test")
  score("base", "wrong", "validation")
  said = score(
    *("mine", "right", "validation"), "--against", str(tmp_path / "base")
  )
  assert "mine minus another run, validation split" in said
  # All right against always 3: the error is less.
  assert re.search(r"minus base .*films .* -\d", said)


def test_the_command_writes_what_report_and_compare_read(
  evaluated, rows, corpora, tmp_path
):
  worse = [
    row | ({"intensity": 0.0} if "intensity" in row else {}) for row in rows
  ]
  out = tmp_path / "theirs"
  done = run_score(
    *(corpora, "--corpora=films,friends", f"--out={out}"),
    f"--predictions={write(tmp_path / 'a.jsonl', worse)}",
    *("--against", str(evaluated.path)),
  )
  assert done.returncode == 0, done.stderr
  assert "theirs minus another run" in done.stdout
  stored = RunDir(out).results("test")
  assert stored["corpora"]["films"]["mae"] > 0
  page = (out / "report/index.html").read_text()
  assert "UniMSE: " not in page.partition("</title>")[0]
  assert "minus ours" in page
  assert len(stored["provenance"]["data"]["predictions_sha256"]) == 64


def test_a_training_run_is_not_overwritten(straight, corpora, tmp_path):
  done = run_score(
    *(corpora, "--corpora=films", f"--out={straight}"),
    "--predictions=a.jsonl",
  )
  assert done.returncode == 2
  assert "expected a directory of its own" in done.stderr


def test_the_dataset_for_pytorch_reads_records(corpora):
  """The code of docs/compare.md, as a reader would run it."""
  text = (_ROOT / "docs/compare.md").read_text()
  (code,) = re.findall(r"^```python\n([\s\S]*?)^```$", text, re.M)
  scope = {}
  exec(code, scope)
  dataset = scope["Records"](str(corpora), "friends", "test")
  assert len(dataset) == 5
  name, words, tensors, truth = dataset[4]
  assert name == "test1" and words and truth["emotion"]
  assert tensors["audio"].shape[1] == 4
