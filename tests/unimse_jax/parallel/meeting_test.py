"""Processes meet, and whoever does not fit is told by name."""

import concurrent.futures
import re
import socket
import time

import pytest

from unimse_jax.errors import InputError
from unimse_jax.parallel import meeting
from unimse_jax.parallel.meeting import Place


@pytest.fixture
def coordinator() -> str:
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    return f"localhost:{probe.getsockname()[1]}"


@pytest.fixture
def meet():
  """Starts `meeting.meet` in a thread; its result is what it returned."""
  with concurrent.futures.ThreadPoolExecutor(8) as threads:
    yield lambda *place, timeout=20: threads.submit(
      meeting.meet, Place(*place), timeout
    )


def connect(coordinator: str) -> socket.socket:
  """A stranger's connection, as soon as process 0 is there."""
  host, _, port = coordinator.rpartition(":")
  for _ in range(100):
    try:
      return socket.create_connection((host, int(port)))
    except OSError:
      time.sleep(0.05)
  raise TimeoutError(coordinator)


def test_all_processes_meet_whoever_comes_first(coordinator, meet):
  first = meet(coordinator, 4, 3)
  time.sleep(0.3)
  others = [meet(coordinator, 4, process) for process in (0, 2, 1)]
  host = others[0].result()
  assert set(host) == {1, 2, 3}
  host[3].send({"text": "one"})
  host[3].send({"text": "two"})
  at_3 = first.result()[0]
  received = []
  while len(received) < 2:
    received += at_3.receive()
  assert received == [{"text": "one"}, {"text": "two"}]
  host[3].close()
  assert at_3.receive() is None
  # The port is free again, as jax needs it, with the connections still open.
  port = int(coordinator.rpartition(":")[2])
  with socket.create_server(("", port)):
    pass


def test_all_hear_who_is_missing(coordinator, meet):
  arrived = meet(coordinator, 4, 2, timeout=1)
  message = "process 0 waited 1 s for all 4 processes, and 1, 3 did not come"
  with pytest.raises(InputError, match=message):
    meet(coordinator, 4, 0, timeout=1).result()
  with pytest.raises(InputError, match=message):
    arrived.result()


def test_a_port_that_is_taken_is_named(coordinator, meet):
  port = int(coordinator.rpartition(":")[2])
  with (
    socket.create_server(("", port)),
    pytest.raises(InputError, match=f"listen at port {port} .* in use"),
  ):
    meet(coordinator, 2, 0).result()


@pytest.mark.parametrize(
  ("processes", "process", "message"),
  [
    (3, 1, "UNIMSE_PROCESSES: expected 2, as process 0 .* found 3"),
    (2, 0, "UNIMSE_PROCESS: expected another number .* second process 0"),
  ],
)
def test_who_does_not_fit_is_refused_and_the_others_go_on(
  coordinator, meet, processes, process, message
):
  host = meet(coordinator, 2, 0)
  # The very words of another process; two hosts cannot both be number 0 here.
  with connect(coordinator) as connection:
    channel = meeting.Channel(connection)
    channel.send({"process": process, "processes": processes, "host": "x"})
    (answer,) = channel.receive()
  assert re.match(message, answer["refused"])
  meet(coordinator, 2, 1).result()
  assert set(host.result()) == {1}


def test_a_number_that_came_twice_is_refused(coordinator, meet):
  host = meet(coordinator, 3, 0)
  first, second = meet(coordinator, 3, 1), meet(coordinator, 3, 1)
  done, _ = concurrent.futures.wait(
    [first, second], return_when=concurrent.futures.FIRST_COMPLETED
  )
  with pytest.raises(InputError, match="found a second process 1"):
    done.pop().result()
  meet(coordinator, 3, 2).result()
  assert set(host.result()) == {1, 2}


@pytest.mark.parametrize(
  "words", [b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'{"process": [], "a": 1}\n']
)
def test_strangers_at_the_port_change_nothing(coordinator, meet, words):
  host = meet(coordinator, 2, 0)
  with connect(coordinator) as stranger:
    stranger.sendall(words)
    meet(coordinator, 2, 1).result()
  assert set(host.result()) == {1}


def test_who_left_while_waiting_may_come_again(coordinator, meet):
  host = meet(coordinator, 3, 0)
  with connect(coordinator) as connection:
    meeting.Channel(connection).send({"process": 1, "processes": 3})
  meet(coordinator, 3, 1)
  meet(coordinator, 3, 2).result()
  assert set(host.result()) == {1, 2}
