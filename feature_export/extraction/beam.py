"""The same extraction on Apache Beam, for corpora too large for one machine.

Every Beam worker runs one extraction process, so a clip that kills a decoder
does not kill the worker. Raw media, weights and the output folder must have
the same paths on all workers.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from feature_export.corpora.utterance import Corpus, Utterance, with_contexts
from feature_export.errors import InputError
from feature_export.extraction.clip_extractor import ClipExtractor
from feature_export.extraction.store import FeatureStore
from feature_export.extraction.workers import Workers
from feature_export.features.settings import ExtractionSettings
from feature_export.records.schema import build_record

try:
  import apache_beam as beam
except ImportError as error:
  raise InputError(
    f'--beam_runner needs Apache Beam: pip install ".[beam]" ({error})'
  ) from error


class _MakeRecord(beam.DoFn):
  """Makes (id, record) of an utterance."""

  def __init__(
    self,
    corpus: Corpus,
    settings: ExtractionSettings,
    store: FeatureStore,
    clip_seconds: float,
  ):
    # This object is sent to every worker, so it leaves the utterances behind.
    self._corpus = replace(corpus, utterances=(), remarks=())
    self._settings, self._store = settings, store
    self._seconds = clip_seconds
    self._workers: Workers | None = None

  def setup(self) -> None:
    self._workers = Workers(self._settings, 1, self._seconds)

  def process(self, utterance: Utterance):
    extractor = ClipExtractor(self._settings, self._store, self._workers)
    extraction = extractor.extract_now(utterance)
    yield utterance.id, build_record(utterance, extraction, self._corpus)

  def teardown(self) -> None:
    self._workers.close()


def make_transform(
  corpus: Corpus,
  settings: ExtractionSettings,
  store: FeatureStore,
  clip_seconds: float,
) -> Callable[[str], beam.PTransform]:
  """Makes a function: split -> transform that gives its (id, record) pairs.

  Args:
    corpus: corpus to export.
    settings: settings of the features, weights and device.
    store: finished features, in a folder that all workers see.
    clip_seconds: time after which a medium is given up.
  """
  utterances = with_contexts(corpus.utterances)

  def transform(split: str) -> beam.PTransform:
    clips = [
      utterance
      for utterance in utterances
      if utterance.labelled and utterance.split == split
    ]
    # Without Reshuffle one worker would get the whole list.
    return (
      f"clips of {split}" >> beam.Create(clips)
      | f"spread {split}" >> beam.Reshuffle()
      | f"extract {split}"
      >> beam.ParDo(_MakeRecord(corpus, settings, store, clip_seconds))
    )

  return transform


def build_download_config(runner: str, options: Sequence[str]):
  """The object by which TFDS is told which Beam runner to use."""
  import tensorflow_datasets as tfds
  from apache_beam.options.pipeline_options import PipelineOptions

  return tfds.download.DownloadConfig(
    beam_runner=runner, beam_options=PipelineOptions(list(options))
  )
