"""Which number to read off a distribution, and what to learn it from.

  python tests/benchmarks/number_estimates.py --data ../shared/data

The rows of `intensity_bed`, stand-in numbers included, with a multinomial
logistic regression over the rated numbers (TF-IDF of words and pairs of words)
in place of the T5: seconds instead of an hour, and no seeds, for the fit is
convex. It shows what follows from the distribution alone, not what a T5 learns.

For each corpus, MAE / Corr of "greedy" (the most probable number of the most
probable polarity, as a label is written), "median of the polarity" (of the
numbers of that polarity), and the mean and median over all numbers; with and
without the corpus's name as a feature (`text.prefix` with {corpus}), and with
targets that are spread over their neighbours (`loss.number_spread`); a ridge
regression on the same features stands beside them. The differences of the
absolute error have 95 % bootstrap intervals over utterances.
"""

import argparse
import pathlib
import sys
import warnings
from collections.abc import Sequence

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from intensity_bed import CORPORA, read_corpora  # noqa: E402

from unimse_jax.labels import NeighbouringNumbers  # noqa: E402

_LEAST_SHARE = 0.01  # of a target's neighbours that are learnt from


def estimates(shares: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
  """Each way to read a number off float64[N, V] over rising float64[V]."""
  signs = np.sign(values)
  polarity = np.stack([shares[:, signs == s].sum(1) for s in (-1, 0, 1)], 1)
  written = shares * (signs == polarity.argmax(1)[:, None] - 1)
  written /= written.sum(1, keepdims=True)

  def median(of: np.ndarray) -> np.ndarray:
    return values[(of.cumsum(1) >= 0.5 - 1e-9).argmax(1)]

  return {
    "greedy": values[written.argmax(1)],
    "median of the polarity": median(written),
    "mean": shares @ values,
    "median": median(shares),
  }


def fit(
  inputs: scipy.sparse.csr_matrix, targets: np.ndarray, spread: float
) -> LogisticRegression:
  """A model whose targets are spread over their neighbours."""
  values = np.unique(targets)
  shares = np.eye(len(values))[np.searchsorted(values, targets)]
  if spread:
    numbers = NeighbouringNumbers(values, spread)
    shares = np.stack([numbers.shares(value) for value in targets])
  rows, numbers = np.nonzero(shares > _LEAST_SHARE)
  model = LogisticRegression(C=10, max_iter=40, tol=1e-3)
  # 40 steps: what is compared is one model's estimates, not its last digit.
  with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
    return model.fit(inputs[rows], numbers, sample_weight=shares[rows, numbers])


def difference(first: np.ndarray, second: np.ndarray) -> str:
  """Mean of first - second, with its interval."""
  rng = np.random.default_rng(0)
  values = first - second
  drawn = rng.integers(0, len(values), (1000, len(values)))
  low, high = np.percentile(values[drawn].mean(1), (2.5, 97.5))
  return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def compare(
  rows: Sequence[dict], corpora: np.ndarray, named: bool, spread: float
) -> dict[str, np.ndarray]:
  """Fits one model and prints the scores of its estimates.

  Returns:
    Corpus -> absolute errors of the median.
  """
  split = np.array([row["split"] for row in rows])
  truth = np.array([row["intensity"] for row in rows])
  texts = np.array([row["text"].lower() for row in rows])
  vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
  vectors.fit(texts[split == "train"])
  inputs = vectors.transform(texts)
  if named:
    names = np.stack([corpora == name for name in CORPORA], 1).astype(float)
    inputs = scipy.sparse.hstack([inputs, names]).tocsr()
  train, test = split == "train", split == "test"
  model = fit(inputs[train], truth[train], spread)
  values = np.unique(truth[train])[model.classes_]
  found = estimates(model.predict_proba(inputs[test]), values)
  ridge = Ridge(alpha=1.0).fit(inputs[train], truth[train])
  found["ridge regression"] = ridge.predict(inputs[test])
  print(f"corpus named: {named}, spread {spread}, {len(values)} numbers")
  of_median = {}
  for name in CORPORA:
    own = corpora[test] == name
    right = truth[test][own]
    errors = {way: np.abs(each[own] - right) for way, each in found.items()}
    print(f" {name}, N = {own.sum()}")
    for way, each in found.items():
      corr = np.corrcoef(each[own], right)[0, 1]
      print(f"  {way:22} {errors[way].mean():.3f} / {corr:.3f}")
    for way in (way for way in found if way != "median"):
      shown = difference(errors["median"], errors[way])
      print(f"  median less {way}: {shown}", flush=True)
    of_median[name] = errors["median"]
  return of_median


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--data", type=pathlib.Path, required=True)
  options = parser.parse_args()
  read = read_corpora(options.data)
  rows = [row for name in CORPORA for row in read[name]]
  corpora = np.repeat(CORPORA, [len(read[name]) for name in CORPORA])
  first = None
  for named in (False, True):
    for spread in (0.0, 0.4):
      found = compare(rows, corpora, named, spread)
      first = first or found
      for name in CORPORA if found is not first else ():
        shown = difference(found[name], first[name])
        print(f" {name}: median less the first model's median: {shown}")


if __name__ == "__main__":
  main()
