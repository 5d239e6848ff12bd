"""A search for better values of config fields, on validation alone.

Optuna proposes (a tree-structured Parzen estimator, Bergstra et al. 2011); a
trial is a training run like any other, in a directory of its own, and its value
is the skill of its best evaluation (train.selection). The journal is written as
the search goes, so that it can be stopped at any moment: a trial that was
broken off goes on from its last checkpoint.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging

from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.data import provenance
from unimse_jax.errors import InputError
from unimse_jax.evaluation import selection
from unimse_jax.rundir import RunDir
from unimse_jax.study import launch, search_space
from unimse_jax.study.plan import Load, PlannedRun
from unimse_jax.study.search_space import Dimension
from unimse_jax.tables.table import Table

if TYPE_CHECKING:
  import optuna

_NAME = "tuning"
# Fields that change no trial's value.
_NO_MATTER = (
  "train.checkpoint_every_steps",
  "train.log_every_steps",
  "train.wandb_project",
)


def open_study(root: RunDir, space: Sequence[Dimension], config: Config) -> Any:
  """The study of a directory, new or to go on with.

  Args:
    root: the directory, held.
    space: fields to choose.
    config: of all trials, but for those fields.

  Raises:
    InputError: Optuna is not installed, or the trials that were made are of
      another space, config or data.
  """
  try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
  except ImportError as error:
    raise InputError(
      'expected Optuna, found none: pip install "unimse_jax[tune]"'
    ) from error
  optuna.logging.set_verbosity(optuna.logging.WARNING)
  storage = JournalStorage(JournalFileBackend(str(root.journal_file)))
  study = optuna.create_study(
    study_name=_NAME,
    storage=storage,
    direction="maximize",
    load_if_exists=True,
  )
  described = [repr(each) for each in space]
  known = study.user_attrs.get("space")
  if known is not None and known != described:
    raise InputError(
      f"--space: expected the space that {root.path} was searched in\n  "
      + "\n  ".join(known)
      + "\nfound another; choose a new --workdir"
    )
  study.set_user_attr("space", described)
  _check_trials_compare(study, root, _compared(space, config))
  return study


def _compared(space: Sequence[Dimension], config: Config) -> dict[str, str]:
  """What all trials must have in common: field, or "data" -> value."""
  chosen = {each.path for each in space}
  values = {
    f"config.{path}": repr(value)
    for path, value in config_lib.flat(config).items()
    if path not in chosen and path not in _NO_MATTER
  }
  data = config.data
  hashes = provenance.read(data.dir, data.corpora, data.labels)
  return values | {"the sha256 of the data": provenance.sha256(hashes)}


def _check_trials_compare(
  study: "optuna.Study", root: RunDir, now: dict[str, str]
) -> None:
  # A journal of an older version says nothing of it.
  known = study.user_attrs.get("compared", now)
  faults = [
    f"  {name}: was {known.get(name)}, now {now.get(name)}"
    for name in sorted(known.keys() | now.keys())
    if known.get(name) != now.get(name)
  ]
  if faults:
    raise InputError(
      f"expected what the trials in {root.path} were made with, found\n"
      + "\n".join(faults)
      + "\nchoose a new --workdir"
    )
  study.set_user_attr("compared", now)


def search(
  study: "optuna.Study",
  space: Sequence[Dimension],
  root: RunDir,
  flags: Sequence[str],
  trials: int,
  load: Load,
) -> int:
  """Runs trials until there are so many; the status of what stopped it, or 0.

  Args:
    study: from `open_study`.
    space: fields to choose.
    root: directory of the study.
    flags: --config and overrides that all trials have; the seed among them is
      the search's too.
    trials: number of trials in all, with those that were made before.
    load: reads a config.
  """
  import optuna

  states = optuna.trial.TrialState
  broken_off = [
    trial for trial in study.get_trials() if trial.state == states.RUNNING
  ]
  left = trials - len(study.get_trials())
  seed = load(flags).seed
  for number in range(len(broken_off) + max(left, 0)):
    if number < len(broken_off):
      trial = broken_off[number]
      values = trial.params
    else:
      study.sampler = _sampler(seed, len(study.get_trials()))
      trial = study.ask()
      values = {each.path: each.suggest(trial) for each in space}
    status, value = _run(root, trial.number, flags, values, load)
    if status in launch.STOPPED:
      return status
    if value is None:
      study.tell(trial.number, state=states.FAIL)
    else:
      study.tell(trial.number, value)
    root.write_tuning(describe(study))
  return 0


def _sampler(seed: int, number: int) -> Any:
  """What proposes the values of one trial.

  Each trial has a sampler of its own, so that a search that was stopped or is
  made longer goes on with the values that it would have tried at once.
  """
  import optuna

  (own,) = np.random.SeedSequence((seed, number)).generate_state(1)
  return optuna.samplers.TPESampler(seed=int(own))


def _run(
  root: RunDir,
  number: int,
  flags: Sequence[str],
  values: dict[str, Any],
  load: Load,
) -> tuple[int, float | None]:
  """Trains one trial; its status, and its value if it has one."""
  own = (*flags, *search_space.flags(values))
  try:
    config = load(own)
  except InputError as error:
    logging.warning("Trial %d makes no config: %s", number, error)
    return 2, None
  run = PlannedRun(root.trial(number), own, config)
  status = launch.run(run.command("train"))
  if status:
    logging.warning("Trial %d ended with status %d.", number, status)
    return status, None
  lines = run.run_dir.evaluations()[selection.split_of(config.train.selection)]
  value = max(line["skill"] for line in lines)
  logging.info("Trial %d: skill %.4f", number, value)
  return 0, value


def describe(study: "optuna.Study") -> dict[str, Any]:
  """The content of tuning.json: all trials, the best one and its flags."""
  trials = [
    {
      "trial": each.number,
      "state": each.state.name.lower(),
      "skill": each.value,
      "values": each.params,
    }
    for each in study.get_trials()
  ]
  scored = [each for each in trials if each["skill"] is not None]
  best = max(scored, key=lambda each: each["skill"], default=None)
  return {
    "trials": trials,
    "best": best and best | {"flags": list(search_space.flags(best["values"]))},
  }


def table(content: dict[str, Any]) -> Table:
  """The trials, the best one first, those without a value last."""
  fields = list(
    dict.fromkeys(f for t in content["trials"] for f in t["values"])
  )
  order = sorted(
    content["trials"],
    key=lambda each: (each["skill"] is None, -(each["skill"] or 0.0)),
  )
  rows = [
    (
      str(each["trial"]),
      each["state"] if each["skill"] is None else f"{each['skill']:.4f}",
      *(_cell(each["values"].get(field)) for field in fields),
    )
    for each in order
  ]
  title = "Mean skill on validation, by trial"
  return Table(title, (("trial", "skill", *fields), *rows), "tuning")


def _cell(value: Any) -> str:
  return f"{value:.4g}" if isinstance(value, float) else str(value)


def check_selection(rule: str) -> None:
  """Refuses to search by anything but validation.

  Raises:
    InputError: train.selection reads the test split or no score.
  """
  if rule != "mean_skill":
    raise InputError(
      "config.train.selection: expected mean_skill for a search, which "
      f"chooses by validation, found {rule}"
    )
