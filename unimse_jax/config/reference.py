"""The reference of all fields, from their definitions."""

import itertools
import re
import textwrap
import typing
from collections.abc import Mapping
from typing import Any

from unimse_jax.config.field import Field
from unimse_jax.config.limits import flat
from unimse_jax.config.run_fields import FIELDS, FREE_FIELDS, Config
from unimse_jax.errors import InputError

_HEAD = """# Configuration

Every field of a config, from the definitions in `unimse_jax/config`; `make
docs` writes this page, and `--help_config=window` prints the entries of the
fields whose name holds "window". The defaults are those of `configs/base.py`.
The other files of `configs/` change a few of them, and so does the command
line, for one run:

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
# In a text: what was typed, a decision, a name with dots, and letters that
# Markdown would read.
_SPECIAL = re.compile(
  r'r?"[^"]*"|\bD\d+\b|\b[a-z_]\w*(?:\.[a-z_]\w*)+|[\\`*_|<>\[\]]'
)


def render(presets: Mapping[str, Config]) -> str:
  """The page, in Markdown.

  Args:
    presets: name -> config that changes the defaults.
  """
  others = {name: flat(config) for name, config in presets.items()}
  free = textwrap.fill(", ".join(map(_code, FREE_FIELDS)), 79)
  parts = [_HEAD.format(free=free)]
  for section, fields in itertools.groupby(FIELDS.values(), _section):
    parts.append(f"\n## {section or _TOP}\n")
    if section:
      parts.append(f"\n{_prose(_section_doc(section))}\n")
    parts.append(_TABLE)
    for each in fields:
      cells = (
        _code(each.path),
        _code(_written(each.default)),
        ", ".join(map(_code, map(_written, each.choices))) or each.legal,
        _prose(each.doc),
        _changes(each, others),
      )
      parts.append(f"| {' | '.join(cells)} |\n")
  return "".join(parts)


def describe(part: str) -> str:
  """The fields whose path holds a text, for the terminal.

  Raises:
    InputError: there is none.
  """
  fields = [each for each in FIELDS.values() if part in each.path]
  if not fields:
    raise InputError(
      f"--help_config: expected a part of a field's name, found {part!r}; "
      "--help_config= lists all fields."
    )
  lines = []
  for each in fields:
    legal = ", ".join(map(_written, each.choices)) or each.legal
    lines.append(f"--config.{each.path}={_written(each.default)}  ({legal})")
    indent = " " * 4
    lines.append(
      textwrap.fill(
        each.doc, 80, initial_indent=indent, subsequent_indent=indent
      )
    )
  return "\n".join(lines)


def _section(field: Field) -> str:
  return field.path.rpartition(".")[0]


def _section_doc(section: str) -> str:
  kind = typing.get_type_hints(Config)[section]
  return " ".join(kind.__doc__.split())


def _changes(field: Field, others: Mapping[str, Mapping[str, Any]]) -> str:
  return "; ".join(
    f"{name}: {_code(_written(changed[field.path]))}"
    for name, changed in others.items()
    if changed[field.path] != field.default and field.path != "name"
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


def _prose(text: str) -> str:
  """A field's or a section's text in Markdown."""

  def replace(found: re.Match) -> str:
    part = found[0]
    if len(part) == 1:
      return f"\\{part}"
    if re.fullmatch(r"D\d+", part):
      return f"[{part}](decisions.md)"
    return _code(part)

  return _SPECIAL.sub(replace, text)
