"""docs/configuration.md has every field, and is as new as the definitions."""

import pathlib
import subprocess
import sys

from configs import authors
from unimse_jax import config as config_lib
from unimse_jax.config import reference

_ROOT = pathlib.Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "configuration.md"


def rows(page: str) -> dict[str, list[str]]:
  """Field -> the other cells of its row."""
  found = {}
  for line in page.splitlines():
    if line.startswith("| `"):
      first, *cells = line[2:-2].split(" | ")
      found[first.strip("`")] = cells
  return found


def test_the_page_is_what_the_command_writes(tmp_path):
  out = tmp_path / "page.md"
  done = subprocess.run(
    [sys.executable, "-m", "unimse_jax.config_reference", f"--out={out}"],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert _PAGE.read_text(encoding="utf-8") == out.read_text(encoding="utf-8"), (
    "docs/configuration.md is behind unimse_jax/config: make docs"
  )


def test_every_field_has_a_row_with_a_meaning():
  found = rows(_PAGE.read_text(encoding="utf-8"))
  assert list(found) == list(config_lib.FIELDS)
  for field, cells in found.items():
    assert len(cells) == 4, field
    assert len(cells[2]) > 10, f"{field}: no docstring below its definition"


def test_a_row_has_default_range_meaning_and_what_presets_change():
  preset = config_lib.validate(authors.get_config().to_dict())
  found = rows(reference.render({"authors": preset}))
  assert found["text.window"][:2] == ["`2`", "int, ≥ 0, ≤ 8"]
  assert found["model.lstm"][:2] == ['`"uni"`', '`"uni"`, `"bi"`']
  assert "[D7](decisions.md)" in found["model.modality_width"][2]
  assert found["model.modality_width"][3] == "authors: `32`"
  assert found["loss.temperature"][1] == "float, > 0"
  assert found["t5.dropout"][1] == "float, ≥ 0, < 1"
  assert found["data.buckets"][1] == "tuple of int"
  # A | would end the cell.
  assert found["text.turn_separator"][0] == '`"\\|"`'
