"""Scalars of a run: metrics.jsonl for programs, TensorBoard for eyes."""

import functools
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from absl import logging

from unimse_jax.files import write_atomically
from unimse_jax.rundir.event_file import EventFile
from unimse_jax.rundir.growing_file import open_growing

_KEYS = ("step", "split")


class ScalarSink(Protocol):
  """A place for scalars: TensorBoard's event file, or another."""

  def write_scalar(self, step: int, tag: str, value: float) -> None: ...

  def flush(self) -> None: ...

  def sync(self) -> None: ...

  def close(self) -> None: ...


class MetricWriter:
  """Appends scalars to a file of JSON lines and to TensorBoard.

  A line is {"step": 20, "split": "train", "loss": 1.25}; it holds no clock
  time, so a resumed run's file can equal an uninterrupted run's. Write the
  lines of a step before its checkpoint is saved: a run killed between the
  two resumes earlier and writes them again; the other order loses them.
  """

  def __init__(
    self,
    path: pathlib.Path,
    tensorboard: pathlib.Path,
    resume_step: int = 0,
    enabled: bool = True,
    others: Sequence[ScalarSink] = (),
  ):
    """Opens both files.

    Args:
      path: metrics.jsonl of a run, in an existing directory.
      tensorboard: directory for TensorBoard; made if absent.
      resume_step: the step that training goes on from; lines of later steps,
        written by the run that was killed, are cut off. 0 cuts all lines but
        those of step 0.
      enabled: False on processes other than 0: nothing is written.
      others: further places for the scalars; they are closed with it.
    """
    self._file = None
    self._sinks: list[ScalarSink] = []
    self._path, self._failed = path, False
    self._waiting = b""  # lines that found no room yet
    if not enabled:
      return
    if path.exists():
      _cut_after(path, resume_step)
    self._file = open_growing(path)
    events = EventFile(tensorboard, restart=resume_step + 1)
    self._sinks = [events, *others]

  def __enter__(self) -> Self:
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self.close()

  def write(
    self,
    step: int,
    split: str,
    values: Mapping[str, float],
    timings: Mapping[str, float] | None = None,
  ) -> None:
    """Writes the scalars of one step; they are on disk when it returns.

    A disk that is full is told once; the lines follow when there is room.

    Args:
      step: number of the step.
      split: "train", "validation", ...
      values: scalars by name; NaN and infinities become null in the JSON.
      timings: scalars that differ from run to run (seconds, examples/s); they
        go to TensorBoard alone.

    Raises:
      ValueError: a value is named "step" or "split".
    """
    if self._file is None:
      return
    if not values.keys().isdisjoint(_KEYS):
      raise ValueError(f"{_KEYS} are no names for values: {list(values)}")
    scalars = {name: float(value) for name, value in values.items()}
    line = {"step": int(step), "split": split}
    line |= {k: v if math.isfinite(v) else None for k, v in scalars.items()}
    self._waiting += json.dumps(line).encode() + b"\n"
    self._try(self._append)
    for name, value in {**scalars, **(timings or {})}.items():
      scalar = (step, f"{split}/{name}", float(value))
      for sink in self._sinks:
        self._try(functools.partial(sink.write_scalar, *scalar))
    for sink in self._sinks:
      self._try(sink.flush)

  def sync(self) -> None:
    """Writes what a bucket was not told yet; a disk knows all."""
    if self._file is not None:
      for each in (self._file, *self._sinks):
        self._try(each.sync)

  def close(self) -> None:
    """Closes both files; harmless when called twice."""
    if self._file is not None:
      self._try(self._append)
      for each in (self._file, *self._sinks):
        self._try(each.close)
    self._file, self._sinks = None, []

  def _append(self) -> None:
    self._file.write(self._waiting)
    self._waiting = b""
    self._file.flush()

  def _try(self, action: Callable[[], None]) -> None:
    """A full disk must not end a training whose saves survive it."""
    try:
      action()
    except OSError as error:
      if not self._failed:
        logging.error("%s could not be written: %s", self._path, error)
      self._failed = True


def read_metrics(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """The lines of a metrics.jsonl; broken ones are logged and left out.

  The last line of a killed run may be cut short: that is no reason to lose
  the others.
  """
  lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
  for number, text in enumerate(lines, start=1):
    try:
      line = json.loads(text)
      if type(line["step"]) is not int or type(line["split"]) is not str:
        raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
      logging.warning("%s: line %d is broken, left out", path, number)
      continue
    yield line


def _cut_after(path: pathlib.Path, step: int) -> None:
  kept = [line for line in read_metrics(path) if line["step"] <= step]
  text = "".join(json.dumps(line) + "\n" for line in kept)
  write_atomically(path, text.encode())
