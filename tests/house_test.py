"""No function and no file grows beyond what one can take in."""

import ast
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_FUNCTION, _FILE = 60, 450  # lines, the docstring among them


@pytest.mark.parametrize(
  "package", ["unimse_cli", "unimse_jax", "feature_export"]
)
def test_functions_and_files_are_short(package):
  paths = sorted((_ROOT / package).rglob("*.py"))
  assert paths
  long = []
  for path in paths:
    name, text = path.relative_to(_ROOT), path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    long += [f"{name}: {lines} of {_FILE} lines"] if lines > _FILE else []
    long += [
      f"{name}: {each.name} has {lines} of {_FUNCTION} lines"
      for each in ast.walk(ast.parse(text))
      if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
      for lines in [each.end_lineno - each.lineno + 1]
      if lines > _FUNCTION
    ]
  assert not long, "\n".join(long)
