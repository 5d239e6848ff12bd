"""The table of what is to be reached on an accelerator, measured row by row.

Each task of `goal_tasks` runs in a process of its own, so that one that fails,
or takes its process with it, costs the others nothing. This module does not
import jax: the process that waits holds no device.
"""

import dataclasses
import hashlib
import json
import logging as std_logging
import multiprocessing
import os
import pathlib
import signal
from collections.abc import Sequence
from concurrent import futures
from concurrent.futures import process
from typing import Any

from absl import logging

from unimse_jax import config as config_lib
from unimse_jax import processes
from unimse_jax.checkout import commit
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.files import read_json, write_atomically
from unimse_jax.tables import writers
from unimse_jax.tables.table import Table

_H100 = "H100"
_ADVICE = "give another --output"


@dataclasses.dataclass(frozen=True)
class Row:
  """A line of the table.

  Attributes:
    task: name in `goal_tasks.TASKS`.
    value: name among what the task returns.
    title: what it is.
    form: format of the value and of the goal.
    least: goal that the value is not to fall below, if any.
    most: goal that it is not to exceed, if any.
    anywhere: whether the goal holds on all devices; else on an H100 alone.
  """

  task: str
  value: str
  title: str
  form: str
  least: float | None = None
  most: float | None = None
  anywhere: bool = False

  @property
  def goal(self) -> str:
    if self.least is not None:
      return f"at least {self.form.format(self.least)}"
    if self.most is not None:
      return f"at most {self.form.format(self.most)}"
    return "-"

  def is_met(self, value: float) -> bool:
    if self.least is not None:
      return value >= self.least
    return self.most is None or value <= self.most


_STEP = "a training step"
ROWS = (
  Row(
    "training",
    "share_of_peak",
    "Training: share of the device's peak, real tokens alone counted",
    "{:.1%}",
    least=0.4,
  ),
  Row(
    "training",
    "epoch_seconds",
    "Training: an epoch of 32,836 clips, its steps alone",
    "{:.1f} s",
    most=30,
  ),
  Row(
    "torch_compile",
    "drawn",
    "Torch compiled, of the config's type, over ours: texts of the corpora's "
    "lengths",
    "{:.2f} x",
    least=1.5,
  ),
  Row(
    "torch_compile",
    "equal",
    "The same: texts of equal length",
    "{:.2f} x",
    least=1.5,
  ),
  Row(
    "torch_float32",
    "drawn",
    "Torch eager, float32, over ours: texts of the corpora's lengths",
    "{:.2f} x",
    least=8,
  ),
  Row(
    "torch_float32",
    "equal",
    "The same: texts of equal length",
    "{:.2f} x",
    least=8,
  ),
  Row(
    "lstms", "share", f"The LSTMs' time alone over that of {_STEP}", "{:.1%}"
  ),
  Row(
    "decoding",
    "tokens_per_second",
    "Greedy decoding, tokens/s",
    "{:,.0f}",
    least=40_000,
  ),
  Row(
    "evaluation",
    "seconds",
    "Evaluation of 9,605 clips after compilation: labels, free texts, "
    "probabilities",
    "{:.1f} s",
    most=10,
  ),
  *(
    Row(
      "scaling", f"{kind}_{value}", title, "{:.2f} x", most=most, anywhere=True
    )
    for kind, name, most in (
      ("batch", "8 x the texts of a batch", 8),
      ("audio", "2 x the frames of voice", 1.3),
    )
    for value, title in (
      ("seconds", f"{name}: time of {_STEP}"),
      ("flops", f"{name}: its operations"),
      ("bytes", f"{name}: bytes that it moves"),
    )
  ),
  Row(
    "scaling",
    "corpora_places",
    "4 x the texts of an epoch: what the encoder reads",
    "{:.2f} x",
    most=4.2,  # linear, to a twentieth
    anywhere=True,
  ),
  Row(
    "scaling",
    "corpora_seconds",
    "4 x the texts of an epoch: CPU time of planning it",
    "{:.2f} x",
    most=4.2,  # linear, to a twentieth
    anywhere=True,
  ),
)
TASKS = tuple(dict.fromkeys(row.task for row in ROWS))


@dataclasses.dataclass
class Found:
  """What was measured so far.

  Attributes:
    head: config, device and versions.
    values: task -> value by name.
    faults: task -> why there is none.
  """

  head: dict[str, Any] = dataclasses.field(default_factory=dict)
  values: dict[str, dict[str, float | None]] = dataclasses.field(
    default_factory=dict
  )
  faults: dict[str, str] = dataclasses.field(default_factory=dict)


