"""The runs of a study, and which of them are done."""

import dataclasses
import pathlib
import runpy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import logging

from unimse_jax import rivals
from unimse_jax.config import FIELDS, Config
from unimse_jax.data import provenance
from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir, config_file

FULL = "full"  # the row that nothing is taken from
_CONFIG_FLAGS = ("config", "noconfig")
_LISTS = ("all", "table3", "rivals")  # words of --rows
# Flags of a config -> the config.
Load = Callable[[Sequence[str]], Config]
# (file of a row, its parent's config) -> the row's config.
Derive = Callable[[pathlib.Path, Config], Config]


@dataclasses.dataclass(frozen=True)
class PlannedRun:
  """One training with one seed.

  Attributes:
    run_dir: its directory.
    flags: --config and its overrides, the seed among them.
    config: values of the flags.
  """

  run_dir: RunDir
  flags: tuple[str, ...]
  config: Config

  def command(self, module: str, *more: str) -> list[str]:
    """Arguments of python for `unimse_jax.<module>`."""
    where = ("--workdir", str(self.run_dir.path))
    return ["-m", f"unimse_jax.{module}", *self.flags, *where, *more]

  def commands(self, split: str) -> list[list[str]]:
    """What trains and scores it: arguments of python for each command."""
    if self.config.rival.system in rivals.CLASSICAL:
      return [self.command("baseline", "--split", split)]
    return [self.command("train"), self.command("eval", "--split", split)]

  def is_evaluated(self, split: str) -> bool:
    """Whether results of this very config, data and last checkpoint exist.

    Where the data are no longer there, what was scored with them stands.
    """
    if not self.run_dir.is_evaluated(split, self.config):
      return False
    data = self.config.data
    try:
      now = provenance.read(data.dir, data.corpora, data.labels)
    except InputError:
      return True
    return self.run_dir.results(split)["provenance"].get("data") == now


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of the ablation table: name, title, and one run for each seed."""

  name: str
  title: str
  runs: tuple[PlannedRun, ...]


def config_flags(arguments: Sequence[str]) -> list[str]:
  """Of a command line, --config and its overrides, to hand them on."""
  flags, value_follows = [], False
  for each in arguments:
    # A value that begins with a dash is one all the same: "- ", -0.5.
    if value_follows:
      flags.append(each)
      value_follows = False
      continue
    name, assigned, _ = each.lstrip("-").partition("=")
    section, _, path = name.partition(".")
    if each.startswith("-") and section in _CONFIG_FLAGS:
      flags.append(each)
      switch = path in FIELDS and FIELDS[path].type is bool
      value_follows = not assigned and not switch
  return flags


def seed_runs(
  flags: Sequence[str], root: pathlib.Path, seeds: int, load: Load
) -> tuple[PlannedRun, ...]:
  """The runs root/seed_0, root/seed_1, ...: the config's seed + 0, + 1, ...

  Raises:
    InputError: fewer than one seed, or flags that make no config.
  """
  if seeds < 1:
    raise InputError(f"--seeds: expected at least 1, found {seeds}.")
  first = load(flags).seed
  runs = []
  for k in range(seeds):
    own = (*flags, f"--config.seed={first + k}")
    runs.append(PlannedRun(RunDir(root).seed(k), own, load(own)))
  return tuple(runs)


def ablation_rows(
  flags: Sequence[str],
  parent_file: pathlib.Path,
  chosen: str,
  root: pathlib.Path,
  seeds: int,
  load: Load,
  derive: Derive,
) -> tuple[list[Row], dict[str, str]]:
  """The whole model and the chosen rows.

  Args:
    flags: overrides of the parent's fields. A row changes the parent after
      them, so that they cannot undo it.
    parent_file: config of the parent; the rows lie in ablations/ and rivals/
      beside it.
    chosen: "all", "table3", "rivals", or names with commas between them.
    root: runs live in root/<row>/seed_<k>.
    seeds: number of runs a row.
    load: reads a config.
    derive: makes a row's config.

  Returns:
    The rows, and those of a list that do not apply to the parent with the
    reason.

  Raises:
    InputError: no rows there, unknown names, or a named row that does not
      apply or is the whole model.
  """
  files = _choose(parent_file.parent, chosen)
  whole = (f"--config={parent_file}", *flags)
  rows = [_row(FULL, "UniMSE", whole, root, seeds, load)]
  parent, left_out = load(whole), {}
  for file, title in files.items():
    try:
      own = _row_flags(file, parent_file.stem, parent, load, derive)
      rows.append(_row(file.stem, title, own, root, seeds, load))
    except InputError as error:
      if chosen not in _LISTS:
        raise
      left_out[file.stem] = str(error)
  return rows, left_out


def rows_before(
  rows: Sequence[Row],
  gathered: Mapping[str, Any] | None,
  plan_rows: Callable[..., tuple[list[Row], dict[str, str]]],
) -> list[Row]:
  """The rows that were gathered before and are not asked for now.

  Args:
    rows: those that are asked for.
    gathered: content of ablation.json, if there is one.
    plan_rows: `ablation_rows` of the same parent, but for names and seeds.

  Returns:
    Those that the parent still has, planned anew.
  """
  names = {row.name for row in rows}
  before = []
  for each in (gathered or {"rows": ()})["rows"]:
    if each["row"] not in names:
      try:
        seeds = 1 + max(each["seeds"])
        planned, _ = plan_rows(chosen=each["row"], seeds=seeds)
        before += planned[1:]  # the whole model comes first
      except InputError as error:
        logging.warning("Row %s goes: %s", each["row"], error)
  return before


def _row(
  name: str,
  title: str,
  flags: Sequence[str],
  root: pathlib.Path,
  seeds: int,
  load: Load,
) -> Row:
  place = RunDir(root).row(name).path
  return Row(name, title, seed_runs(flags, place, seeds, load))


def _row_flags(
  file: pathlib.Path,
  parent_name: str,
  parent: Config,
  load: Load,
  derive: Derive,
) -> list[str]:
  """The row's file, and overrides that make it what the row is of `parent`."""
  config = derive(file, parent)
  changed = config_file.differing_fields(parent, config)
  if changed.keys() <= {"name"}:
    raise InputError(
      f"--rows: {file.stem} changes nothing of the whole model with these "
      "overrides; leave the row or the override out."
    )
  flags = [f"--config={file}:{parent_name}"]
  changes = config_file.differing_fields(load(flags), config)
  return flags + [
    f"--config.{field}={value}" for field, (_, value) in changes.items()
  ]


