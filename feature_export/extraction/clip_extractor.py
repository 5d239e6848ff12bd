"""Extracts the clips of a corpus in two steps, with the store in between.

First every medium's features go to the store, then clips are read from there,
one at a time. So an interrupted export can go on, and memory does not grow
with the corpus.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from feature_export.corpora.utterance import Stored, Utterance
from feature_export.errors import InputError
from feature_export.extraction.media_extractor import media_of
from feature_export.extraction.store import FeatureStore
from feature_export.extraction.workers import Task, Workers
from feature_export.features.extracted import Extraction, Features, absent
from feature_export.features.settings import ExtractionSettings

_Item, _Result = TypeVar("_Item"), TypeVar("_Result")
# A bucket takes tens of milliseconds to answer, whatever it is asked.
_READ_AHEAD = 16


class LostFeaturesError(InputError):
  """A medium's features are gone: its file changed while it was read."""


def tasks_of(utterance: Utterance) -> list[Task]:
  """The media of a clip that have to be extracted."""
  return [Task(*each) for each in media_of(utterance).items()]


def _read_ahead(
  function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
  """The function's results in the order of the items, some made ahead."""
  waiting = deque()
  with ThreadPoolExecutor(_READ_AHEAD) as threads:
    for item in items:
      waiting.append(threads.submit(function, item))
      if len(waiting) > _READ_AHEAD:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()


class ClipExtractor:
  """Extracts the clips of one corpus.

  Attributes:
    reused: number of media that an earlier, interrupted export had finished.
  """

  def __init__(
    self, settings: ExtractionSettings, store: FeatureStore, workers: Workers
  ):
    self._settings, self._store, self._workers = settings, store, workers
    # Media that ended their process are not stored, because the next export
    # may have more memory or time for them.
    self._lost: dict[Task, Features] = {}
    self.reused = 0

  def extract(
    self, utterances: Iterable[Utterance]
  ) -> Iterator[tuple[Task, Features]]:
    """Makes the features of all media that the store does not have yet.

    Yields:
      (medium, its features), in no fixed order.
    """
    missing: dict[Task, None] = {}
    tasks = [task for each in utterances for task in tasks_of(each)]
    for task, features in zip(
      tasks, _read_ahead(self._store_load, tasks), strict=True
    ):
      if features is not None:
        self.reused += 1
        yield task, features
      elif task in missing:  # two clips of one stretch
        yield task, absent(self._settings.width(task.modality))
      else:
        missing[task] = None
    for task, lost in self._workers.run(missing, self._store):
      if lost is None:
        yield task, self._load(task)
      else:
        self._lost[task] = lost
        yield task, lost

  def _store_load(self, task: Task) -> Features | None:
    return self._store.load(task.modality, task.media)

  def _load(self, task: Task) -> Features:
    features = self._store_load(task)
    if features is None:
      raise LostFeaturesError(
        f"The features of {task.media.path} were lost while the export ran; "
        "the file changed, or the work folder did. Run the command again."
      )
    return features

  def _features(self, utterance: Utterance, modality: str) -> Features:
    medium = getattr(utterance, modality)
    if medium is None:
      return absent(self._settings.width(modality))
    if isinstance(medium, Stored):
      return Features(np.asarray(medium.values, np.float16))
    task = Task(modality, medium)
    return self._lost.get(task) or self._load(task)

  def collect(self, utterance: Utterance) -> Extraction:
    """The features of one clip, after `extract` has done its media."""
    return Extraction(
      self._features(utterance, "audio"), self._features(utterance, "video")
    )

  def collect_all(
    self, utterances: Iterable[Utterance]
  ) -> Iterator[Extraction]:
    """As `collect`, of clip after clip."""
    return _read_ahead(self.collect, utterances)

  def extract_now(self, utterance: Utterance) -> Extraction:
    """Both steps for one clip, at once."""
    for _ in self.extract([utterance]):
      pass
    return self.collect(utterance)
