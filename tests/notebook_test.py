"""The notebook runs from a checkout that has nothing but its code."""

import pathlib
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

_ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_the_notebook_goes_from_nothing_to_a_picture(tmp_path):
  shutil.copytree(_ROOT / "configs", tmp_path / "configs")
  notebook = nbformat.read(_ROOT / "docs" / "first_steps.ipynb", as_version=4)
  client = NotebookClient(
    notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}
  )
  client.execute()
  last = notebook.cells[-1].outputs[-1]
  assert last.data["image/svg+xml"].startswith("<svg")
  run = tmp_path / "runs" / "first_steps" / "run"
  assert (run / "results" / "test.json").is_file()
