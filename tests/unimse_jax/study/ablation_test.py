"""Commands of a study, run and printed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir
from unimse_jax.study import ablation, gather, launch, plan

_ROOT = pathlib.Path(__file__).parents[3]


def command(module, *arguments):
  return subprocess.run(
    [sys.executable, "-m", f"unimse_jax.{module}", *arguments],
    cwd=_ROOT,
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    capture_output=True,
    text=True,
    timeout=600,
  )


def test_what_is_left_is_a_line_each_with_the_labels_first(make_rows, evaluate):
  rows, _ = make_rows()
  lines = ablation.commands(rows, "test", {})
  # Labels of one row, once for both seeds; three rows of two runs.
  assert len(lines) == 7
  assert "feature_export.universal_labels" in lines[0]
  assert (
    "--corpora friends --donors train --donor_classes scheme --encoder toy"
    in lines[0]
  )
  assert "--ties lowest --neutral as_others --out" in lines[0]
  assert all(line.count(" && ") == 1 for line in lines[1:])
  evaluate(rows[0].runs[0], {})
  assert ablation.commands(rows, "test", {}) == [lines[0], *lines[2:]]


def test_labels_by_other_rules_than_the_whole_models_are_refused(
  tiny_config, tmp_path
):
  meta = {
    "encoder": {"name": "minilm", "sha256": "6f"},
    "ties": {"rule": "lowest"},
    "neutral": "constants",
    "datasets": {"films": {}, "friends": {}},
  }
  row = meta | {"datasets": {"films": {}}}
  whole = tmp_path / "labels.meta.json"
  whole.write_text(json.dumps(meta))
  labels = tmp_path / "labels_without_friends.jsonl"
  own = tmp_path / "labels_without_friends.meta.json"
  config = tiny_config({"data.labels": str(labels), "data.corpora": ["films"]})
  run = plan.PlannedRun(RunDir(tmp_path), (), config)
  rows = [plan.Row("without_friends", "w/o friends", (run,))]
  own.write_text(json.dumps(row))
  launch.check_rules(run)
  own.write_text(json.dumps(row | {"neutral": "as_others", "encoder": None}))
  for refuse in (ablation.commands, ablation.run):
    more = (tmp_path,) if refuse is ablation.run else ()
    with pytest.raises(InputError, match="--encoder None, not minilm") as error:
      refuse(rows, *more, "test", {})
    assert "--neutral as_others, not constants" in str(error.value)
  own.write_text(
    json.dumps(row | {"encoder": {"name": "minilm", "sha256": "0"}})
  )
  with pytest.raises(InputError, match="--encoder minilm of other weights"):
    launch.check_rules(run)
  # The whole's are of a version that hashed the weights alone.
  for weights, same in (("6f", True), ("5e", False)):
    encoder = {"name": "minilm", "sha256": "a7", "weights_sha256": weights}
    own.write_text(json.dumps(row | {"encoder": encoder}))
    with nullcontext() if same else pytest.raises(InputError, match="weights"):
      launch.check_rules(run)
  # One BERT pooled in two ways.
  encoder = {"name": "minilm", "sha256": "b8", "weights_sha256": "5e"}
  whole.write_text(json.dumps(meta | {"encoder": encoder}))
  with pytest.raises(InputError, match="of other weights or settings"):
    launch.check_rules(run)
  # Labels of other corpora that happen to lie beside them.
  whole.write_text(json.dumps(meta | {"datasets": {"news": {}}}))
  launch.check_rules(run)


@pytest.mark.parametrize(
  ("rules", "flags"),
  [
    ({"encoder": None}, []),  # nothing was completed, or an older exporter
    ({"ties": {"rule": "majority"}}, ["--ties", "majority"]),
    (
      {
        "encoder": {"name": "a b", "sha256": "0"},
        "ties": {"rule": "top_k", "k": 3},
        "neutral": "constants",
      },
      ["--encoder", "a b", "--ties", "top_k", "--k", "3"]
      + ["--neutral", "constants"],
    ),
  ],
)
def test_labels_are_completed_by_the_rules_of_those_beside(
  rules, flags, tiny_config, tmp_path
):
  labels = tmp_path / "labels_all_without_films.jsonl"
  # The name that goes on from both is the longer one's.
  for name, meta in (("labels", {"neutral": "shorter"}), ("labels_all", rules)):
    (tmp_path / f"{name}.meta.json").write_text(json.dumps(meta))
  (tmp_path / "other_labels_all.meta.json").write_text('{"neutral": "other"}')
  config = tiny_config({"data.labels": str(labels), "data.corpora": ["films"]})
  run = plan.PlannedRun(RunDir(tmp_path), (), config)
  command = launch.labels_command(run)
  assert command[command.index("scheme") + 1 :] == [
    *flags,
    "--out",
    str(labels),
  ]
  labels.touch()
  assert launch.labels_command(run) is None


def test_the_carried_rules_make_the_same_labels_again(
  tiny_config, corpora, label_writer, tmp_path
):
  labels = tmp_path / "labels.jsonl"
  rules = ("--ties", "top_k", "--k", "3", "--neutral", "constants")
  label_writer(corpora, "films,friends", *rules, "--out", str(labels))
  again = tmp_path / "labels_again.jsonl"
  config = tiny_config({"data.labels": str(again)})
  command = launch.labels_command(plan.PlannedRun(RunDir(tmp_path), (), config))
  label_writer(corpora, "films,friends", *command[2:])
  assert again.read_bytes() == labels.read_bytes()
  metas = [path.with_suffix(".meta.json") for path in (labels, again)]
  assert metas[0].read_bytes() == metas[1].read_bytes()


def test_a_failure_does_not_stop_the_rest(make_rows, monkeypatch, tmp_path):
  rows, left_out = make_rows("without_audio")
  seen = []

  def run(arguments):
    seen.append((arguments[1], arguments[-1]))
    return 2 if "/full/" in " ".join(arguments) else 0

  monkeypatch.setattr(launch, "run", run)
  assert ablation.run(rows, tmp_path, "test", left_out) == 1
  # Of the failed runs no eval; both runs of the other row whole.
  assert len(seen) == 2 + 4


def test_without_the_exporter_the_other_rows_are_run(
  make_rows, monkeypatch, tmp_path, caplog
):
  rows, left_out = make_rows("without_films,without_audio", seeds=1)
  seen = []
  monkeypatch.setattr(launch, "run", lambda each: seen.append(each) or 0)
  monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
  assert ablation.run(rows, tmp_path, "test", left_out) == 1
  assert len(seen) == 4
  assert "python -m feature_export.universal_labels" in caplog.text


def test_rows_of_before_stay_while_they_hold(
  make_rows, evaluate, monkeypatch, tmp_path, caplog
):
  monkeypatch.setattr(launch, "run", lambda each: 0)

  def study(chosen, **more):
    """What ablate does: plans what is asked for, and what was."""
    rows, left_out = make_rows(chosen, **more)
    before = plan.rows_before(
      rows,
      RunDir(tmp_path).ablation(),
      lambda chosen, seeds: make_rows(chosen, seeds, **more),
    )
    assert ablation.run(rows, tmp_path, "test", left_out, before) == 0
    return [row["row"] for row in RunDir(tmp_path).ablation()["rows"]]

  for row in make_rows("without_audio,without_films")[0]:
    for run in row.runs:
      evaluate(run, {}, [])
  monkeypatch.setattr(gather.comparison, "compare", lambda *_: None)
  assert study("without_audio") == ["full", "without_audio"]
  assert study("without_films") == ["full", "without_films", "without_audio"]
  assert not caplog.records
  # Of another parent nothing holds.
  assert study("without_films", flags=["--config.train.epochs=9"]) == []
  assert "Row without_audio goes from" in caplog.text


def test_a_signal_stops_the_study(make_rows, monkeypatch, tmp_path):
  rows, left_out = make_rows("without_audio")
  seen = []
  monkeypatch.setattr(launch, "run", lambda each: seen.append(each) or 143)
  assert ablation.run(rows, tmp_path, "test", left_out) == 143
  assert len(seen) == 1


def test_a_signal_reaches_the_child_and_its_status_comes_back():
  child = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
    "print('ready', flush=True)\ntime.sleep(60)\n"
  )
  parent = (
    "import sys\nfrom unimse_jax.study import launch\n"
    f"sys.exit(launch.run(['-c', {child!r}]))\n"
  )
  process = subprocess.Popen(
    [sys.executable, "-c", parent], cwd=_ROOT, stdout=subprocess.PIPE, text=True
  )
  assert process.stdout.readline() == "ready\n"
  start = time.monotonic()
  process.send_signal(signal.SIGTERM)
  assert process.wait(timeout=30) == 143
  assert time.monotonic() - start < 30


@pytest.mark.slow
def test_seeds_and_rows_end_to_end(config_with_rows, tmp_path):
  flags = [f"--config={config_with_rows}", "--config.train.epochs=1"]
  seeds = [*flags, f"--workdir={tmp_path / 'seeds'}", "--seeds=2"]
  done = command("train", *seeds)
  assert done.returncode == 0, done.stderr
  done = command("eval", *seeds)
  assert done.returncode == 0, done.stderr
  found = json.loads((tmp_path / "seeds" / "seeds.json").read_text())
  assert found["seeds"] == [0, 1]
  assert len(found["corpora"]["films"]["mae"]["values"]) == 2
  study = [*flags, f"--workdir={tmp_path / 'rows'}", "--rows=without_audio"]
  done = command("ablate", *study)
  assert done.returncode == 0, done.stderr
  found = json.loads((tmp_path / "rows" / "ablation.json").read_text())
  assert [row["row"] for row in found["rows"]] == ["full", "without_audio"]
  assert "mae" in found["rows"][1]["differences"]["films"]
  done = command("ablate", *study, "--dry_run")
  assert done.stdout.strip() == ""
