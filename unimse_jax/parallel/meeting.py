"""The processes of a run find each other before jax starts.

Where others do not come, jax.distributed ends the process by a C++ abort, and
where the port is taken by a segmentation fault. Its processes therefore meet
first, by plain sockets at the very port that jax listens at afterwards. The
connections stay open: one that breaks tells at once that its host is lost.
"""

import contextlib
import dataclasses
import json
import selectors
import socket
import time
from typing import Any

from unimse_jax.errors import InputError

COORDINATOR = "UNIMSE_COORDINATOR"
PROCESSES = "UNIMSE_PROCESSES"
PROCESS = "UNIMSE_PROCESS"
TIMEOUT = "UNIMSE_TIMEOUT"

_RETRY_SECONDS = 0.2
# Process 0, whose time may run out a little later, knows who is missing.
_GRACE_SECONDS = 2.0
# A host that vanishes closes no connection: after 20 s without a word it is
# asked every 5 s, and lost after 4 questions.
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


@dataclasses.dataclass(frozen=True)
class Place:
  """Attributes:
  coordinator: host:port of process 0.
  processes: number of processes of the run.
  process: this one's, from 0.
  """

  coordinator: str
  processes: int
  process: int

  @property
  def address(self) -> tuple[str, int]:
    host, _, port = self.coordinator.rpartition(":")
    return host.strip("[]"), int(port)


class Channel:
  """JSON messages over a socket, one a line."""

  def __init__(self, connection: socket.socket):
    self._socket, self._unread = connection, b""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
      if hasattr(socket, name):  # not every system has all of them
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    self.host = ""

  def fileno(self) -> int:
    return self._socket.fileno()

  def send(self, message: dict[str, Any]) -> None:
    """Sends a message; one that cannot arrive any more is dropped."""
    with contextlib.suppress(OSError):
      self._socket.sendall(json.dumps(message).encode() + b"\n")

  def receive(self, limit: int = 65536) -> list[dict[str, Any]] | None:
    """The messages that have come; None once the other side has closed.

    Args:
      limit: bytes to read; with 1, what follows a message stays unread.
    """
    try:
      received = self._socket.recv(limit)
    except OSError:
      return None
    if not received:
      return None
    *lines, self._unread = (self._unread + received).split(b"\n")
    try:
      messages = [json.loads(line) for line in lines]
    except ValueError:  # a stranger at our port
      return None
    well_formed = all(isinstance(message, dict) for message in messages)
    return messages if well_formed else None

  def close(self) -> None:
    self._socket.close()


def meet(place: Place, timeout: float) -> dict[int, Channel]:
  """Waits until all processes of a run are there.

  Args:
    place: this process's place among them.
    timeout: s to wait.

  Returns:
    On process 0 the channels to all others by their numbers; on another one
    its channel to process 0.

  Raises:
    InputError: the port is taken, somebody did not come, or came twice.
  """
  if place.process == 0:
    return _Host(place, timeout).gather()
  return {0: _arrive(place, timeout)}


