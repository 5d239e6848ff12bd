"""Classical baselines on exported records, to stand beside our scores.

python tests/peers/baselines.py svm --data data/ravdess --corpus ravdess
python tests/peers/baselines.py tfidf --data data --corpus meld
"""

import argparse

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unimse_jax.data.records import CorpusRecords


def mel_statistics(mel: np.ndarray) -> np.ndarray:
  """float[A, 64] -> mean, deviation, delta deviation, 90 and 10 percentile."""
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


MODELS = {
  "svm": (svm, make_pipeline(StandardScaler(), SVC(C=10))),
  "tfidf": (
    tfidf,
    make_pipeline(
      make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(
          analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True
        ),
      ),
      LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    ),
  ),
}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("model", choices=MODELS)
  parser.add_argument("--data", required=True)
  parser.add_argument("--corpus", required=True)
  options = parser.parse_args()
  records = CorpusRecords(options.data, options.corpus)
  read, model = MODELS[options.model]
  inputs, classes = read(records, "train")
  test_inputs, test_classes = read(records, "test")
  for name, fitted in (
    (options.model, model.fit(inputs, classes)),
    ("majority", DummyClassifier().fit(inputs, classes)),
  ):
    predicted = fitted.predict(test_inputs)
    print(
      f"{name}: accuracy {accuracy_score(test_classes, predicted):.3f}, "
      f"weighted F1 "
      f"{f1_score(test_classes, predicted, average='weighted'):.3f}, "
      f"N = {len(test_classes)}"
    )


if __name__ == "__main__":
  main()
