"""Whatever becomes of one process, all say it in one sentence and end.

The work here is a few lines without jax; what real trainings do is in
training/lost_processes_test.py.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

_ROOT = pathlib.Path(__file__).parents[3]
_HOST = socket.gethostname()
# A command of a run of several processes; its work is the code it is given.
_COMMAND = """
import os, signal, sys, time
from unimse_jax.parallel import meeting, watch

coordinator, count, process, work = sys.argv[1:]
place = meeting.Place(coordinator, int(count), int(process))
if not watch.work_is_here():
  sys.exit(watch.run(place, meeting.meet(place, 30)))
watch.prepare_to_work()
print("ready", flush=True)
sys.stdin.readline()
exec(work)
"""
_WAITS = "time.sleep(600)"


def start(*works: str) -> list[subprocess.Popen]:
  """Starts one process for each work; all begin to work together."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  started = [
    subprocess.Popen(
      [sys.executable, "-c", _COMMAND, f"localhost:{port}"]
      + [str(len(works)), str(process), work],
      env=os.environ | {"PYTHONPATH": str(_ROOT)},
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process, work in enumerate(works)
  ]
  for each in started:
    assert each.stdout.readline() == "ready\n"
  for each in started:
    each.stdin.write("\n")
    each.stdin.flush()
  return started


def ends(started: list[subprocess.Popen]) -> list[tuple[int, str]]:
  """Exit status and stderr of each, which all must give within 10 s."""
  deadline = time.monotonic() + 10
  found = []
  for each in started:
    _, text = each.communicate(timeout=max(deadline - time.monotonic(), 0.1))
    found.append((each.returncode, text))
  return found


def lost(process: int, count: int, how: str) -> str:
  return (
    f"error: process {process} of {count} on {_HOST} was lost ({how}). Start "
    "the same command again on all hosts: a training goes on from its last "
    "checkpoint.\n"
  )


@pytest.mark.parametrize("status", [0, 143])
def test_good_ends_are_passed_on_without_a_word(status):
  work = f"sys.exit({status})"
  assert ends(start(work, work, work)) == [(status, "")] * 3


@pytest.mark.parametrize("victim", [0, 1])
def test_work_that_is_killed_is_named_by_all(victim):
  works = [_WAITS] * 3
  works[victim] = "os.kill(os.getpid(), signal.SIGKILL)"
  sentence = lost(victim, 3, "killed by SIGKILL")
  assert ends(start(*works)) == [(1, sentence)] * 3


@pytest.mark.parametrize("victim", [0, 2])
def test_a_host_that_is_lost_is_named_by_the_others(victim):
  started = start(*[_WAITS] * 3)
  started[victim].kill()
  sentence = lost(victim, 3, "the connection to it broke")
  found = ends(started)
  assert found.pop(victim) == (-signal.SIGKILL, "")
  assert found == [(1, sentence)] * 2


@pytest.mark.parametrize("refuser", [0, 1])
def test_a_refusal_stops_all_with_its_message(refuser):
  works = [_WAITS] * 2
  works[refuser] = "watch.refuse('no data: bring them')"
  sentence = f"error: process {refuser} of 2 on {_HOST}: no data: bring them\n"
  assert ends(start(*works)) == [(2, sentence)] * 2


@pytest.mark.parametrize("victim", [0, 1])
def test_the_cause_is_named_and_not_its_effects(victim):
  """The other one notices first, by an abort or by an exception."""
  for effect in ("os.abort()", "raise ValueError('gloo')"):
    works = [effect] * 2
    works[victim] = "time.sleep(.1); os.kill(os.getpid(), signal.SIGKILL)"
    sentence = lost(victim, 2, "killed by SIGKILL")
    assert ends(start(*works)) == [(1, sentence)] * 2


def test_an_error_of_its_own_keeps_its_traceback():
  (status, first), (_, second) = ends(start(_WAITS, "1 / 0"))
  sentence = lost(1, 2, "exit status 1; its own output says why")
  assert (status, first) == (1, sentence)
  assert second.startswith("Traceback")
  assert second.endswith("ZeroDivisionError: division by zero\n" + sentence)


def test_a_signal_reaches_the_work_and_a_second_one_ends_all():
  ignores = "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=1))"
  started = start(f"{ignores}; print(1, flush=1); {_WAITS}", _WAITS)
  assert started[0].stdout.readline() == "1\n"
  started[0].terminate()
  while started[0].stdout.readline() != "heard\n":
    pass
  time.sleep(1.1)
  started[0].terminate()
  (status, first), (other, second) = ends(started)
  sentence = f"error: process 0 of 2 on {_HOST} was stopped by a signal.\n"
  assert (status, other, second) == (143, 143, sentence)
  assert first == (
    "\nSIGTERM: a training saves at the next step, then stops. Send it again "
    "to stop at once.\n" + sentence
  )


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone offers it")
def test_no_work_outlives_the_process_that_watches_it():
  started = start(f"print(os.getpid(), flush=True); {_WAITS}")
  work = int(started[0].stdout.readline())
  started[0].kill()
  ends(started)
  deadline = time.monotonic() + 5
  while pathlib.Path(f"/proc/{work}").exists():
    status = pathlib.Path(f"/proc/{work}/stat").read_text().split()[2]
    if status == "Z":  # its new parent has yet to notice
      break
    assert time.monotonic() < deadline
    time.sleep(0.05)
