"""Commands whose data and results lie in a bucket."""

import pathlib
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data import provenance
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.prediction import Predictor, corpus, package
from unimse_jax.reporting import page
from unimse_jax.rundir import RunDir
from unimse_jax.training import assembly

_ROOT = pathlib.Path(__file__).parents[3]
# `train` as users run it, but killed when it writes a step's line, and
# computing as these tests do (see the conftests).
_SCRIPT = """
import os, runpy, signal, sys
import jax
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_disable_most_optimizations", True)
from unimse_jax.rundir.metrics import MetricWriter
step, *sys.argv = int(sys.argv[1]), *sys.argv[1:]
write = MetricWriter.write
def write_and_die(self, at, split, *rest):
  write(self, at, split, *rest)
  if at == step and split == "train":
    os.kill(os.getpid(), signal.SIGKILL)
MetricWriter.write = write_and_die
runpy.run_module("unimse_jax.train", run_name="__main__")
"""


def train(*flags: str, killed_at: int = -1) -> None:
  done = subprocess.run(
    [sys.executable, "-c", _SCRIPT, str(killed_at), *flags],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )
  expected = -signal.SIGKILL if killed_at >= 0 else 0
  assert done.returncode == expected, done.stderr


@pytest.fixture
def in_bucket(bucket, upload, corpora) -> list[str]:
  """Flags that name the tiny corpora and labels in the bucket."""
  data = upload(corpora, "data")
  return [
    f"--config.data.dir={data}",
    f"--config.data.labels={data}/films_friends.jsonl",
  ]


def last_state(run_dir: RunDir):
  config = run_dir.read_config()
  opened = pipeline_lib.prepare_run(config, run_dir)
  parts = assembly.assemble(
    config,
    opened.pipeline.model,
    opened.pipeline.abstract_params(),
    config_mesh(config),
    total_steps=8,
  )
  with run_dir.open_checkpoints(read_only=True) as saved:
    return saved.restore(parts.abstract_state).state, saved.steps()


def test_a_killed_run_in_a_bucket_ends_as_one_on_a_disk(
  straight, bucket, config_file, in_bucket
):
  run = bucket / "runs/tiny"
  flags = [f"--config={config_file}", f"--workdir={run}", *in_bucket]
  train(*flags, killed_at=6)  # after an evaluation and two checkpoints
  train(*flags)

  found, steps = last_state(RunDir(run))
  expected, _ = last_state(RunDir(straight))
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  assert 8 in steps
  for name in ("metrics.jsonl", "features.npz", "model.json"):
    assert (run / name).read_bytes() == (straight / name).read_bytes(), name
  assert not (run / ".lock").exists()
  assert len([*(run / "tensorboard").glob("events.out.tfevents.*")]) == 2

  # What follows reads the run where it lies, and writes there.
  config = RunDir(run).read_config()
  for count in (1, 2):
    evaluated = evaluation_run.evaluate(config, run, "test")
    evaluation_run.write(config, run, "test", evaluated)
    openings = (run / "results/test_openings.jsonl").read_text().splitlines()
    assert len(openings) == count
  results = RunDir(run).results("test")["corpora"]
  assert set(results) == {"films", "friends"}
  assert RunDir(run).is_evaluated("test", config)
  data = config.data
  assert str(data.dir).startswith("gs://")
  hashes = provenance.read(data.dir, data.corpora, data.labels)
  assert hashes == RunDir(run).results("test")["provenance"]["data"]
  page.write(run)
  assert b"<html" in (run / "report/index.html").read_bytes()

  out = bucket / "packages/tiny"
  package.write(run, out, overwrite=False)
  with pytest.raises(InputError, match="a package is at gs://"):
    package.write(run, out, overwrite=False)
  for opener, place, name in (
    (Predictor.from_workdir, run, "a.jsonl"),
    (Predictor.from_pretrained, out, "b.jsonl"),
  ):
    corpus.predict_records(
      opener(place, devices=1),
      *(config.data.dir, "films", "test", f"{bucket}out/{name}"),
    )
  lines = (bucket / "out/a.jsonl").read_text()
  assert lines == (bucket / "out/b.jsonl").read_text()
  assert len(lines.splitlines()) == results["films"]["n"]


def test_missing_things_in_a_bucket_are_one_sentence_each(
  bucket, config_file, in_bucket
):
  done = subprocess.run(
    [sys.executable, "-m", "unimse_jax.train", f"--config={config_file}"]
    + [f"--workdir={bucket}run", f"--config.data.dir={bucket}nothing"]
    + in_bucket[1:],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert done.returncode == 2
  assert f"expected {bucket}nothing/films/<version>/" in done.stderr
  assert "Traceback" not in done.stderr
  assert not (bucket / "run").exists()
