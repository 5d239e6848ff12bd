"""Figure 4: the last fused layer in two dimensions, and its claim in numbers.

The claim: utterances of two corpora that share a sentiment lie together,
though no label joins the corpora but the universal one.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.reporting.run_files import EvaluatedRun, Row
from unimse_jax.tables.scores import (
  EMOTION,
  INTENSITY,
  TASKS,
  is_annotated,
)

METHODS = ("tsne", "pca")
POINTS = 1500  # drawn of one figure; more hide each other and take minutes
_SEED = 0
_PERPLEXITY = 30  # scikit-learn's; fewer where there are few points
_CLASSES = ("joy", "sadness")  # the figure's, where a corpus has both


@dataclasses.dataclass(frozen=True)
class Group:
  """Points of one legend entry.

  Attributes:
    name: entry of the legend.
    corpus: corpus that the points come from.
    side: 0 or 1; points of the same side should lie together.
    rows: numbers of the predictions.
  """

  name: str
  corpus: str
  side: int
  rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Projection:
  """Points in a plane.

  Attributes:
    title: caption.
    groups: groups of the points; their rows index the predictions.
    points: float64[P, 2], group after group.
    silhouette: mean over points by side, in [-1, 1], in the layer's own
      space; above 0 the sides are apart.
    agreement: share of points whose nearest neighbour is of the same side.
    across: share with the nearest neighbour in the other corpus instead.
    chance: value of `across` if neighbours were drawn at random.
    left_out: number of points of the groups that are not drawn.
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
  projections = []
  for title, groups in (
    ("(a) annotated sentiment and annotated emotion", [*signs, *targets]),
    ("(b) generated emotion and annotated emotion", [*written, *targets]),
  ):
    if all(len(group.rows) > 1 for group in groups):
      projections.append(_project(title, groups, run.embeddings, method))
  return projections


def choose_corpora(run: EvaluatedRun) -> tuple[str, str]:
  """The first corpus with intensities alone and the first with emotions alone.

  The latter with two emotions at least. MOSI and MELD in the paper's mixture.
  One that annotates both will do where none annotates the one alone; "" where
  there is none.
  """
  rated = {
    task: [
      name for name, scores in run.corpora.items() if is_annotated(task, scores)
    ]
    for task in TASKS
  }
  alone = [name for name in rated[INTENSITY] if name not in rated[EMOTION]]
  sentiment = next(iter(alone or rated[INTENSITY]), "")
  others = [
    name
    for name in rated[EMOTION]
    if name != sentiment and len(_emotions(run, name)) > 1
  ]
  alone = [name for name in others if name not in rated[INTENSITY]]
  return sentiment, next(iter(alone or others), "")


def _emotions(run: EvaluatedRun, corpus: str) -> Counter[str]:
  """How many utterances have each emotion."""
  words = (row["targets"]["emotion"] for row in run.of_corpus(corpus))
  return Counter(word for word in words if word is not None)


def choose_classes(run: EvaluatedRun, corpus: str) -> tuple[str, str]:
  """joy and sadness, or the commonest classes called positive and negative.

  The polarity of a class is the one that the model writes most often with it.
  """
  rows = run.of_corpus(corpus)
  counts = _emotions(run, corpus)
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
  learn = _scikit_learn()
  if not np.ptp(vectors, axis=0).any():
    # A collapsed model: t-SNE would divide by a spread of zero, and crash.
    return np.zeros((len(vectors), 2))
  if method == "pca" or len(vectors) < 4:
    pca = learn.decomposition.PCA(2, random_state=_SEED)
    return pca.fit_transform(vectors)
  perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
  return learn.manifold.TSNE(
    2, perplexity=perplexity, init="pca", random_state=_SEED
  ).fit_transform(vectors)


def measure(
  vectors: np.ndarray, sides: np.ndarray, corpora: np.ndarray
) -> tuple[float, float, float, float]:
  """Silhouette, agreement, agreement across corpora, chance; see Projection.

  Args:
    vectors: float[P, D], points in the layer's own space.
    sides: int[P], 0 or 1; both are there.
    corpora: str[P], names of two corpora.
  """
  learn = _scikit_learn()
  silhouette = learn.metrics.silhouette_score(vectors, sides)
  neighbours = learn.neighbors.NearestNeighbors(n_neighbors=1)
  # Asked about no points, it leaves each point's own out of its neighbours.
  nearest = neighbours.fit(vectors).kneighbors(return_distance=False)[:, 0]
  across = np.empty(len(vectors), np.int64)
  for corpus in np.unique(corpora):
    is_own = corpora == corpus
    own, others = np.flatnonzero(is_own), np.flatnonzero(~is_own)
    places = neighbours.fit(vectors[others]).kneighbors(
      vectors[own], return_distance=False
    )
    across[own] = others[places[:, 0]]
  other = corpora[:, None] != corpora
  same = sides[:, None] == sides
  chance = ((same & other).sum(1) / other.sum(1)).mean()
  return (
    float(silhouette),
    float((sides[nearest] == sides).mean()),
    float((sides[across] == sides).mean()),
    float(chance),
  )


def _scikit_learn() -> Any:
  """scikit-learn with the parts that are used here."""
  try:
    import sklearn.decomposition
    import sklearn.manifold
    import sklearn.metrics
    import sklearn.neighbors
  except ImportError as error:
    raise InputError(
      "Figure 4 needs scikit-learn, which is not installed here; run "
      "`pip install 'unimse_jax[report]'`, or choose --projection none."
    ) from error
  return sklearn
