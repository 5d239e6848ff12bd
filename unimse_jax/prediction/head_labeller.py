"""Batches in, labels with probabilities out, of a system with heads.

What `labeller.Labeller` is for UniMSE, which writes its labels.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from unimse_jax.config import DecodingConfig
from unimse_jax.data.batching import Batch
from unimse_jax.labels import (
  INTENSITY,
  INTENSITY_RANGE,
  LabelText,
  ParsedLabel,
  polarity_of_number,
)
from unimse_jax.parallel import multihost, sharding
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.rivals import Rival


class HeadLabeller:
  """Reads the heads with one compiled function."""

  def __init__(
    self,
    model: Rival,
    label_text: LabelText,
    decoding: DecodingConfig,
    mesh: Mesh,
  ):
    """Compiles nothing yet.

    Args:
      model: model without its parameters.
      label_text: slots of the labels and their text form.
      decoding: its batch size is used.
      mesh: devices to run on.
    """
    self._label_text, self._mesh = label_text, mesh
    self._decoding = decoding

    def read(params: Any, batch: Mapping[str, jax.Array]):
      output = model.apply({"params": params}, batch)
      shares = {
        slot: scores if slot == INTENSITY else jax.nn.softmax(scores)
        for slot, scores in output.scores.items()
      }
      return shares, output.vector

    self._read = jax.jit(read)

  @property
  def batch_size(self) -> int:
    """The config's batch size, rounded up to what the mesh can share out."""
    return sharding.divisible_size(self._decoding.batch_size, self._mesh)

  def label(
    self,
    params: Any,
    batches: Iterable[tuple[Batch, int]],
    with_probabilities: bool,
  ) -> Iterator[list[Prediction]]:
    """Predictions for each of some batches; arguments as `Labeller.label`."""
    for arrays, rows in batches:
      batch = sharding.shard_batch(arrays, self._mesh)
      scores, vectors = jax.tree.map(
        lambda each, rows=rows: multihost.gather_rows(each)[:rows],
        self._read(params, batch),
      )
      yield [
        self._prediction(
          {slot: values[row] for slot, values in scores.items()},
          vectors[row],
          with_probabilities,
        )
        for row in range(rows)
      ]

  def _prediction(
    self,
    scores: Mapping[str, np.ndarray],
    vector: np.ndarray,
    with_probabilities: bool,
  ) -> Prediction:
    """Of one utterance; its text is what UniMSE would write of the fields."""
    schema = self._label_text.schema
    probabilities = {
      slot: dict(zip(schema.classes(slot), shares.tolist(), strict=True))
      for slot, shares in scores.items()
      if slot != INTENSITY
    }
    fields: dict[str, Any] = {
      # In the label's order: jax sorts the keys of the scores.
      slot: max(probabilities[slot], key=probabilities[slot].__getitem__)
      for slot in schema.slots
      if slot in probabilities
    }
    if INTENSITY in scores:
      fields[INTENSITY] = float(np.clip(scores[INTENSITY][0], *INTENSITY_RANGE))
    fields = {"polarity": self._polarity(fields), **fields}
    ordered = {slot: fields[slot] for slot in schema.slots}
    text = self._label_text.separator.join(
      map(self._label_text.field, ordered.values())
    )
    parsed = ParsedLabel(ordered, malformed=False)
    if not with_probabilities:
      return Prediction(text, parsed)
    return Prediction(text, parsed, probabilities, embedding=vector)

  def _polarity(self, fields: Mapping[str, Any]) -> str:
    """The sign of the intensity; else what the first emotion implies."""
    if INTENSITY in fields:
      return polarity_of_number(fields[INTENSITY])
    for slot, word in fields.items():
      polarity = self._label_text.schema.polarity_of(slot, word)
      if polarity:
        return polarity
    return "neutral"
