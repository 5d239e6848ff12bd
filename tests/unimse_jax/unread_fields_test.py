"""No config field is defined that nothing reads."""

import ast
import pathlib
import re
import typing
from collections.abc import Iterable

from unimse_jax.config import FIELDS, Config
from unimse_jax.models import UniMSEConfig

_PACKAGE = pathlib.Path(__file__).parents[2] / "unimse_jax"
# Class of an annotation -> prefix of the fields that are read from it.
_CLASSES = {
  hint.__name__: f"{name}."
  for name, hint in typing.get_type_hints(Config).items()
  if hint not in (str, int)
}
_SECTIONS = frozenset(_CLASSES.values())
_CLASSES |= {Config.__name__: "", UniMSEConfig.__name__: "model."}


def _owners(tree: ast.Module) -> dict[str, set[str]]:
  """Name of a variable or attribute -> prefixes of the fields it may have."""
  found: dict[str, set[str]] = {}

  def note(name: str, prefixes: Iterable[str]) -> None:
    found.setdefault(name, set()).update(prefixes)

  # Twice: an argument may come after the attribute that it is kept in.
  for node in [*ast.walk(tree), *ast.walk(tree)]:
    if isinstance(node, ast.ClassDef) and node.name in _CLASSES:
      note("self", [_CLASSES[node.name]])
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
      name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
      words = re.findall(r"\w+", ast.unparse(node.annotation))
      note(name, [_CLASSES[word] for word in words if word in _CLASSES])
    if isinstance(node, ast.Assign):
      pairs = [(target, node.value) for target in node.targets]
      for target, value in list(pairs):  # a, b = config.a, config.b
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
          pairs += zip(target.elts, value.elts, strict=False)
      for target, value in pairs:
        if isinstance(value, ast.Attribute) and f"{value.attr}." in _SECTIONS:
          note(ast.unparse(target), [f"{value.attr}."])
        elif isinstance(value, ast.Attribute) and value.attr == "config":
          note(ast.unparse(target), found.get("config", ()))
        elif isinstance(value, ast.Name) and isinstance(target, ast.Attribute):
          note(target.attr, found.get(value.id, ()))
  return found


def reads(source: str) -> set[str]:
  """Paths of the fields that a module reads."""
  tree = ast.parse(source)
  owners, found = _owners(tree), set()
  for node in ast.walk(tree):
    if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store):
      continue
    owner, prefixes = node.value, set()
    if isinstance(owner, ast.Name):
      prefixes = owners.get(owner.id, set())
    elif isinstance(owner, ast.Attribute) and f"{owner.attr}." in _SECTIONS:
      prefixes = {f"{owner.attr}."}
    elif isinstance(owner, ast.Attribute):
      prefixes = owners.get(owner.attr, set()) | (
        {""} if owner.attr == "config" else set()
      )
    found |= {f"{prefix}{node.attr}" for prefix in prefixes}
  return found


def test_every_field_is_read_outside_of_the_config_and_its_checks():
  found = set()
  for path in _PACKAGE.rglob("*.py"):
    if "config" not in path.relative_to(_PACKAGE).parts:
      found |= reads(path.read_text(encoding="utf-8"))
  unread = [path for path in FIELDS if path not in found]
  assert not unread, f"read nowhere in unimse_jax: {', '.join(unread)}"


def test_a_read_counts_for_its_own_section_alone():
  found = reads(
    "class Model:\n"
    "  config: UniMSEConfig\n"
    "  def f(self, text: TextConfig, config: Config):\n"
    "    loss, rest = config.loss, 1\n"
    "    loss.alpha + rest.beta + self.config.lstm + config.data.dir\n"
    "    text.window = text.prefix\n"
  )
  fields = {path for path in found if path in FIELDS}
  assert fields == {"loss.alpha", "model.lstm", "data.dir", "text.prefix"}
