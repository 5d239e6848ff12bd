"""Figure 4: the last fused layer in two dimensions, and its claim in numbers.

The claim: utterances of two corpora that share a sentiment lie together,
though no label joins the corpora but the universal one.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.reporting.run_files import EvaluatedRun, Row

METHODS = ("tsne", "pca")
POINTS = 1500  # drawn of one figure; more hide each other and take minutes
_SEED = 0
_PERPLEXITY = 30  # scikit-learn's; fewer where there are few points
_CLASSES = ("joy", "sadness")  # the figure's, where a corpus has both


@dataclasses.dataclass(frozen=True)
class Group:
  """Points of one legend entry.

  Attributes:
    name: as in the legend.
    corpus: where they come from.
    side: 0 or 1; points of the same side should lie together.
    rows: which rows of the predictions.
  """

  name: str
  corpus: str
  side: int
  rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Projection:
  """Points in a plane.

  Attributes:
    title: what is shown.
    groups: of the points, whose rows index the predictions.
    points: float64[P, 2], group after group.
    silhouette: mean over points by side, in [-1, 1], in the layer's own
      space; above 0 the sides are apart.
    agreement: share of points whose nearest neighbour is of the same side.
    across: the same with the nearest neighbour in the other corpus.
    chance: what `across` is where neighbours are drawn at random.
    left_out: points of the groups that are not drawn.
  """

  title: str
  groups: Sequence[Group]
  points: np.ndarray
  silhouette: float
  agreement: float
  across: float
  chance: float
  left_out: int


def figure4(run: EvaluatedRun, method: str) -> list[Projection]:
  """Figure 4 (a) and (b); fewer where the corpora do not allow them.

  Raises:
    InputError: scikit-learn is not installed.
  """
  if run.embeddings is None:
    return []
  sentiment, emotion = choose_corpora(run)
  if not sentiment or not emotion:
    return []
  classes = choose_classes(run, emotion)
  targets = [
    Group(
      f"{emotion}: {word}", emotion, side, _with_emotion(run, emotion, word)
    )
    for side, word in enumerate(classes)
  ]
  signs = [
    Group(
      f"{sentiment}: {name}", sentiment, side, _with_sign(run, sentiment, sign)
    )
    for side, (name, sign) in enumerate((("positive", 1), ("negative", -1)))
  ]
  slot = emotion_slot(run.of_corpus(emotion))
  written = [
    Group(
      f"{sentiment}: {word}^",
      sentiment,
      side,
      _with_field(run, sentiment, slot, word),
    )
    for side, word in enumerate(classes)
  ]
  found = []
  for title, groups in (
    ("(a) annotated sentiment and annotated emotion", [*signs, *targets]),
    ("(b) generated emotion and annotated emotion", [*written, *targets]),
  ):
    if all(len(group.rows) > 1 for group in groups):
      found.append(_project(title, groups, run.embeddings, method))
  return found


def choose_corpora(run: EvaluatedRun) -> tuple[str, str]:
  """The first corpus with intensities alone and the first with emotions alone.

  MOSI and MELD in the paper's mixture. One that annotates both will do where
  none annotates the one alone; "" where there is none.
  """
  rated = {
    field: [name for name, scores in run.corpora.items() if key in scores]
    for field, key in (("intensity", "mae"), ("emotion", "wf1"))
  }
  alone = [name for name in rated["intensity"] if name not in rated["emotion"]]
  sentiment = next(iter(alone or rated["intensity"]), "")
  others = [name for name in rated["emotion"] if name != sentiment]
  alone = [name for name in others if name not in rated["intensity"]]
  return sentiment, next(iter(alone or others), "")


def choose_classes(run: EvaluatedRun, corpus: str) -> tuple[str, str]:
  """joy and sadness, or the commonest classes called positive and negative.

  The polarity of a class is the one that the model writes most often with it.
  """
  rows = run.of_corpus(corpus)
  counts = Counter(row["targets"]["emotion"] for row in rows)
  del counts[None]
  if all(word in counts for word in _CLASSES):
    return _CLASSES
  chosen = []
  for polarity in ("positive", "negative"):
    share = {
      word: sum(
        row["fields"].get("polarity") == polarity
        for row in rows
        if row["targets"]["emotion"] == word
      )
      for word in counts
      if word not in chosen
    }
    chosen.append(max(share, key=lambda word: (share[word], word)))
  return tuple(chosen)


def emotion_slot(rows: Sequence[Row]) -> str:
  """The slot in which a corpus's emotions are written.

  The one whose fields are what the rows were scored by, most often.
  """
  hits = Counter()
  for row in rows:
    for slot, value in row["fields"].items():
      if slot not in ("polarity", "intensity"):
        hits[slot] += value == row["scored"]["emotion"]
  return hits.most_common(1)[0][0] if hits else ""


def _with_emotion(run: EvaluatedRun, corpus: str, word: str) -> tuple[int, ...]:
  return tuple(
    i
    for i, row in enumerate(run.rows)
    if row["corpus"] == corpus and row["targets"]["emotion"] == word
  )


def _with_sign(run: EvaluatedRun, corpus: str, sign: int) -> tuple[int, ...]:
  return tuple(
    i
    for i, row in enumerate(run.rows)
    if row["corpus"] == corpus and (row["targets"]["intensity"] or 0) * sign > 0
  )


def _with_field(
  run: EvaluatedRun, corpus: str, slot: str, word: str
) -> tuple[int, ...]:
  return tuple(
    i
    for i, row in enumerate(run.rows)
    if row["corpus"] == corpus and row["fields"].get(slot) == word
  )


def _project(
  title: str, groups: Sequence[Group], embeddings: np.ndarray, method: str
) -> Projection:
  total = sum(len(group.rows) for group in groups)
  groups = [_thin(group, total) for group in groups]
  rows = [row for group in groups for row in group.rows]
  vectors = embeddings[rows].astype(np.float64)
  sides = np.repeat([g.side for g in groups], [len(g.rows) for g in groups])
  corpora = np.repeat([g.corpus for g in groups], [len(g.rows) for g in groups])
  numbers = measure(vectors, sides, corpora)
  return Projection(
    title, groups, _flatten(vectors, method), *numbers, total - len(rows)
  )


def _thin(group: Group, total: int) -> Group:
  """Its share of `POINTS`, drawn with a fixed seed, in the rows' order."""
  if total <= POINTS:
    return group
  count = max(2, POINTS * len(group.rows) // total)
  rng = np.random.default_rng(_SEED)
  kept = np.sort(rng.choice(group.rows, count, replace=False))
  return dataclasses.replace(group, rows=tuple(kept.tolist()))


def _flatten(vectors: np.ndarray, method: str) -> np.ndarray:
  """float64[P, 2] of float64[P, D]."""
  try:
    from sklearn import decomposition, manifold
  except ImportError as error:
    raise InputError(
      "Figure 4 needs scikit-learn, which is not installed here; run "
      "`pip install 'unimse_jax[report]'`, or choose --projection none."
    ) from error
  if not np.ptp(vectors, axis=0).any():
    # A collapsed model: t-SNE would divide by a spread of zero, and crash.
    return np.zeros((len(vectors), 2))
  if method == "pca" or len(vectors) < 4:
    return decomposition.PCA(2, random_state=_SEED).fit_transform(vectors)
  perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
  return manifold.TSNE(
    2, perplexity=perplexity, init="pca", random_state=_SEED
  ).fit_transform(vectors)


def measure(
  vectors: np.ndarray, sides: np.ndarray, corpora: np.ndarray
) -> tuple[float, float, float, float]:
  """Silhouette, agreement, agreement across corpora, chance; see Projection.

  Args:
    vectors: float[P, D].
    sides: int[P], 0 or 1.
    corpora: str[P], two different ones.
  """
  squares = (vectors**2).sum(1)
  distance = squares[:, None] + squares - 2 * vectors @ vectors.T
  distance = np.sqrt(np.maximum(distance, 0))
  np.fill_diagonal(distance, 0)
  silhouette = _silhouette(distance, sides)
  apart = distance + np.where(np.eye(len(vectors), dtype=bool), np.inf, 0)
  agreement = (sides[apart.argmin(1)] == sides).mean()
  other = corpora[:, None] != corpora
  nearest = np.where(other, distance, np.inf).argmin(1)
  across = (sides[nearest] == sides).mean()
  same = sides[:, None] == sides
  chance = ((same & other).sum(1) / other.sum(1)).mean()
  return silhouette, float(agreement), float(across), float(chance)


def _silhouette(distance: np.ndarray, sides: np.ndarray) -> float:
  """Mean of (b - a) / max(a, b) (Rousseeuw 1987), of two sides."""
  means = np.stack([distance[:, sides == side].sum(1) for side in (0, 1)])
  counts = np.array([(sides == 0).sum(), (sides == 1).sum()])
  every = np.arange(len(sides))
  own = means[sides, every] / np.maximum(counts[sides] - 1, 1)
  far = means[1 - sides, every] / counts[1 - sides]
  scale = np.maximum(own, far)
  scores = np.where(scale > 0, (far - own) / np.maximum(scale, 1e-300), 0)
  return float(scores.mean())
