"""Stopping at a step boundary when the machine is about to be taken away."""

import os
import signal
import time
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, Self

import jax
from jax.experimental import multihost_utils

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PreemptionGuard:
  """Turns the first SIGTERM or SIGINT into a flag that the loop polls.

  The loop saves and leaves at the next step; a second signal ends the process
  at once. Use it as a context manager in the main thread:

    with PreemptionGuard() as guard:
      for step in ...:
        if guard.stops_at(step): ...

  In a run of several processes jax listens for SIGTERM instead, and lets all
  stop at the same step.
  """

  def __init__(
    self,
    signals: Sequence[signal.Signals] = _SIGNALS,
    grace_seconds: float = 1.0,
  ):
    """Prepares the guard; handlers are installed on entering.

    Args:
      signals: signal numbers to catch.
      grace_seconds: s; signals that follow the first within it count as the
        same one: `timeout`, `make` and cluster managers send the signal to
        the process and again to its group.
    """
    self._signals = tuple(signals)
    self._grace_seconds = grace_seconds
    self._first_at: float | None = None
    self._previous: dict[signal.Signals, Any] = {}

  @property
  def requested(self) -> bool:
    """True from the first signal on."""
    return self._first_at is not None

  def stops_at(self, step: int) -> bool:
    """Whether all processes shall stop at this step.

    To be asked at every step: a signal reaches the hosts at different ones,
    and jax agrees behind the steps on one that none has passed. It costs no
    collective, for which every step would have to wait.
    """
    if jax.process_count() == 1:
      return self.requested
    return multihost_utils.reached_preemption_sync_point(step)

  def __enter__(self) -> Self:
    if jax.process_count() > 1:
      # jax's handler is in place since jax.distributed.initialize.
      return self
    for number in self._signals:
      self._previous[number] = signal.signal(number, self._handle)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    for number, handler in self._previous.items():
      # None: the handler was set by C code and cannot be put back by Python.
      signal.signal(number, signal.SIG_DFL if handler is None else handler)
    self._previous.clear()

  def _handle(self, number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if self._first_at is None:
      self._first_at = now
      name = signal.Signals(number).name
      # os.write, not print: a handler may interrupt a print half-way.
      os.write(
        2,
        f"\n{name}: saving at the next step, then stopping. Send it again to "
        "stop at once.\n".encode(),
      )
    elif now - self._first_at >= self._grace_seconds:
      # The default action, so that the exit status tells the signal.
      signal.signal(number, signal.SIG_DFL)
      os.kill(os.getpid(), number)
