"""A config with rows of an ablation beside it, and runs that were evaluated."""

import json
import pathlib
from collections.abc import Callable

import pytest

from unimse_jax import command_line
from unimse_jax import config as config_lib
from unimse_jax.data import provenance
from unimse_jax.study import plan

_ROW = """from ml_collections import ConfigDict
VALUES = {values!r}

def change(config):
  {change}
  return config

def get_config(parent="tiny"):
  config = ConfigDict(VALUES)
  config.name = parent + "_" + {name!r}
  return change(config)
"""
_ROWS = {
  "without_audio": "config.data.modalities = ('video',)",
  "without_films": (
    "config.data.corpora = ('friends',); "
    "config.data.labels = config.data.labels.replace('.jsonl', '_row.jsonl')"
  ),
  "does_not_apply": "raise ValueError('the parent has no such corpus')",
}


@pytest.fixture(scope="package")
def config_with_rows(config_file, tiny_values) -> pathlib.Path:
  """The tiny config's file, with a folder ablations/ of three rows."""
  folder = config_file.parent / "ablations"
  folder.mkdir()
  titles = tuple((name, f"title of {name}") for name in _ROWS)
  (folder / "__init__.py").write_text(
    f"ROWS = {titles!r}\nTABLE_3 = ('without_audio',)\n"
  )
  for name, change in _ROWS.items():
    text = _ROW.format(values=tiny_values, name=name, change=change)
    (folder / f"{name}.py").write_text(text)
  return config_file


@pytest.fixture
def make_rows(config_with_rows, tmp_path) -> Callable[..., tuple]:
  def make(chosen="all", seeds=2, flags=()):
    return plan.ablation_rows(
      flags,
      config_with_rows,
      chosen,
      tmp_path,
      seeds,
      command_line.load_config,
      command_line.derive_config,
    )

  return make


@pytest.fixture
def evaluate() -> Callable[..., None]:
  """Writes what eval would, of intensities and emotions that are given."""

  def write(run: plan.PlannedRun, scores: dict, rows: list[dict] = ()) -> None:
    (run.run_dir.path / "results").mkdir(parents=True, exist_ok=True)
    config = config_lib.to_dict(run.config)
    data = run.config.data
    where = (data.dir, data.corpora, data.labels)
    # A row without a corpus has labels of its own, which nobody made.
    hashes = (
      provenance.read(*where) if pathlib.Path(data.labels).exists() else {}
    )
    results = {
      "corpora": scores,
      "provenance": {"config": config, "data": hashes},
    }
    path = run.run_dir.path / "results" / "test.json"
    path.write_text(json.dumps(results))
    (run.run_dir.path / "predictions").mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run.run_dir.path / "predictions" / "test.jsonl").write_text(text)

  return write
