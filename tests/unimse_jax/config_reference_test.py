"""docs/configuration.md has every field, and is as new as configs/base.py."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest

from configs import authors, base
from unimse_jax import config as config_lib
from unimse_jax.config import Config, reference
from unimse_jax.errors import InputError

_ROOT = pathlib.Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "configuration.md"
_SOURCE = pathlib.Path(base.__file__).read_text(encoding="utf-8")


def render(source: str) -> str:
  typed = [
    config_lib.validate(each.get_config().to_dict()) for each in (base, authors)
  ]
  return reference.render(source, typed[0], {"authors": typed[1]})


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
    "docs/configuration.md is behind configs/base.py: make docs"
  )


def test_every_field_of_every_section_has_a_row():
  expected = []
  for each in dataclasses.fields(Config):
    if dataclasses.is_dataclass(each.type):
      inside = dataclasses.fields(each.type)
      expected += [f"{each.name}.{field.name}" for field in inside]
    else:
      expected.append(each.name)
  found = rows(_PAGE.read_text(encoding="utf-8"))
  assert sorted(found) == sorted(expected)
  for field, cells in found.items():
    assert len(cells) == 4, field
    assert len(cells[2]) > 10, field  # the meaning


def test_a_row_has_default_range_meaning_and_what_presets_change():
  found = rows(render(_SOURCE))
  assert found["text.window"][:2] == ["`2`", "int, ≥ 0, ≤ 8"]
  assert found["model.lstm"][:2] == ['`"uni"`', '`"uni"`, `"bi"`']
  assert "[D7](decisions.md)" in found["model.modality_width"][2]
  assert found["model.modality_width"][3] == "authors: `32`"
  assert found["loss.temperature"][1] == "float, > 0"
  assert found["t5.dropout"][1] == "float, ≥ 0, < 1"
  assert found["data.buckets"][1] == "tuple of int"
  # A | would end the cell.
  assert found["text.turn_separator"][0] == '`"\\|"`'


def test_comments_above_and_behind_are_one_text():
  source = (
    "def get_config():\n"
    "  # Of the section.\n"
    "  text = config.text = ConfigDict()\n"
    "  # Above,\n"
    "  # two lines,\n"
    '  text.prefix = "# no comment"  # and behind.\n'
    "\n"
    "  # Of nothing: an empty line parts it from the next.\n"
    "\n"
    "  text.window = (\n"
    "    2\n"
    "  )  # behind the last line\n"
    "  config.seed = 0\n"
  )
  assert reference.read_comments(source) == {
    "text": "Of the section.",
    "text.prefix": "Above, two lines, and behind.",
    "text.window": "behind the last line",
    "seed": "",
  }


def test_fields_and_sections_without_a_comment_are_named_together():
  lines = _SOURCE.splitlines(keepends=True)
  at = next(n for n, line in enumerate(lines) if "t5.heads" in line)
  lines[at] = "  t5.heads = 12\n"
  at = next(n for n, line in enumerate(lines) if "loss = config.loss" in line)
  lines[at - 1] = "\n"
  with pytest.raises(InputError, match=r"none at loss, t5\.heads\."):
    render("".join(lines))
