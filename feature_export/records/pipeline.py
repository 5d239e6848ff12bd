"""Media in, features out: in this process or in several.

Features come back in the order of the utterances, and every process computes
with one thread, so the result does not depend on the number of processes.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from feature_export.corpora.utterance import Media, Utterance
from feature_export.errors import InputError
from feature_export.features.efficientnet import Backbone, load_backbone
from feature_export.features.extraction import (
  Extraction,
  ExtractionSettings,
  extract,
)

# Enough to keep every process busy while one clip is slow; few enough that
# finished features never pile up.
_CLIPS_AHEAD = 4


class _Worker:
  """What one process keeps between clips: the settings and the network."""

  def __init__(self, settings: ExtractionSettings):
    self._settings = settings
    self._backbone: Backbone | None = None

  def _load_backbone(self) -> Backbone:
    if self._backbone is None:
      import torch

      # More processes, not more threads; and sums in one order.
      torch.set_num_threads(1)
      video = self._settings.video
      self._backbone = load_backbone(
        video.backbone, self._settings.weights, video.image_size
      )
    return self._backbone

  def __call__(self, utterance: Utterance) -> Extraction:
    return extract(utterance, self._settings, self._load_backbone)


# One per worker process: an executor can only reach module-level names.
_process_worker: _Worker | None = None


def _start_process(settings: ExtractionSettings) -> None:
  """Prepares a worker process; it ends when the exporter is killed."""
  global _process_worker
  _process_worker = _Worker(settings)
  parent = multiprocessing.parent_process()

  def end_with_parent() -> None:
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)

  threading.Thread(target=end_with_parent, daemon=True).start()


def _run_in_process(utterance: Utterance) -> Extraction:
  return _process_worker(utterance)


class Pipeline:
  """Extracts features with `jobs` processes, started at the first clip.

  A context manager: leaving it ends the processes.
  """

  def __init__(self, settings: ExtractionSettings, jobs: int):
    self._settings = settings
    self._jobs = jobs
    self._local = _Worker(settings)
    self._executor: ProcessPoolExecutor | None = None

  def __enter__(self) -> "Pipeline":
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    if self._executor is not None:
      self._executor.shutdown(wait=True, cancel_futures=True)

  def _submit(self, utterance: Utterance) -> Future:
    """Starts one clip; a clip without media needs no process."""
    media = isinstance(utterance.audio or utterance.video, Media)
    if self._jobs == 1 or not media:
      done: Future = Future()
      done.set_result(self._local(utterance))
      return done
    if self._executor is None:
      # "spawn": a fork of a process with TensorFlow's threads may hang.
      self._executor = ProcessPoolExecutor(
        self._jobs,
        multiprocessing.get_context("spawn"),
        _start_process,
        (self._settings,),
      )
    return self._executor.submit(_run_in_process, utterance)

  def run(
    self, utterances: Iterable[Utterance]
  ) -> Iterator[tuple[Utterance, Extraction]]:
    """Extracts a stream of clips, in order, a few clips ahead.

    Raises:
      InputError: a process died, for example for want of memory.
    """
    window: deque[tuple[Utterance, Future]] = deque()
    try:
      for utterance in utterances:
        window.append((utterance, self._submit(utterance)))
        if len(window) >= _CLIPS_AHEAD * self._jobs:
          yield window[0][0], window[0][1].result()
          window.popleft()
      while window:
        yield window[0][0], window[0][1].result()
        window.popleft()
    except BrokenProcessPool as error:
      near = ", ".join(each.id for each, _ in list(window)[: self._jobs])
      raise InputError(
        f"An extraction process died, near the clips {near}. If memory ran "
        "out, use a smaller --jobs; if one clip's media kills the decoder, "
        "take it out of the corpus."
      ) from error
