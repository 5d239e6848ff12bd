"""A split in, predictions and scores out."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import tqdm
from absl import logging
from jax.sharding import Mesh

from unimse_jax.data.batching import (
  Batch,
  Batcher,
  BatchPlan,
  plan_in_order,
  prefetch,
)
from unimse_jax.evaluation import missing
from unimse_jax.evaluation.collapse import collapse_report
from unimse_jax.evaluation.scoring import (
  decoding_report,
  donor_texts,
  score_corpora,
  scored_values,
)
from unimse_jax.evaluation.uncertainty import add_uncertainty
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline import Experiment, Pipeline
from unimse_jax.prediction import adjustment
from unimse_jax.prediction.head_labeller import HeadLabeller
from unimse_jax.prediction.labeller import Labeller
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.rivals import Rival

# A batch and the numbers of its rows in the split -> the batch that is read.
Change = Callable[[Batch, Sequence[int]], Batch]


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Attributes:
  corpora: name -> scores, with the constant predictor's under "constant_*".
  decoding: malformed and distinct outputs, and warnings of a collapse.
  predictions: predictions in the mixture's order.
  scored: value of each of them that entered the scores.
  donor_texts: "corpus/split/id" -> text of the donors of their labels; empty
    for an evaluation without probabilities.
  withheld: "audio", "video", "audio_video" -> corpus -> scores of the same
    split with that withheld; empty where it was not asked for.
  missing: share -> corpus -> scores of the same split with that share of the
    modalities missing ("0.5"); empty where it was not asked for.
  test_openings: number of times this run's test split was opened, this time
    included; None for another split.
  """

  corpora: dict[str, dict[str, Any]]
  decoding: dict[str, Any]
  predictions: list[Prediction]
  scored: list[dict[str, Any]]
  donor_texts: dict[str, str] = dataclasses.field(default_factory=dict)
  withheld: dict[str, dict[str, dict[str, float]]] = dataclasses.field(
    default_factory=dict
  )
  missing: dict[str, dict[str, dict[str, float]]] = dataclasses.field(
    default_factory=dict
  )
  test_openings: int | None = None


