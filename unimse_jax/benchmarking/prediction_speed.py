"""Predictions a second: what `eval` and `Predictor` do with a batch.

Synthetic batches, given weights and a made-up vocabulary with the real grammar
of the label texts: needs no files.
"""

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from jax.sharding import Mesh

from unimse_jax.benchmarking import synthetic
from unimse_jax.config import Config
from unimse_jax.data.batching import Batch, BatchPlan, plan_in_order
from unimse_jax.labels import LabelText
from unimse_jax.models import UniMSE
from unimse_jax.parallel import sharding
from unimse_jax.prediction.labeller import Labeller
from unimse_jax.tables import writers
from unimse_jax.tables.table import Table

# Name -> decoding, changed in these fields, and whether classes are scored.
_WAYS: dict[str, tuple[dict[str, Any], bool]] = {
  "greedy": ({"constrained": False, "beams": 1}, False),
  "constrained": ({"constrained": True, "beams": 1}, False),
  "beam of 4": ({"constrained": True, "beams": 4}, False),
  "with probabilities": ({"constrained": True, "beams": 1}, True),
}


def make_labels(config: Config) -> tuple[LabelText, synthetic.Vocabulary]:
  """The labels of the four corpora, and made-up pieces that write them."""
  text = synthetic.label_text(config)
  slots = [slot for slot in text.slots if slot != "intensity"]
  words = [word for slot in slots for word in text.words(slot)]
  return text, synthetic.Vocabulary(words)


def measure(
  config: Config,
  model: UniMSE,
  params: Any,
  mesh: Mesh,
  steps: int,
  warmup: int,
) -> dict[str, dict[str, float]]:
  """Times whole predictions of one batch, from arrays to labels.

  Args:
    config: config of the run; its decoding varies in all but `intensity`.
    model: the config's model.
    params: the model's parameters.
    mesh: devices to run on.
    steps: number of timed batches.
    warmup: number of batches before them, beside the one that compiles.

  Returns:
    Name -> "first_seconds" (of the first batch, compiling included),
    "batch_seconds" (median), "predictions_per_second", "tokens_per_second"
    (the tokens of the labels that came out, </s> included), "tokens" (of a
    label, on average).
  """
  return {
    name: _measure_way(
      _with_decoding(config, changes),
      model,
      params,
      mesh,
      scored,
      steps,
      warmup,
    )
    for name, (changes, scored) in _WAYS.items()
  }


def _with_decoding(config: Config, changes: dict[str, Any]) -> Config:
  decoding = dataclasses.replace(config.decoding, **changes)
  return dataclasses.replace(config, decoding=decoding)


def _measure_way(
  config: Config,
  model: UniMSE,
  params: Any,
  mesh: Mesh,
  scored: bool,
  steps: int,
  warmup: int,
) -> dict[str, float]:
  text, vocabulary = make_labels(config)
  labeller = Labeller(
    model, vocabulary, text, config.decoding, mesh, also_free=False
  )
  size = labeller.batch_size
  arrays = _batch(config, size, mesh)
  seconds = []
  for _ in range(1 + warmup + steps):
    start = time.perf_counter()
    (labelled,) = labeller.label(params, [(arrays, size)], scored)
    seconds.append(time.perf_counter() - start)
  median = float(np.median(seconds[1 + warmup :]))
  limit = config.decoding.max_new_tokens + 1
  written = [
    # A text without end has filled all places; what it says is no label.
    limit if each.parsed.malformed else len(tokens) + 1
    for each in labelled
    for tokens in [vocabulary.encode(each.output)]
  ]
  return {
    "first_seconds": seconds[0],
    "batch_seconds": median,
    "predictions_per_second": size / median,
    "tokens_per_second": sum(written) / median,
    "tokens": float(np.mean(written)),
  }


def measure_test_sets(
  config: Config, model: UniMSE, params: Any, mesh: Mesh
) -> dict[str, float]:
  """Times what `eval` computes for the four test sets: labels with scores.

  All batches of a padded length have the arrays of the first one; they are sent
  to the devices anew each time.

  Args:
    config: config of the run.
    model: the config's model.
    params: the model's parameters.
    mesh: devices to run on.

  Returns:
    "clips"; "first_seconds" of one batch of each length, compiling included;
    "seconds" of all batches after that.
  """
  text, vocabulary = make_labels(config)
  labeller = Labeller(model, vocabulary, text, config.decoding, mesh)
  size = labeller.batch_size
  lengths = synthetic.lengths_of_test_sets(config.text, config.seed)
  plans = plan_in_order(lengths, config.data.buckets, size)
  first = {plan.length: plan for plan in reversed(plans)}
  arrays = {
    length: _own_batch(config, lengths[list(plan.rows)], size, length, mesh)
    for length, plan in first.items()
  }

  def label(plans: Iterable[BatchPlan]) -> float:
    start = time.perf_counter()
    batches = ((arrays[plan.length], len(plan.rows)) for plan in plans)
    for _ in labeller.label(params, batches, with_probabilities=True):
      pass
    return time.perf_counter() - start

  return {
    "clips": len(lengths),
    "first_seconds": label(first.values()),
    "seconds": label(plans),
  }


def _batch(config: Config, size: int, mesh: Mesh) -> Batch:
  """This process's rows of a full batch in the bucket of the median text."""
  lengths = synthetic.text_lengths(config.text, config.seed)
  bucket = next(
    each for each in config.data.buckets if each >= np.median(lengths)
  )
  inside = np.resize(lengths[lengths <= bucket], size)
  return _own_batch(config, inside, size, bucket, mesh)


def _own_batch(
  config: Config, lengths: np.ndarray, size: int, length: int, mesh: Mesh
) -> Batch:
  """This process's rows of a batch of texts of these lengths."""
  batch = synthetic.make_batch(config, lengths, size, length)
  own = sharding.own_rows(size, mesh)
  return {name: values[own] for name, values in batch.items()}


def format_report(report: dict[str, dict[str, float]], size: int) -> str:
  """The figures of `measure` as a table for the terminal."""
  head = ("", "predictions/s", "tokens/s", "tokens/label", "ms/batch")
  rows = [(*head, "first, s")]
  for name, row in report.items():
    cells = (
      f"{row['predictions_per_second']:.1f}",
      f"{row['tokens_per_second']:.0f}",
      f"{row['tokens']:.1f}",
      f"{1e3 * row['batch_seconds']:.0f}",
      f"{row['first_seconds']:.1f}",
    )
    rows.append((name, *cells))
  title = (
    f"Predictions from features to labels, batch of {size}; labels end where "
    "they end:"
  )
  return writers.to_text(Table(title, tuple(rows)))
