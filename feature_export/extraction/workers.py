"""Processes that extract features, so that a bad medium cannot end the export.

Media of the wild make decoders crash or loop, which no `except` can catch. A
process can be replaced. Each works on one medium at a time, so it is known
which medium was being decoded when a process died, or took too long.

A pool of the standard library will not do: it waits for ever when one of its
processes dies, or gives up all of them, and knows no time limit of a task.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError
from feature_export.extraction.media_extractor import MediaExtractor
from feature_export.extraction.store import FeatureStore
from feature_export.features.extracted import Features, absent
from feature_export.features.findings import Finding
from feature_export.features.settings import ExtractionSettings
from feature_export.processes import without_main_module

_READY = "ready"
_START_SECONDS = 600.0  # a slow disk takes long to give PyTorch
# Imported once by the fork server, for all processes.
_PRELOADED = ["feature_export.extraction.preload"]
# Read by the libraries of linear algebra when they are loaded. With threads of
# their own, processes wait for one another: a voice took twice the CPU time.
_ONE_THREAD = dict.fromkeys(
  ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Task:
  """One medium that is to be extracted."""

  modality: str
  media: Media


def _end_with_parent() -> None:
  """Ends this process when the exporter ends, even by SIGKILL."""
  multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
  os._exit(1)


def _work(pipe, settings: ExtractionSettings) -> None:
  """The loop of a process: receives (task, store), sends findings.

  It ends when it receives None. Features are not sent but stored at once.
  """
  # Ctrl-C goes to all processes of the terminal. The exporter alone reacts to
  # it, and ends the others itself.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  threading.Thread(target=_end_with_parent, daemon=True).start()
  extractor = MediaExtractor(settings)
  pipe.send(_READY)
  while (job := pipe.recv()) is not None:
    task, store = job
    try:
      features = extractor.extract(task.modality, task.media)
      store.save(task.modality, task.media, features)
    except (InputError, OSError) as error:
      pipe.send(error)
    else:
      pipe.send(features.findings)


def _context():
  """The way processes start: never by forking this one.

  It runs TensorFlow's threads, and a fork would copy their locks as they are.
  """
  if "forkserver" not in multiprocessing.get_all_start_methods():
    return multiprocessing.get_context("spawn")
  context = multiprocessing.get_context("forkserver")
  context.set_forkserver_preload(_PRELOADED)
  return context


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
  """Gives processes that are started inside one thread of arithmetic."""
  before = {name: os.environ.get(name) for name in _ONE_THREAD}
  os.environ.update(_ONE_THREAD)
  try:
    yield
  finally:
    for name, value in before.items():
      if value is None:
        del os.environ[name]
      else:
        os.environ[name] = value


class _Worker:
  """One process, the medium that it works on, and the time it has left."""

  def __init__(self, context, settings: ExtractionSettings):
    self.pipe, other = context.Pipe()
    self._process = context.Process(
      target=_work, args=(other, settings), daemon=True
    )
    with without_main_module(), _one_thread_each():
      self._process.start()
    # The process must hold the only other end, or reading would not fail when
    # it dies.
    other.close()
    self.ready = False
    self.task: Task | None = None
    self.deadline = time.monotonic() + _START_SECONDS

  def start(self, task: Task, store: FeatureStore, seconds: float) -> None:
    self.task, self.deadline = task, time.monotonic() + seconds
    self.pipe.send((task, store))

  def end(self) -> str:
    """Ends the process; returns the signal or status it had ended with."""
    # A process that is dying already should be left to report its own cause.
    self._process.join(timeout=1)
    self.kill()
    code = self._process.exitcode or 0
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"

  def kill(self) -> None:
    """Ends the process at once."""
    self._process.kill()
    self._process.join()
    self.pipe.close()


class Workers:
  """Some processes that extract media; they start at the first medium.

  A context manager: leaving it ends the processes.
  """

  def __init__(
    self, settings: ExtractionSettings, jobs: int, clip_seconds: float
  ):
    """Prepares; processes start with the first medium.

    Args:
      settings: settings of the features, weights and device.
      jobs: number of processes.
      clip_seconds: time after which a medium is given up.
    """
    self._settings, self._jobs = settings, jobs
    self._seconds = clip_seconds
    self._context = _context()
    self._workers: list[_Worker] = []

  def __enter__(self) -> "Workers":
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self.close()

  def close(self) -> None:
    """Ends the processes."""
    while self._workers:
      self._workers.pop().kill()

  def run(
    self, tasks: Iterable[Task], store: FeatureStore
  ) -> Iterator[tuple[Task, Features | None]]:
    """Extracts media, each as soon as a process is free.

    Yields:
      (task, None) when the features are in the store; (task, features of
      length 0) for a medium that ended its process. In no fixed order.

    Raises:
      InputError: weights or a detector that cannot be used.
      OSError: the store cannot be written.
    """
    # `again` is a small stock: tasks about to start, and tasks to be repeated.
    # The others are taken from the caller one by one, who may have millions.
    coming, again = iter(tasks), deque()
    crashed: set[Task] = set()
    while self._hand_out(coming, again, store):
      for worker in self._wait():
        task = worker.task
        try:
          answer = worker.pipe.recv()
        except (EOFError, OSError):
          cause = self._bury(worker)
          # When memory runs out the system kills a process that may not be the
          # one to blame. So a medium is given up only when it ends a second.
          if task in crashed:
            yield task, self._lose("crashed", task, cause)
          else:
            crashed.add(task)
            again.append(task)
          continue
        worker.ready, worker.task = True, None
        if isinstance(answer, Exception):
          raise answer
        if answer != _READY:
          yield task, None
      yield from self._stop_late()

  def _hand_out(
    self, coming: Iterator[Task], again: deque, store: FeatureStore
  ) -> bool:
    """Gives every free process a task, and starts processes where they lack.

    Returns:
      Whether any task is waiting or being worked on.
    """
    free = [each for each in self._workers if each.ready and not each.task]
    starting = [each for each in self._workers if not each.ready]
    places = len(free) + self._jobs - len(self._workers) + len(starting)
    while len(again) < places and (task := next(coming, None)) is not None:
      again.append(task)
    for worker in free:
      if again:
        worker.start(again.popleft(), store, self._seconds)
    while len(self._workers) < self._jobs and len(again) > len(starting):
      starting.append(_Worker(self._context, self._settings))
      self._workers.append(starting[-1])
    return bool(again) or any(each.task for each in self._workers)

  def _wait(self) -> list[_Worker]:
    """Waits for answers or deaths, until the earliest deadline at most."""
    busy = [each for each in self._workers if each.task or not each.ready]
    soonest = min(each.deadline for each in busy)
    answered = multiprocessing.connection.wait(
      [each.pipe for each in busy], max(0.0, soonest - time.monotonic())
    )
    return [each for each in busy if each.pipe in answered]

  def _bury(self, worker: _Worker) -> str:
    """Removes a dead process; returns its signal or exit status.

    Raises:
      InputError: it died before its first task; so would the next one.
    """
    self._workers.remove(worker)
    cause = worker.end()
    if not worker.ready:
      raise InputError(
        f"An extraction process cannot start ({cause}). If memory ran out, "
        "use a smaller --jobs."
      )
    return cause

  def _stop_late(self) -> Iterator[tuple[Task, Features]]:
    """Ends processes past their deadline; yields their media, as lost."""
    now = time.monotonic()
    for worker in [each for each in self._workers if each.deadline < now]:
      if worker.ready and worker.task is None:
        continue
      self._workers.remove(worker)
      worker.kill()
      if worker.task is None:
        raise InputError(
          f"An extraction process did not start within {_START_SECONDS:g} s. "
          "Use a smaller --jobs, or a faster disk for the Python packages."
        )
      detail = f"more than {self._seconds:g} s"
      yield worker.task, self._lose("time_limit", worker.task, detail)

  def _lose(self, kind: str, task: Task, detail: str) -> Features:
    """The features, of length 0, of a medium that ended its process."""
    width = self._settings.width(task.modality)
    return absent(width, Finding(kind, "absent", detail))
