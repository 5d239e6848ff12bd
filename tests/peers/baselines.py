"""Classical baselines on exported records, to stand beside our scores.

python tests/peers/baselines.py svm --data data/ravdess --corpus ravdess
python tests/peers/baselines.py tfidf --data data --corpus meld
python tests/peers/baselines.py late_fusion --data data/joined --corpus joined
python tests/peers/baselines.py late_fusion --data data/joined --corpus joined \
  --of sentences svm faces
"""

import argparse
import functools
from collections.abc import Sequence

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from unimse_jax.data.records import CorpusRecords
from unimse_jax.evaluation.classical import kinds, mel_statistics


def svm(records: CorpusRecords, split: str) -> tuple[np.ndarray, list[str]]:
  """Inputs and classes of a split for the voice baseline."""
  count = len(records.texts[split])
  inputs = [
    mel_statistics(records.frames(split, number)["audio"])
    for number in range(count)
  ]
  return np.stack(inputs), [text.emotion for text in records.texts[split]]


def tfidf(records: CorpusRecords, split: str) -> tuple[list[str], list[str]]:
  """Inputs and classes of a split for the text baseline."""
  texts = records.texts[split]
  return [text.text for text in texts], [text.emotion for text in texts]


def sentences(records: CorpusRecords, split: str) -> tuple[np.ndarray, list]:
  """Inputs and classes of a split for the baseline that starts, as ours may
  (t5.warm_start), from the sentence encoder that completes labels."""
  texts, classes = tfidf(records, split)
  return _embedded(tuple(texts)), classes


@functools.cache
def _embedded(texts: tuple[str, ...]) -> np.ndarray:
  # Here, for the other baselines do not need torch.
  from feature_export.labels.sentences import embed, load_encoder

  return embed(texts, load_encoder())


def faces(records: CorpusRecords, split: str) -> tuple[np.ndarray, list[str]]:
  """Inputs and classes of a split for the face baseline."""
  count = len(records.texts[split])
  inputs = [
    records.frames(split, number)["video"].astype(np.float64).mean(0)
    for number in range(count)
  ]
  return np.stack(inputs), [text.emotion for text in records.texts[split]]


# The package has the same models (unimse_jax.baseline) but for sentences.
MODELS = {
  "svm": (svm, kinds()["mel_svm"].classifier()),
  "tfidf": (tfidf, kinds()["tfidf"].classifier()),
  "sentences": (
    sentences,
    LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
  ),
  "faces": (faces, kinds()["faces"].classifier()),
}
LATE_FUSION = "late_fusion"
FUSED = ("svm", "tfidf", "faces")  # unless others are named


def late_fusion(records: CorpusRecords, names: Sequence[str]) -> np.ndarray:
  """Classes of the test split by the mean of log-probabilities.

  Each baseline is fitted on the training split and calibrated by Platt's
  method on the validation split, whose people it has not met; all count the
  same.
  """
  total = 0.0
  for name in names:
    read, model = MODELS[name]
    model.fit(*read(records, "train"))
    calibrated = CalibratedClassifierCV(FrozenEstimator(model))
    calibrated.fit(*read(records, "validation"))
    inputs, _ = read(records, "test")
    total = total + np.log(calibrated.predict_proba(inputs) + 1e-9)
  return calibrated.classes_[total.argmax(1)]


def show(name: str, truth: Sequence[str], predicted: Sequence[str]) -> None:
  """Prints accuracy and weighted F1."""
  print(
    f"{name}: accuracy {accuracy_score(truth, predicted):.3f}, weighted F1 "
    f"{f1_score(truth, predicted, average='weighted'):.3f}, N = {len(truth)}"
  )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("model", choices=[*MODELS, LATE_FUSION])
  parser.add_argument("--data", required=True)
  parser.add_argument("--corpus", required=True)
  parser.add_argument(
    "--of", nargs="+", choices=MODELS, default=FUSED, help="late_fusion"
  )
  options = parser.parse_args()
  records = CorpusRecords(options.data, options.corpus)
  truth = [text.emotion for text in records.texts["test"]]
  fused = options.model == LATE_FUSION
  names = options.of if fused else [options.model]
  for name in names:
    read, model = MODELS[name]
    model.fit(*read(records, "train"))
    show(name, truth, model.predict(read(records, "test")[0]))
  if fused:
    show(LATE_FUSION, truth, late_fusion(records, names))
  inputs, classes = MODELS[names[0]][0](records, "train")
  majority = DummyClassifier().fit(inputs, classes)
  show("majority", truth, majority.predict(truth))


if __name__ == "__main__":
  main()
