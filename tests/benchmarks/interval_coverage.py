"""How often a 95 % interval holds the true score (docs/results.md).

    python tests/benchmarks/interval_coverage.py [--trials 300]

Test splits are drawn from a known source: every dialogue has its own share of
right answers (a beta distribution of the given correlation within dialogues).
The true score is that of a very long split. Percentiles of the same resamples
stand beside the intervals that `evaluation/confidence.py` gives.
"""

import argparse

import numpy as np

from unimse_jax.evaluation import confidence, metrics
from unimse_jax.evaluation.confidence import Groups

_NAMES = ("acc", "wf1", "macro_f1")
_LONG = 100_000  # utterances that tell the true score
_RESAMPLES = 200
# N, classes, share of right answers, turns of a dialogue, correlation.
_CASES = (
  (43, 2, 0.97, 1, 0.0),
  (67, 7, 0.98, 1, 0.0),
  (67, 7, 0.90, 6, 0.0),
  (67, 7, 0.90, 6, 0.2),
  (300, 7, 0.65, 10, 0.1),
  (43, 2, 0.97, 6, 0.2),
)


def draw_split(generator, n, classes, accuracy, turns, correlation):
  """Predictions and targets, int64[n], and the dialogue of each."""
  dialogues = np.arange(n) // turns
  shares = np.full(dialogues.max() + 1, accuracy)
  if correlation:
    strength = (1 - correlation) / correlation
    shares = generator.beta(
      accuracy * strength, (1 - accuracy) * strength, len(shares)
    )
  target = generator.integers(0, classes, n)
  wrong = (target + generator.integers(1, classes, n)) % classes
  right = generator.random(n) < shares[dialogues]
  return np.where(right, target, wrong), target, dialogues


def score_rows(predicted, target, classes, rows):
  names = range(classes)
  return metrics.emotion_scores(
    predicted[rows].tolist(), target[rows].tolist(), names
  )


def percentiles(score, groups):
  """Intervals as they would be without Wilson's."""
  draws = [score(rows) for rows in groups.draw(0, _RESAMPLES)]
  ends = ([each[name] for each in draws] for name in _NAMES)
  return [np.percentile(each, [2.5, 97.5]) for each in ends]


def intervals(score, groups):
  found = confidence.bootstrap(score, groups, resamples=_RESAMPLES)
  return [(found[name].low, found[name].high) for name in _NAMES]


def measure(case, trials):
  """Share of the trials whose interval holds the true score, by method."""
  generator, classes = np.random.default_rng(0), case[1]
  predicted, target, _ = draw_split(generator, _LONG, *case[1:])
  long = score_rows(predicted, target, classes, np.arange(_LONG))
  true = [long[name] for name in _NAMES]
  hits: dict[str, list] = {}
  for _ in range(trials):
    predicted, target, dialogues = draw_split(generator, *case)

    def score(rows, predicted=predicted, target=target):
      return score_rows(predicted, target, classes, rows)

    for unit, groups in (
      ("utterances", Groups.single(case[0])),
      ("dialogues", Groups("dialogue", dialogues)),
    ):
      for name, method in (("percentiles", percentiles), ("ours", intervals)):
        ends = method(score, groups)
        hits.setdefault(f"{name}, {unit}", []).append(
          [low <= t <= high for (low, high), t in zip(ends, true, strict=True)]
        )
  return {name: np.mean(each, axis=0) for name, each in hits.items()}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--trials", type=int, default=300)
  trials = parser.parse_args().trials
  for case in _CASES:
    print("N {}, {} classes, {} right, dialogues of {}, rho {}".format(*case))
    for name, shares in measure(case, trials).items():
      cells = (f"{n} {s:.2f}" for n, s in zip(_NAMES, shares, strict=True))
      print(f"  {name:24}{', '.join(cells)}", flush=True)


if __name__ == "__main__":
  main()
