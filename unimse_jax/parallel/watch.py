"""One process works; this one watches it and hears of the others' ends.

jax.distributed ends a process by a C++ abort once it misses another one, and
a collective may wait for a lost process for ever. The process that was started
therefore only watches: the work is done by a child, the same command once
more, and whatever becomes of it, the last word and the exit status are ours.
"""

import dataclasses
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from types import FrameType
from typing import Any, NoReturn

from unimse_jax import processes
from unimse_jax.parallel.meeting import Channel, Place

# Given to the child: the place it works at, and where its last words go.
_REPORT = "UNIMSE_REPORT"
_STOPPED = 143  # after SIGTERM, as shells count it
_REFUSED = 2
_GOOD = (0, _STOPPED)
# How a process ends that misses another one: by a Python exception or an abort.
_EFFECTS = (1, -signal.SIGABRT)
# An end that may be the effect of another one's waits for word of that.
_CAUSE_SECONDS = 1.0
_VERDICT_SECONDS = 10.0
# Signals within it are one: see PreemptionGuard.
_GRACE_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class End:
  """How the work of one process ended.

  Attributes:
    process: its number.
    host: name of its host.
    status: exit status, or the negative signal that killed it; None where the
      connection to its host broke.
    message: why it refused to work; empty if it did not.
  """

  process: int
  host: str
  status: int | None
  message: str = ""

  def verdict(self, count: int) -> tuple[int, str]:
    """Exit status and last sentence for all processes of the run."""
    who = f"process {self.process} of {count} on {self.host or 'its host'}"
    if self.message:
      return _REFUSED, f"{who}: {self.message}"
    if self.status in (-signal.SIGTERM, -signal.SIGINT):
      return _STOPPED, f"{who} was stopped by a signal."
    return 1, (
      f"{who} was lost ({self._how()}). Start the same command again on all "
      "hosts: a training goes on from its last checkpoint."
    )

  def _how(self) -> str:
    if self.status is None:
      return "the connection to it broke"
    if self.status < 0:
      return f"killed by {signal.Signals(-self.status).name}"
    return f"exit status {self.status}; its own output says why"


def work_is_here() -> bool:
  """Whether this process is the child that works."""
  return _REPORT in os.environ


def prepare_to_work() -> None:
  """Makes the child end with its parent, and its errors wait for the cause."""
  # What it starts is not watched.
  report = int(os.environ.pop(_REPORT))
  os.set_inheritable(report, False)
  _Report.descriptor = report
  processes.end_with_parent(signal.SIGKILL)
  # The parent hears Ctrl-C too and passes it on as SIGTERM.
  signal.signal(signal.SIGINT, signal.SIG_IGN)

  def excepthook(*error: Any) -> None:
    # Mostly another process was lost: then the parent ends this one meanwhile,
    # and no traceback buries its sentence.
    time.sleep(2 * _CAUSE_SECONDS)
    sys.__excepthook__(*error)
    _leave(1)

  sys.excepthook = excepthook


class _Report:
  """The child's way to its parent."""

  descriptor: int | None = None


def refuse(message: str) -> None:
  """In the child, hands a refusal to the parent and ends; else does nothing."""
  if _Report.descriptor is None:
    return
  os.write(_Report.descriptor, message.encode())
  _leave(_REFUSED)


def _leave(status: int) -> NoReturn:
  """Ends without jax's shutdown, which waits for the other processes."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(status)


def run(place: Place, channels: dict[int, Channel]) -> int:
  """Has a child do the work of this command, and watches all processes.

  Args:
    place: this process's place.
    channels: the connections that `meeting.meet` made.

  Returns:
    The exit status.
  """
  status, sentence = _Watch(place, channels).run()
  if sentence:
    print(f"error: {sentence}", file=sys.stderr)
  return status


class _Watch:
  """A child and the channels to the other processes."""

  def __init__(self, place: Place, channels: dict[int, Channel]):
    self._place, self._channels = place, channels
    # Process 0 hears of all and leaves last; the others hear of it alone.
    self._running = {place.process}
    if place.process == 0:
      self._running |= channels.keys()
    self._signalled_at: float | None = None
    self._selector = selectors.DefaultSelector()
    for process, channel in channels.items():
      self._selector.register(channel, selectors.EVENT_READ, process)
    self._child, self._report = self._start()
    self._selector.register(self._report, selectors.EVENT_READ, None)

  def run(self) -> tuple[int, str]:
    """Exit status and last sentence, empty after a good end."""
    try:
      bad = self._first_bad_end()
    finally:
      self._child.kill()
      status = self._child.wait()
    if bad is None:
      return status, ""
    for channel in self._channels.values():
      channel.send({"verdict": dataclasses.asdict(bad)})
    return bad.verdict(self._place.processes)

  def _start(self) -> tuple[subprocess.Popen, int]:
    reading, writing = os.pipe()
    child = subprocess.Popen(
      [sys.executable, *sys.orig_argv[1:]],
      env={**os.environ, _REPORT: str(writing)},
      pass_fds=(writing,),
    )
    os.close(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
      signal.signal(number, self._pass_on)
    return child, reading

  def _pass_on(self, number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if self._signalled_at is None:
      self._signalled_at = now
      self._child.send_signal(signal.SIGTERM)
      name = signal.Signals(number).name
      # os.write, not print: a handler may interrupt a print half-way.
      os.write(
        2,
        f"\n{name}: a training saves at the next step, then stops. Send it "
        "again to stop at once.\n".encode(),
      )
    elif now - self._signalled_at >= _GRACE_SECONDS:
      self._child.kill()

  def _first_bad_end(self) -> End | None:
    """Waits for the end of the work; None if it is good everywhere."""
    first, deadline = None, float("inf")
    while self._running:
      left = max(deadline - time.monotonic(), 0) if first else None
      events = self._selector.select(left)
      if not events and time.monotonic() >= deadline:
        break
      for key, _ in events:
        for end in self._ends(key.data):
          if end.status in _GOOD:
            self._running.discard(end.process)
          elif self._is_cause(end, key.data):
            return end
          elif first is None:
            first, deadline = end, time.monotonic() + self._patience
    return first

  @property
  def _patience(self) -> float:
    """Seconds that a bad end waits for word of what caused it."""
    return _VERDICT_SECONDS if self._place.process else _CAUSE_SECONDS

  def _is_cause(self, end: End, source: int | None) -> bool:
    if self._place.process:
      return source is not None  # process 0 has judged, or is lost itself
    return bool(end.message) or end.status not in _EFFECTS

  def _ends(self, source: int | None) -> list[End]:
    """What the channel to a process, or the child if None, tells of."""
    if source is None:
      return [self._end_of_child()]
    channel = self._channels[source]
    messages = channel.receive()
    if messages is None:
      self._selector.unregister(channel)
      lost = source in self._running or self._place.process != 0
      return [End(source, channel.host, None)] if lost else []
    return [End(**end) for message in messages for end in message.values()]

  def _end_of_child(self) -> End:
    """Reads what the child has to say, up to its end."""
    self._selector.unregister(self._report)
    with os.fdopen(self._report, "rb") as report:
      message = report.read().decode()
    status = self._child.wait()
    if status == -signal.SIGKILL and self._signalled_at is not None:
      status = -signal.SIGTERM  # our own, at the second signal
    end = End(self._place.process, socket.gethostname(), status, message)
    if self._place.process:
      self._channels[0].send({"end": dataclasses.asdict(end)})
    return end