class Evaluator:
  """Decodes splits of one experiment."""

  def __init__(self, experiment: Experiment, mesh: Mesh):
    self._experiment = experiment
    pipeline = experiment.pipeline
    self._mesh = mesh
    self._labeller = _labeller(pipeline, mesh)
    self._batchers: dict[str, Batcher] = {}

  def evaluate(
    self, params: Any, split: str, with_probabilities: bool = False
  ) -> Evaluation:
    """Decodes every utterance of a split and scores it against the truth.

    Args:
      params: parameters of the model.
      split: train, validation or test.
      with_probabilities: whether probabilities, intervals and calibration are
        wanted too, as at the end of a training.

    Raises:
      ValueError: the split is empty.
    """
    predictions = self.predict(params, split, with_probabilities)
    mixture = self._experiment.mixture
    scored = scored_values(predictions, mixture)
    corpora = score_corpora(predictions, scored, mixture)
    collapse = collapse_report(
      predictions,
      corpora,
      {name: records.scheme_name for name, records in mixture.corpora.items()},
    )
    if multihost.is_first():
      for warning in collapse["warnings"]:
        logging.warning("%s split: %s.", split, warning)
    texts = {}
    if with_probabilities:
      corpora = add_uncertainty(corpora, predictions, scored, mixture)
      texts = donor_texts(predictions, mixture)
    return Evaluation(
      corpora=corpora,
      decoding=decoding_report(predictions) | {"collapse": collapse},
      predictions=predictions,
      scored=scored,
      donor_texts=texts,
    )

  def evaluate_withheld(
    self, params: Any, split: str
  ) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of the split with each modality withheld, and with all of them.

    The model is the same and reads absent frames, as it does of an utterance
    without a voice or a face; an ablation trains again without them.
    """
    modalities = self._experiment.config.data.modalities
    return {
      "_".join(names): self._scores(
        params,
        split,
        f" without {', '.join(names)}",
        lambda batch, _, names=names: missing.withhold(batch, names),
      )
      for count in range(1, len(modalities) + 1)
      for names in itertools.combinations(modalities, count)
    }

  def evaluate_missing(
    self, params: Any, split: str, shares: Sequence[float]
  ) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of the split with a share of all modalities missing, text too.

    Args:
      params: parameters of the model.
      split: train, validation or test.
      shares: chances of a modality to be absent, see `missing.drop`.

    Returns:
      share as text -> corpus -> scores.
    """
    names = (missing.TEXT, *self._experiment.config.data.modalities)
    return {
      f"{share:g}": self._scores(
        params,
        split,
        f" with {share:.0%} missing",
        functools.partial(missing.drop, names=names, share=share),
      )
      for share in shares
    }

  def _scores(
    self, params: Any, split: str, what: str, change: Change
  ) -> dict[str, dict[str, float]]:
    """corpus -> scores of the split, each batch changed before it is read."""
    mixture = self._experiment.mixture
    predictions = self.predict(params, split, what=what, change=change)
    scored = scored_values(predictions, mixture)
    corpora = score_corpora(predictions, scored, mixture)
    return {
      corpus: {k: v for k, v in scores.items() if isinstance(v, float)}
      for corpus, scores in corpora.items()
    }

  def predict(
    self,
    params: Any,
    split: str,
    with_probabilities: bool = False,
    what: str = "",
    change: Change = lambda batch, rows: batch,
  ) -> list[Prediction]:
    """Predictions in the mixture's order.

    Args:
      params: parameters of the model.
      split: train, validation or test.
      with_probabilities: whether probabilities are wanted too.
      what: how the progress bar tells this pass from others.
      change: (batch, its rows) -> the batch that is read.
    """
    if split not in self._batchers:
      self._batchers[split] = self._experiment.batcher(split)
    batcher = self._batchers[split]
    plans, size, layout = self._plan(split, batcher.lengths)
    own = sharding.own_rows(size, self._mesh)
    batches = prefetch(
      lambda number: (
        batcher.batch(plans[number], size, own) | layout(plans[number])
      ),
      range(len(plans)),
    )
    changed = (
      (change(arrays, plan.rows_at(own)), len(plan.rows))
      for plan, arrays in zip(plans, batches, strict=True)
    )
    power = self._experiment.config.decoding.logit_adjustment
    labelled = self._labeller.label(
      params, changed, with_probabilities or power > 0
    )
    bar = tqdm.tqdm(
      plans,
      desc=f"decoding {split}{what}",
      unit="batch",
      leave=False,
      disable=None,
    )
    examples = self._experiment.mixture.examples[split]
    by_row: dict[int, Prediction] = {}
    for plan, labels in zip(bar, labelled, strict=True):
      for row, label in zip(plan.rows, labels, strict=True):
        by_row[row] = dataclasses.replace(label, record=examples[row])
    predictions = [by_row[row] for row in range(len(examples))]
    if not power:
      return predictions
    counts = self._experiment.pipeline.class_counts
    return adjustment.adjust(predictions, counts, power)

  def _plan(
    self, split: str, lengths: Sequence[int]
  ) -> tuple[list[BatchPlan], int, Callable[[BatchPlan], Batch]]:
    """Batches of a split, their size, and the arrays that a plan adds."""
    buckets = self._experiment.config.data.buckets
    size = self._labeller.batch_size
    dialogues = self._experiment.dialogues(split)
    if dialogues is None:
      return plan_in_order(lengths, buckets, size), size, lambda plan: {}
    divisor = sharding.batch_divisor(self._mesh)
    # Of any size: nothing is learnt of it.
    size = max(size, sharding.divisible_size(dialogues.longest, self._mesh))
    return (
      *(dialogues.plans(lengths, buckets, size), size),
      lambda plan: dialogues.arrays(plan.rows, divisor),
    )


def _labeller(pipeline: Pipeline, mesh: Mesh) -> Labeller | HeadLabeller:
  config = pipeline.config.decoding
  if isinstance(pipeline.model, Rival):
    return HeadLabeller(pipeline.model, pipeline.label_text, config, mesh)
  return Labeller(
    *(pipeline.model, pipeline.tokenizer, pipeline.label_text, config, mesh)
  )
