"""The reference of all fields, from the comments of configs/base.py."""

import ast
import dataclasses
import io
import re
import textwrap
import tokenize
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from unimse_jax.config.fields import FREE_FIELDS, Config
from unimse_jax.config.limits import (
  ABOVE,
  AT_LEAST,
  AT_MOST,
  BELOW,
  CHOICES,
  flat,
)
from unimse_jax.errors import InputError

_HEAD = """# Configuration

Every field of a config, from the comments of `configs/base.py`; `make docs`
writes this page. The other files of `configs/` change a few of them, and so
does the command line, for one run:

```
python -m unimse_jax.train --config configs/base.py \\
    --config.text.window=0 --config.data.modalities="('audio',)"
```

A field that does not exist, a value of another type or one that is not legal
ends the command with status 2 and one message that names all such faults.
What a run was made with stands in its workdir, in `config.json`. Going on in a
workdir takes the same config but for these, which change how long a run takes
and how it is read out, not what is learnt at a step:

{free}.

The last column has what the presets `configs/paper.py` and
`configs/authors.py` set instead of the default; D-numbers are those of
[decisions.md](decisions.md).
"""
_TABLE = """
| field | default | legal | meaning | presets |
|---|---|---|---|---|
"""
_TOP = "run"  # what the fields outside of all sections are about
# In a comment: what was typed, a decision, a name with dots, and letters that
# Markdown would read.
_SPECIAL = re.compile(
  r'r?"[^"]*"|\bD\d+\b|\b[a-z_]\w*(?:\.[a-z_]\w*)+|[\\`*_|<>\[\]]'
)


def read_comments(source: str) -> dict[str, str]:
  """What stands above and behind each assignment of a config file.

  Args:
    source: of a file that names its sections as
      `text = config.text = ConfigDict()`.

  Returns:
    Path of a field ("seed", "text.window") or a section ("text") -> its
    comment, "" where there is none.
  """
  comments, alone = {}, set()
  for token in tokenize.generate_tokens(io.StringIO(source).readline):
    if token.type == tokenize.COMMENT:
      comments[token.start[0]] = token.string.lstrip("# ")
      if not token.line[: token.start[1]].strip():
        alone.add(token.start[0])
  found = {}
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Assign) and isinstance(
      node.targets[-1], ast.Attribute
    ):
      path = ast.unparse(node.targets[-1]).removeprefix("config.")
      first = node.lineno
      while first - 1 in alone:
        first -= 1
      lines = [*range(first, node.lineno), node.end_lineno]
      found[path] = " ".join(comments[n] for n in lines if n in comments)
  return found


def render(source: str, base: Config, presets: Mapping[str, Config]) -> str:
  """The page, in Markdown.

  Args:
    source: of configs/base.py.
    base: its config.
    presets: name -> config that changes it.

  Raises:
    InputError: naming every field and section that has no comment.
  """
  comments = read_comments(source)
  values = flat(base)
  sections = list(dict.fromkeys(path.rpartition(".")[0] for path in values))
  missing = [
    path
    for path in (*filter(None, sections), *values)
    if not comments.get(path)
  ]
  if missing:
    raise InputError(
      "configs/base.py: expected a comment above or behind every field and "
      f"section, found none at {', '.join(missing)}."
    )
  others = {name: flat(config) for name, config in presets.items()}
  free = textwrap.fill(", ".join(map(_code, FREE_FIELDS)), 79)
  parts = [_HEAD.format(free=free)]
  for section in sections:
    parts.append(f"\n## {section or _TOP}\n")
    parts += [f"\n{_prose(comments[section])}\n"] if section else []
    parts.append(_TABLE)
    for path, hint in _hints(section):
      cells = (
        _code(path),
        _code(_written(values[path])),
        _legal(path, hint),
        _prose(comments[path]),
        _changes(path, values, others),
      )
      parts.append(f"| {' | '.join(cells)} |\n")
  return "".join(parts)


def _hints(section: str) -> Iterator[tuple[str, Any]]:
  """Path and type of the fields of a section; "" for those outside of all."""
  hints = typing.get_type_hints(Config)
  if section:
    for name, hint in typing.get_type_hints(hints[section]).items():
      yield f"{section}.{name}", hint
    return
  for name, hint in hints.items():
    if not dataclasses.is_dataclass(hint):
      yield name, hint


def _legal(path: str, hint: Any) -> str:
  """Type and range, or the choices."""
  if path in CHOICES:
    return ", ".join(_code(_written(each)) for each in CHOICES[path])
  if typing.get_origin(hint) is tuple:
    return f"tuple of {typing.get_args(hint)[0].__name__}"
  signs = {"≥": AT_LEAST, ">": ABOVE, "≤": AT_MOST, "<": BELOW}
  bounds = [
    f"{sign} {bound[path]}" for sign, bound in signs.items() if path in bound
  ]
  return ", ".join([hint.__name__, *bounds])


def _changes(
  path: str, values: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
) -> str:
  return "; ".join(
    f"{name}: {_code(_written(changed[path]))}"
    for name, changed in others.items()
    if changed[path] != values[path] and path != "name"
  )


def _written(value: Any) -> str:
  """As it is typed in a config; texts in double quotes."""
  if isinstance(value, tuple):
    inside = ", ".join(map(_written, value))
    return f"({inside},)" if len(value) == 1 else f"({inside})"
  return f'"{value}"' if isinstance(value, str) else repr(value)


def _code(text: str) -> str:
  # A | ends a cell even between backticks.
  return f"`{text}`".replace("|", "\\|")


def _prose(comment: str) -> str:
  """A comment as sentences in Markdown."""

  def replace(found: re.Match) -> str:
    text = found[0]
    if len(text) == 1:
      return f"\\{text}"
    if re.fullmatch(r"D\d+", text):
      return f"[{text}](decisions.md)"
    return _code(text)

  first = re.match(r"[a-z]+\b", comment)
  if first:
    comment = comment[0].upper() + comment[1:]
  return _SPECIAL.sub(replace, comment.rstrip(".") + ".")
