"""`python -m unimse_jax.eval` with a run's own config."""

import os
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[2]


def _evaluate(*arguments):
  return subprocess.run(
    [sys.executable, "-m", "unimse_jax.eval", *arguments],
    cwd=_ROOT,
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    capture_output=True,
    text=True,
    timeout=600,
  )


def test_a_workdir_alone_is_evaluated_by_its_own_config(straight):
  done = _evaluate(f"--workdir={straight}", "--split=test", "--nowithheld")
  assert done.returncode == 0, done.stderr
  assert "films, test: intensity, N = 5" in done.stdout
  assert "always train median" in done.stdout


def test_a_directory_without_a_run_is_one_message(tmp_path):
  done = _evaluate(f"--workdir={tmp_path}")
  assert done.returncode == 2
  assert done.stderr.count("\n") == 1
  assert "expected the workdir of a training run" in done.stderr
