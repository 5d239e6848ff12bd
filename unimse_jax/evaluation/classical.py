"""The floor below all networks: classical models of one modality, and fused.

  tfidf         words: TF-IDF of words and letters, logistic or ridge regression
  mel_svm       voice: statistics of the Mel-spectrogram, support vectors
  faces         face: the mean embedding, logistic or ridge regression
  late_fusion   the three of them

Each corpus has models of its own, fitted on what its training split annotates.
An utterance that lacks the modality gets the constant predictor's answer.
In the fusion each model is calibrated on the validation split, emotions by
Platt's method and intensities by a line, and all that have an answer count the
same: the mean of the log-probabilities, the mean of the numbers. A model that
validation has not two utterances of each class for is left out of it.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import CorpusRecords, Record
from unimse_jax.errors import InputError
from unimse_jax.evaluation.scoring import fallbacks
from unimse_jax.labels import INTENSITY_RANGE

_LEAST = 1e-9  # probability
FUSION = "late_fusion"


@dataclasses.dataclass(frozen=True)
class _Kind:
  """A model of one modality.

  Attributes:
    read: (records, split, record) -> what the model reads; None where the
      utterance lacks it.
    classifier, regressor: make models with fit and predict.
  """

  read: Callable[[CorpusRecords, str, Record], Any]
  classifier: Callable[[], Any]
  regressor: Callable[[], Any]


def mel_statistics(mel: np.ndarray) -> np.ndarray:
  """float[A, 64] -> float64[320], of each band over the frames.

  Mean, deviation, deviation of the differences, 90th and 10th percentile.
  """
  mel = mel.astype(np.float64)
  return np.concatenate(
    [
      mel.mean(0),
      mel.std(0),
      np.diff(mel, axis=0).std(0),
      np.percentile(mel, 90, axis=0),
      np.percentile(mel, 10, axis=0),
    ]
  )


def _words(records: CorpusRecords, split: str, record: Record) -> str | None:
  del records, split
  return record.text if record.text.strip() else None


def _voice(
  records: CorpusRecords, split: str, record: Record
) -> np.ndarray | None:
  if record.audio_frames < 2:  # one frame has no differences
    return None
  return mel_statistics(records.frames(split, record.number)["audio"])


def _face(
  records: CorpusRecords, split: str, record: Record
) -> np.ndarray | None:
  if not record.video_frames:
    return None
  frames = records.frames(split, record.number)["video"]
  return frames.astype(np.float64).mean(0)


@functools.cache
def kinds() -> Mapping[str, _Kind]:
  """Name -> model of one modality.

  Raises:
    InputError: scikit-learn is not installed.
  """
  try:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, SVR
  except ImportError as error:
    raise InputError(
      "unimse_jax.baseline: expected scikit-learn, found none; run "
      "`pip install 'unimse_jax[report]'`."
    ) from error

  def letters_and_words() -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(
      analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True
    )
    return make_union(words, letters)

  return {
    "tfidf": _Kind(
      _words,
      lambda: make_pipeline(
        letters_and_words(),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
      ),
      lambda: make_pipeline(letters_and_words(), Ridge()),
    ),
    "mel_svm": _Kind(
      _voice,
      lambda: make_pipeline(StandardScaler(), SVC(C=10)),
      lambda: make_pipeline(StandardScaler(), SVR(C=1.0)),
    ),
    "faces": _Kind(
      _face,
      lambda: make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)
      ),
      lambda: make_pipeline(StandardScaler(), Ridge(alpha=1000.0)),
    ),
  }


def predict(
  name: str, mixture: Mixture, split: str
) -> dict[tuple[str, str], dict[str, Any]]:
  """Fits a baseline on the training split and answers another one.

  Args:
    name: one of `rivals.CLASSICAL`.
    mixture: the corpora.
    split: train, validation or test.

  Returns:
    (corpus, id) -> row, as `external.read` gives it.

  Raises:
    InputError: scikit-learn is not installed.
  """
  rows = {}
  for corpus in mixture.corpora:
    answers = _answer(name, mixture, corpus, split)
    for record, row in zip(_of(mixture, corpus, split), answers, strict=True):
      own = {"id": record.id, "corpus": corpus, **row}
      rows[corpus, record.id] = own
  return rows


def _of(mixture: Mixture, corpus: str, split: str) -> list[Record]:
  return [each for each in mixture.examples[split] if each.corpus == corpus]


def _answer(
  name: str, mixture: Mixture, corpus: str, split: str
) -> list[dict[str, Any]]:
  """The row of each record of a corpus's split, without its id."""
  train = _of(mixture, corpus, "train")
  median, majority = fallbacks(train)
  rows: list[dict[str, Any]] = [{} for _ in _of(mixture, corpus, split)]
  for field, constant in (("intensity", median), ("emotion", majority)):
    if not any(each.targets[field] is not None for each in train):
      continue
    for row, value in zip(
      rows, _field(name, mixture, corpus, split, field), strict=True
    ):
      row[field] = constant if value is None else value
  return rows