def _choose(folder: pathlib.Path, chosen: str) -> dict[pathlib.Path, str]:
  """File -> title, in the order asked for."""
  listed = _listed(folder / "ablations") if chosen != "rivals" else {}
  ablations = {
    name: (folder / "ablations" / f"{name}.py", title)
    for name, title in listed.get("ROWS", ())
  }
  systems = {
    name: (folder / "rivals" / f"{name}.py", title)
    for name, title in rivals.titles().items()
  }
  known = ablations | systems
  names = {
    "all": [*ablations],
    "table3": listed.get("TABLE_3", ()),
    "rivals": [*systems],
  }.get(chosen) or [name for name in chosen.split(",") if name != FULL]
  unknown = [name for name in names if name not in known]
  if unknown:
    raise InputError(
      f"--rows: expected {', '.join(_LISTS)}, or some of {', '.join(known)}; "
      f"found {', '.join(unknown)}."
    )
  return dict(known[name] for name in names)


def _listed(folder: pathlib.Path) -> dict[str, Any]:
  """The names in a folder of ablations."""
  path = folder / "__init__.py"
  if not path.is_file():
    raise InputError(
      f"--rows: expected the list of rows in {path}, found none; the folder "
      f"{folder.name} lies beside the parent's config file."
    )
  # By its path: the package itself knows no config.
  return runpy.run_path(str(path))
