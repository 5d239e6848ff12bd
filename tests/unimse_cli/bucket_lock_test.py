"""One run in a directory of a bucket."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from unimse_cli import bucket_lock, storage
from unimse_jax.errors import InputError
from unimse_jax.rundir import lock

_HOLDER = """
import sys, time
from unimse_cli import bucket_lock, storage
from unimse_jax.rundir import lock
bucket_lock.BEAT = 0.2
with lock.hold(storage.user_path(sys.argv[1])):
  print("held", flush=True)
  time.sleep(60)
"""
OTHER = {"process": 7, "host": "another", "beat": "0"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
  monkeypatch.setattr(bucket_lock, "BEAT", 0.2)


def start_holder(folder) -> subprocess.Popen:
  """A process of its own that holds the lock."""
  child = subprocess.Popen(
    [sys.executable, "-c", _HOLDER, str(folder)],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  assert child.stdout.readline() == "held\n"
  return child


def names(folder) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


def test_a_second_run_is_told_who_holds_it(bucket):
  folder = bucket / "run/.lock"
  with lock.hold(folder):
    assert names(folder) == ["0"]
    with (
      pytest.raises(InputError, match=f"process {os.getpid()} on .*gs://"),
      lock.hold(folder),
    ):
      pass
    assert names(folder) == ["0"]
  assert not folder.exists()
  with lock.hold(folder):
    pass


def test_of_many_runs_that_start_at_once_one_holds_it(bucket):
  folder, held, refused = bucket / "run/.lock", [], []
  done = threading.Event()

  def run(number: int) -> None:
    try:
      with lock.hold(folder):
        held.append(number)
        done.wait(5)
    except InputError:
      refused.append(number)
      if len(refused) == 4:
        done.set()

  threads = [threading.Thread(target=run, args=(n,)) for n in range(5)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert (len(held), len(refused)) == (1, 4)


def test_a_killed_run_of_this_machine_is_followed_at_once(bucket, monkeypatch):
  folder = bucket / "run/.lock"
  child = start_holder(folder)
  child.send_signal(signal.SIGKILL)
  child.wait()
  assert names(folder) == ["0"]
  monkeypatch.setattr(bucket_lock, "BEAT", 30.0)
  start = time.monotonic()
  with lock.hold(folder):
    assert names(folder) == ["1"]
  assert time.monotonic() - start < bucket_lock.BEAT


def test_a_silent_run_of_another_machine_is_followed_after_a_while(bucket):
  folder = bucket / "run/.lock"
  storage.write_object(folder / "3", json.dumps(OTHER).encode())
  start = time.monotonic()
  with lock.hold(folder):
    assert names(folder) == ["4"]
  assert time.monotonic() - start > 0.2 * bucket_lock.PATIENCE


def test_a_living_run_of_another_machine_is_not_disturbed(bucket):
  folder = bucket / "run/.lock"
  storage.write_object(folder / "0", json.dumps(OTHER).encode())
  beat = threading.Timer(
    0.3,
    storage.write_object,
    (folder / "0", json.dumps(OTHER | {"beat": "1"}).encode()),
  )
  beat.start()
  with (
    pytest.raises(InputError, match="process 7 on another"),
    lock.hold(folder),
  ):
    pass
  assert names(folder) == ["0"]


def test_a_run_whose_lock_was_taken_ends(bucket):
  """It was suspended, and another took it for killed."""
  folder = bucket / "run/.lock"
  child = start_holder(folder)
  storage.write_object(folder / "1", json.dumps(OTHER).encode())
  assert child.wait(20) == 1
  assert "another process has taken gs://" in child.stderr.read()
  assert names(folder) == ["0", "1"]