def _field(
  name: str, mixture: Mixture, corpus: str, split: str, field: str
) -> list[Any]:
  """A number or class for each record of the split; None: no answer."""
  count = len(_of(mixture, corpus, split))
  names = [*kinds()] if name == FUSION else [name]
  fitted = [
    each
    for kind in names
    for each in _fit(kinds()[kind], mixture, corpus, field)
  ]
  if name != FUSION:
    answers = [None] * count
    for model, inputs in fitted:
      places, values = inputs(split)
      for place, value in zip(places, model.predict(values), strict=True):
        answers[place] = _plain(value)
    return answers
  return _fused(fitted, mixture, corpus, split, field)


def _fit(
  kind: _Kind, mixture: Mixture, corpus: str, field: str
) -> Iterator[tuple[Any, Callable[[str], tuple[list[int], Any]]]]:
  """The fitted model and what gives it a split; none without enough clips."""
  records = mixture.corpora[corpus]

  def inputs(split: str, rated: bool = False) -> tuple[list[int], Any]:
    """Places in the split, and what is read there."""
    places, values = [], []
    for place, record in enumerate(_of(mixture, corpus, split)):
      value = kind.read(records, split, record)
      known = record.targets[field] is not None
      if value is not None and (known or not rated):
        places.append(place)
        values.append(value)
    return places, values

  places, values = inputs("train", rated=True)
  train = _of(mixture, corpus, "train")
  targets = [train[place].targets[field] for place in places]
  if len(set(targets)) < 2:
    return
  make = kind.regressor if field == "intensity" else kind.classifier
  yield make().fit(values, targets), inputs


def _fused(
  fitted: Sequence[tuple[Any, Callable]],
  mixture: Mixture,
  corpus: str,
  split: str,
  field: str,
) -> list[Any]:
  """The mean of the calibrated models that have an answer."""
  validation = _of(mixture, corpus, "validation")
  train = _of(mixture, corpus, "train")
  classes = sorted({each.emotion for each in train if each.emotion})
  sums: list[Any] = [0.0] * len(_of(mixture, corpus, split))
  counts = [0] * len(sums)
  for model, inputs in fitted:
    places, values = inputs("validation", rated=True)
    targets = [validation[place].targets[field] for place in places]
    if not _calibrates(model, targets, field):
      continue
    if field == "intensity":
      answer = _line(model, values, targets)
    else:
      answer = _platt(model, values, targets, classes)
    for place, own in zip(*_map(inputs(split), answer), strict=True):
      sums[place], counts[place] = sums[place] + own, counts[place] + 1
  means = [
    total / count if count else None
    for total, count in zip(sums, counts, strict=True)
  ]
  if field == "intensity":
    return [None if mean is None else _plain(mean) for mean in means]
  return [None if mean is None else classes[mean.argmax()] for mean in means]


def _calibrates(model: Any, targets: Sequence[Any], field: str) -> bool:
  """Whether validation has enough to calibrate the model by."""
  counts = collections.Counter(targets)
  if field == "intensity":
    return len(counts) > 1
  # Every class of either must be known to the other.
  return counts.keys() == {*model.classes_} and min(counts.values()) > 1


def _map(given: tuple[list[int], Any], answer: Callable) -> tuple[Any, Any]:
  places, values = given
  return places, (answer(values) if places else [])


def _platt(
  model: Any, values: Any, targets: Sequence[str], classes: Sequence[str]
) -> Callable[[Any], np.ndarray]:
  """Gives log-probabilities of the classes, calibrated on these targets."""
  from sklearn.calibration import CalibratedClassifierCV
  from sklearn.frozen import FrozenEstimator

  folds = min(5, *collections.Counter(targets).values())
  calibrated = CalibratedClassifierCV(FrozenEstimator(model), cv=folds)
  calibrated.fit(values, targets)
  # A model without a clip of some class does not know it.
  columns = np.searchsorted(classes, calibrated.classes_)

  def answer(given: Any) -> np.ndarray:
    found = np.zeros((len(given), len(classes)))
    found[:, columns] = calibrated.predict_proba(given)
    return np.log(found + _LEAST)

  return answer


def _line(
  model: Any, values: Any, targets: Sequence[float]
) -> Callable[[Any], np.ndarray]:
  """Gives the model's numbers on the line that fits these targets best."""
  slope, offset = np.polyfit(model.predict(values), targets, 1)
  return lambda given: slope * model.predict(given) + offset


def _plain(value: Any) -> Any:
  """A class, or a number within the scale."""
  if isinstance(value, str):
    return str(value)
  return float(np.clip(value, *INTENSITY_RANGE))
