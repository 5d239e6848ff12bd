"""A split in, predictions and scores out."""

import dataclasses
from typing import Any

import tqdm
from absl import logging
from jax.sharding import Mesh

from unimse_jax.data.batching import Batcher, plan_in_order, prefetch
from unimse_jax.evaluation.collapse import collapse_report
from unimse_jax.evaluation.scoring import (
  LabelledExample,
  decoding_report,
  score_corpora,
  scored_values,
)
from unimse_jax.evaluation.uncertainty import add_uncertainty
from unimse_jax.experiment import Experiment
from unimse_jax.parallel import multihost
from unimse_jax.prediction.labeller import Labeller


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Attributes:
  corpora: name -> scores, with the constant predictor's under "constant_*".
  decoding: malformed and distinct outputs, and warnings of a collapse.
  predictions: in the mixture's order.
  scored: what each of them was scored by.
  """

  corpora: dict[str, dict[str, Any]]
  decoding: dict[str, Any]
  predictions: list[LabelledExample]
  scored: list[dict[str, Any]]


class Evaluator:
  """Decodes splits of one experiment."""

  def __init__(self, experiment: Experiment, mesh: Mesh):
    self._experiment = experiment
    self._labeller = Labeller(experiment.pipeline, mesh)
    self._batchers: dict[str, Batcher] = {}

  def evaluate(
    self, params: Any, split: str, with_probabilities: bool = False
  ) -> Evaluation:
    """Decodes every utterance of a split and scores it against the truth.

    Raises:
      ValueError: the split is empty.
    """
    predictions = self.predict(params, split, with_probabilities)
    mixture = self._experiment.mixture
    corpora = score_corpora(predictions, mixture)
    collapse = collapse_report(
      predictions,
      corpora,
      {name: records.scheme_name for name, records in mixture.corpora.items()},
    )
    if multihost.is_first():
      for warning in collapse["warnings"]:
        logging.warning("%s split: %s.", split, warning)
    if with_probabilities:
      corpora = add_uncertainty(corpora, predictions, mixture)
    return Evaluation(
      corpora=corpora,
      decoding=decoding_report(predictions) | {"collapse": collapse},
      predictions=predictions,
      scored=scored_values(predictions, mixture),
    )

  def predict(
    self, params: Any, split: str, with_probabilities: bool = False
  ) -> list[LabelledExample]:
    """Predictions in the mixture's order."""
    if split not in self._batchers:
      self._batchers[split] = self._experiment.batcher(split)
    batcher = self._batchers[split]
    size = self._labeller.batch_size
    plans = plan_in_order(
      batcher.lengths, self._experiment.config.data.buckets, size
    )
    own = multihost.own_rows(size)
    batches = prefetch(
      lambda number: batcher.batch(plans[number], size, own), range(len(plans))
    )
    bar = tqdm.tqdm(
      plans, desc=f"decoding {split}", unit="batch", leave=False, disable=None
    )
    examples = self._experiment.mixture.examples[split]
    found: dict[int, LabelledExample] = {}
    for plan, arrays in zip(bar, batches, strict=True):
      labelled = self._labeller.label(
        params, arrays, len(plan.rows), with_probabilities
      )
      for row, label in zip(plan.rows, labelled, strict=True):
        found[row] = LabelledExample(examples[row], label)
    return [found[row] for row in range(len(examples))]