class _Host:
  """Process 0 while the others come."""

  def __init__(self, place: Place, timeout: float):
    self._place, self._timeout = place, timeout
    self._members: dict[int, Channel] = {}
    self._selector = selectors.DefaultSelector()

  def gather(self) -> dict[int, Channel]:
    deadline = time.monotonic() + self._timeout
    with self._listen() as server, self._selector:
      self._selector.register(server, selectors.EVENT_READ)
      while len(self._members) < self._place.processes - 1:
        events = self._selector.select(max(deadline - time.monotonic(), 0))
        if not events and time.monotonic() >= deadline:
          self._give_up()
        for key, _ in events:
          if key.fileobj is server:
            channel = Channel(server.accept()[0])
            self._selector.register(channel, selectors.EVENT_READ)
          else:
            self._listen_to(key.fileobj)
    # Only now is the port free for jax.
    for channel in self._members.values():
      channel.send({"go": socket.gethostname()})
    return self._members

  def _listen(self) -> socket.socket:
    port = self._place.address[1]
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
      return socket.create_server(
        ("", port), family=family, dualstack_ipv6=both
      )
    except (OSError, OverflowError) as error:
      raise InputError(
        f"{COORDINATOR}={self._place.coordinator}: process 0 expected to "
        f"listen at port {port} of this host, found: {error}. Choose another "
        "port, or end the process that has it."
      ) from error

  def _listen_to(self, channel: Channel) -> None:
    messages = channel.receive()
    if messages is None:
      # Gone again; it may come back.
      self._drop(channel)
    for message in messages or ():
      fault = self._fault(message)
      if fault:
        channel.send({"refused": fault})
        self._drop(channel)
        return
      channel.host = message.get("host", "")
      self._members[message["process"]] = channel

  def _fault(self, message: dict[str, Any]) -> str | None:
    place = self._place
    process, processes = message.get("process"), message.get("processes")
    if processes != place.processes:
      return (
        f"{PROCESSES}: expected {place.processes}, as process 0 at "
        f"{place.coordinator} was told, found {processes}."
      )
    others = range(1, place.processes)
    if process not in others or process in self._members:
      return (
        f"{PROCESS}: expected another number on each of the "
        f"{place.processes} processes, found a second process {process}."
      )
    return None

  def _drop(self, channel: Channel) -> None:
    self._selector.unregister(channel)
    channel.close()
    self._members = {
      process: member
      for process, member in self._members.items()
      if member is not channel
    }

  def _give_up(self) -> None:
    place = self._place
    missing = [
      str(process)
      for process in range(1, place.processes)
      if process not in self._members
    ]
    text = (
      f"{COORDINATOR}={place.coordinator}: process 0 waited "
      f"{self._timeout:g} s for all {place.processes} processes, and "
      f"{', '.join(missing)} did not come. Start each of them, or set "
      f"{PROCESSES} to how many there are; {TIMEOUT} is how long to wait, in s."
    )
    for channel in self._members.values():
      channel.send({"refused": text})
    raise InputError(text)


def _arrive(place: Place, timeout: float) -> Channel:
  """Goes to process 0 and waits there for the others."""
  deadline = time.monotonic() + timeout
  found = "no answer"
  while (left := deadline - time.monotonic()) > 0:
    try:
      connection = socket.create_connection(place.address, timeout=left)
    except OSError as error:
      found = str(error)
    else:
      channel = Channel(connection)
      if _is_let_in(channel, place, deadline):
        connection.settimeout(None)
        return channel
      channel.close()
      found = "a connection, but not all processes"
    time.sleep(max(min(_RETRY_SECONDS, deadline - time.monotonic()), 0))
  raise InputError(
    f"{COORDINATOR}={place.coordinator}: process {place.process} of "
    f"{place.processes} waited {timeout:g} s for process 0, found: {found}. "
    "Start process 0 on that host, or mend the address or the firewall; "
    f"{TIMEOUT} is how long to wait, in s."
  )


def _is_let_in(channel: Channel, place: Place, deadline: float) -> bool:
  """Whether process 0 answers that all are there."""
  channel.send(
    {
      "process": place.process,
      "processes": place.processes,
      "host": socket.gethostname(),
    }
  )
  messages = []
  with selectors.DefaultSelector() as selector:
    selector.register(channel, selectors.EVENT_READ)
    while not messages:
      left = deadline - time.monotonic() + _GRACE_SECONDS
      if not selector.select(max(left, 0)):
        return False
      # What follows is for the watch.
      messages = channel.receive(limit=1)
      if messages is None:  # process 0 has stopped, or a stranger has the port
        return False
  (answer,) = messages
  if "refused" in answer:
    raise InputError(answer["refused"])
  channel.host = answer.get("go", "")
  return "go" in answer
