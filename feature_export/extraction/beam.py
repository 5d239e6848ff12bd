"""The same extraction on Apache Beam, for corpora too large for one machine.

Beam's workers make the features and keep them in the work folder, which all of
them must reach, as the raw media: a bucket, or a shared disk. The machine that
started the export then writes the records from there, as after an extraction of
its own, so that the shards are the same, byte for byte.

Every Beam worker runs one extraction process, so a clip that kills a decoder
does not kill the worker.
"""

import socket
from collections import defaultdict
from collections.abc import Iterable, Sequence

from feature_export.corpora.utterance import Utterance
from feature_export.errors import InputError
from feature_export.extraction.clip_extractor import tasks_of
from feature_export.extraction.store import FeatureStore, package_versions
from feature_export.extraction.workers import Task, Workers
from feature_export.features.settings import ExtractionSettings

try:
  import apache_beam as beam
  from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
  raise InputError(
    f'--beam_runner needs Apache Beam: pip install ".[beam]" ({error})'
  ) from error

# Media that one worker takes at a time.
_GROUP = 16


class _Extract(beam.DoFn):
  """Extracts media into the store; gives nothing."""

  def __init__(
    self,
    settings: ExtractionSettings,
    store: FeatureStore,
    clip_seconds: float,
  ):
    self._settings, self._store = settings, store
    self._seconds = clip_seconds
    self._versions = package_versions()
    self._workers: Workers | None = None

  def setup(self) -> None:
    here = package_versions()
    differing = [
      f"{name} {here[name] or 'not installed'} (the export began with {wanted})"
      for name, wanted in self._versions.items()
      if here[name] != wanted
    ]
    if differing:
      raise InputError(
        f"Packages on {socket.gethostname()} would make other features: "
        f"{', '.join(differing)}. Install the same versions on every machine."
      )
    self._workers = Workers(self._settings, 1, self._seconds)

  def process(self, tasks: Sequence[Task]) -> None:
    missing = [
      task
      for task in tasks
      if self._store.load(task.modality, task.media) is None
    ]
    # What is lost here is tried again by the machine that started the export.
    for _ in self._workers.run(missing, self._store):
      pass

  def teardown(self) -> None:
    if self._workers is not None:
      self._workers.close()


def _group(clips: Iterable[Utterance]) -> list[list[Task]]:
  """Media in groups of one file, which a worker then copies only once."""
  of_file = defaultdict(dict)
  for clip in clips:
    for task in tasks_of(clip):
      of_file[task.media.path][task] = None
  return [
    tasks[first : first + _GROUP]
    for tasks in map(list, of_file.values())
    for first in range(0, len(tasks), _GROUP)
  ]


def extract(
  clips: Iterable[Utterance],
  settings: ExtractionSettings,
  store: FeatureStore,
  clip_seconds: float,
  runner: str,
  options: Sequence[str],
) -> None:
  """Extracts the media of clips on Beam's workers.

  Args:
    clips: clips to extract.
    settings: settings of the features, weights and device.
    store: finished features, in a folder that all workers reach.
    clip_seconds: time after which a medium is given up.
    runner: name of Beam's runner.
    options: its command line.

  Raises:
    InputError: the pipeline could not be started, or failed.
  """
  try:
    with beam.Pipeline(runner, PipelineOptions(list(options))) as pipeline:
      _ = (
        pipeline
        | "media" >> beam.Create(_group(clips))
        # Without it one worker would get the whole list.
        | "spread" >> beam.Reshuffle()
        | "extract" >> beam.ParDo(_Extract(settings, store, clip_seconds))
      )
  # Runners raise all kinds; what a worker raised stands in their message.
  except Exception as error:
    raise InputError(
      f"Apache Beam ({runner}) has failed: {type(error).__name__}: {error}\n"
      "Correct --beam_runner, --beam_options or the workers, and run the "
      "command again; finished clips are kept."
    ) from error