def measure(
  config: Config,
  tasks: Sequence[str],
  steps: int,
  warmup: int,
  output: pathlib.Path | None,
) -> Found:
  """Measures what the file does not hold yet, one task after another.

  Args:
    config: the run to measure; on one device.
    tasks: names of `TASKS` to measure.
    steps: timed runs of each function.
    warmup: runs before them.
    output: file that is written after each task, and read at the start. What
      failed is measured again.

  Raises:
    InputError: the file is of another config, device or version.
  """
  # Beside a peer, which needs the memory that jax would take at its start.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  parallel = dataclasses.replace(config.parallel, devices=1)
  config = dataclasses.replace(config, parallel=parallel)
  found = _open(output, _head(config, steps, warmup))
  for number, task in enumerate(tasks, 1):
    if task in found.values:
      continue
    logging.info("%d of %d: %s", number, len(tasks), task)
    found.faults.pop(task, None)
    values = _in_process(_measure, task, config, steps, warmup)
    if isinstance(values, str):
      found.faults[task] = values
    else:
      found.values[task] = values
    if output:
      text = json.dumps(dataclasses.asdict(found), indent=2)
      write_atomically(output, text.encode())
  return found


def _head(config: Config, steps: int, warmup: int) -> dict[str, Any]:
  """What all figures of a file have in common."""
  described = _in_process(_describe)
  if isinstance(described, str):
    raise InputError(f"expected a device to measure, found: {described}")
  values = json.dumps(config_lib.to_dict(config), sort_keys=True)
  return {
    "config": config.name,
    "dtype": config.t5.dtype,
    "batch_size": config.train.batch_size,
    "config_sha256": hashlib.sha256(values.encode()).hexdigest(),
    "steps": steps,
    "warmup": warmup,
    "commit": commit(),
  } | described


def _open(output: pathlib.Path | None, head: dict[str, Any]) -> Found:
  """What the file holds, or nothing where there is none.

  Raises:
    InputError: it holds something else than what the head says.
  """
  if output is None or not output.exists():
    return Found(head)
  read = read_json(output, _ADVICE)
  there = "something else"
  if isinstance(read, dict) and read.keys() == vars(Found()).keys():
    if read["head"] == head:
      return Found(**read)
    there = f"those of {read['head']}"
  raise InputError(
    f"--output: expected figures of {head}, found {there} in {output}: "
    f"{_ADVICE}."
  )


def _in_process(function, *arguments) -> dict[str, Any] | str:
  """What the function returns in a process of its own, or why it did not."""
  context = multiprocessing.get_context("spawn")
  with futures.ProcessPoolExecutor(1, mp_context=context) as pool:
    try:
      return pool.submit(function, *arguments).result()
    except process.BrokenProcessPool:
      return "its process ended without a message: killed, or out of memory"


def _describe() -> dict[str, Any] | str:
  _start()
  from unimse_jax.benchmarking import goal_tasks

  try:
    return goal_tasks.describe()
  except RuntimeError as error:  # jax finds no device
    return _in_words(error)


def _measure(
  task: str, config: Config, steps: int, warmup: int
) -> dict[str, float | None] | str:
  _start()
  from unimse_jax.benchmarking import goal_tasks

  try:
    return goal_tasks.TASKS[task](config, steps, warmup)
  except InputError as error:
    return _in_words(error)
  except Exception as error:  # of any kind: the other tasks go on
    std_logging.exception("%s failed", task)
    return f"{type(error).__name__}: {_in_words(error)}"


def _start() -> None:
  """Of a process: it ends with the one that started it."""
  processes.end_with_parent(signal.SIGKILL)
  processes.keep_freed_memory()


def _in_words(error: Exception) -> str:
  return next(iter(str(error).splitlines()), "without a message")


def format_found(found: Found) -> str:
  """The table in Markdown."""
  head = found.head
  title = "Not measured"
  if head:
    versions = [
      f"{name} {head[name]}"
      for name in ("jax", "jaxlib", "torch", "transformers")
      if head[name]
    ]
    title = (
      f"{head['config']} on {head['device']}, batch of {head['batch_size']}, "
      f"{head['dtype']}, {', '.join(versions)}"
    )
  rows = [("what", "found", f"goal, on an {_H100}", "met")]
  rows += [(row.title, *_cells(row, found)) for row in ROWS]
  return writers.to_markdown(Table(title, tuple(rows)))


def _cells(row: Row, found: Found) -> tuple[str, str, str]:
  """Value, goal, and whether it is met."""
  if row.task not in found.values:
    fault = found.faults.get(row.task)
    cell = f"failed: {fault}" if fault else "not measured"
    return cell, row.goal, "-"
  value = found.values[row.task][row.value]
  if value is None:
    return "not known for this device", row.goal, "-"
  judged = row.anywhere or _H100 in found.head["device"]
  met = "-"
  if judged and row.goal != "-":
    met = "yes" if row.is_met(value) else "no"
  return row.form.format(value), row.goal, met
