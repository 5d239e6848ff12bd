"""A process of the exporter that answers request after request.

Starting one takes seconds, most of which go into importing PyTorch.
"""

import json
import pathlib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from unimse_cli.program import USER_ERROR
from unimse_jax.errors import InputError

_TRIES = 2  # memory may run out because of another's work
_SECONDS = 10  # that the process has to remove its files


class ExporterProcess:
  """Starts at the first request and ends with the block.

  A context manager; where blocks are nested it ends with the outermost one.
  """

  def __init__(self, command: Callable[[pathlib.Path], Sequence[str]]):
    """Starts nothing yet.

    Args:
      command: gives the command line, whenever the process is started, and may
        put files for it into a folder.
    """
    self._command = command
    self._process: subprocess.Popen | None = None
    self._folder: tempfile.TemporaryDirectory | None = None
    self._blocks = 0
    self._lock = threading.Lock()

  def __enter__(self) -> "ExporterProcess":
    with self._lock:
      self._blocks += 1
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    with self._lock:
      self._blocks -= 1
      if not self._blocks:
        self._end()

  def ask(self, request: Mapping[str, Any]) -> None:
    """Has a request answered; one at a time, others wait.

    A process that has died is started again, once for each request.

    Raises:
      InputError: the exporter refuses, or died of the request.
    """
    with self._lock:
      for _ in range(_TRIES):
        answer, status = self._exchange(request)
        if answer is not None or status == USER_ERROR:
          break
    if answer is None:
      raise InputError(
        f"The exporter ended with status {status}; its message is above."
      )
    if answer["error"] is not None:
      raise InputError(answer["error"])

  def _exchange(
    self, request: Mapping[str, Any]
  ) -> tuple[dict[str, Any] | None, int | None]:
    """The answer; or None and the status that the process ended with."""
    try:
      if self._process is None:
        self._start()
      self._process.stdin.write(json.dumps(request) + "\n")
      self._process.stdin.flush()
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ""
    except BaseException:  # the next one must not read this one's answer
      self._end(at_once=True)
      raise
    if line.endswith("\n"):
      return json.loads(line), None
    return None, self._end()

  def _start(self) -> None:
    self._folder = tempfile.TemporaryDirectory(prefix="unimse_exporter_")
    self._process = subprocess.Popen(
      self._command(pathlib.Path(self._folder.name)),
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )

  def _end(self, at_once: bool = False) -> int | None:
    """Ends the process, if there is one; returns its status.

    Args:
      at_once: True: whatever it works on; False: it has nothing to do.
    """
    process, self._process = self._process, None
    if self._folder is not None:
      self._folder.cleanup()
      self._folder = None
    if process is None:
      return None
    if at_once:
      process.terminate()
    try:
      process.communicate(timeout=_SECONDS)  # it ends with its input
    except subprocess.TimeoutExpired:
      process.kill()
      process.communicate()
    return process.returncode
