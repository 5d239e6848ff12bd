"""Signals: the first is a flag, the second the end, handlers come back."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from unimse_jax.training.preemption import PreemptionGuard

_ROOT = pathlib.Path(__file__).parents[3]
_SECOND = """
import os, signal, time
from unimse_jax.training.preemption import PreemptionGuard

with PreemptionGuard(grace_seconds=0.05) as guard:
  os.kill(os.getpid(), signal.SIGTERM)
  os.kill(os.getpid(), signal.SIGTERM)  # within the grace: the same signal
  assert guard.requested
  print("alive", flush=True)
  time.sleep(0.1)
  os.kill(os.getpid(), signal.SIGTERM)
  print("unreachable", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_sets_the_flag(number, capfd):
  with PreemptionGuard() as guard:
    assert not guard.requested
    os.kill(os.getpid(), number)
    assert guard.requested
  assert f"{number.name}: saving at the next step" in capfd.readouterr().err


def test_a_second_signal_ends_the_process_at_once():
  done = subprocess.run(
    [sys.executable, "-c", _SECOND],
    env={**os.environ, "PYTHONPATH": str(_ROOT), "JAX_PLATFORMS": "cpu"},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert (done.returncode, done.stdout) == (-signal.SIGTERM, "alive\n")


def test_previous_handlers_come_back_also_after_an_error():
  before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
  with pytest.raises(ZeroDivisionError), PreemptionGuard():
    raise ZeroDivisionError
  after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
  assert after == before


def test_one_process_stops_at_the_step_that_a_signal_finds_it_at():
  # Several processes: two_processes_test.py.
  with PreemptionGuard() as guard:
    assert not guard.stops_at(1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert guard.stops_at(2)
