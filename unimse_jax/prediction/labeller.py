"""Batches in, labels with probabilities out: what eval and predict share."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from unimse_jax.data.batching import Batch
from unimse_jax.data.tokenizer import EOS
from unimse_jax.decoding import generate, probabilities
from unimse_jax.labels import ParsedLabel
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline import Pipeline

# slot -> class -> probability
Probabilities = dict[str, dict[str, float]]
_LENGTH_STEP = 8  # tokens


@dataclasses.dataclass(frozen=True)
class Labelled:
  """What the model wrote about one utterance.

  Attributes:
    output: the text.
    parsed: the text as fields.
    probabilities: of the closed slots; empty where they were not asked for; a
      slot is missing where a field before it was malformed.
  """

  output: str
  parsed: ParsedLabel
  probabilities: Probabilities


class Labeller:
  """Decodes batches with compiled functions."""

  def __init__(self, pipeline: Pipeline, mesh: Mesh):
    self._pipeline, self._mesh = pipeline, mesh
    model = pipeline.model
    steps = pipeline.config.decoding.max_new_tokens

    def generated(params, batch):
      encoded = model.apply({"params": params}, batch, method="encode")
      tokens = generate.greedy(
        model, params, encoded, batch["encoder_mask"], steps
      )
      return tokens, encoded

    self._generate = jax.jit(generated)
    self._score = jax.jit(
      functools.partial(probabilities.log_probabilities, model)
    )

  @property
  def batch_size(self) -> int:
    """The config's batch size, rounded up to what the mesh can share out."""
    divisor = sharding.batch_divisor(self._mesh)
    size = self._pipeline.config.decoding.batch_size
    return -(-size // divisor) * divisor

  def label(
    self, params: Any, arrays: Batch, rows: int, with_probabilities: bool
  ) -> list[Labelled]:
    """Labels of the first `rows` rows of a batch.

    Args:
      params: of the model.
      arrays: this process's rows of a batch of `batch_size` rows.
      rows: rows, over all processes, that hold an utterance.
      with_probabilities: scores the closed slots too.
    """
    pipeline = self._pipeline
    batch = sharding.shard_batch(arrays, self._mesh)
    tokens, encoded = self._generate(params, batch)
    tokens = multihost.gather_rows(tokens)[:rows]
    outputs = [pipeline.tokenizer.decode(row) for row in tokens]
    parsed = [pipeline.label_text.parse(output) for output in outputs]
    scored: list[Probabilities] = [{} for _ in outputs]
    if with_probabilities:
      scored = self._probabilities(
        params, encoded, batch["encoder_mask"], parsed
      )
    return [
      Labelled(*parts) for parts in zip(outputs, parsed, scored, strict=True)
    ]

  def _probabilities(
    self,
    params: Any,
    encoded: jax.Array,
    encoder_mask: jax.Array,
    parsed: Sequence[ParsedLabel],
  ) -> list[Probabilities]:
    """Class probabilities of all closed slots of a batch's rows."""
    schema = self._pipeline.label_text.schema
    slots = [slot for slot in schema.slots if slot != "intensity"]
    words = [(slot, word) for slot in slots for word in schema.classes(slot)]
    targets = self._targets(parsed, words)
    place = NamedSharding(
      self._mesh, PartitionSpec(None, *sharding.BATCH, None)
    )
    own = multihost.own_rows(self.batch_size)
    log_p = self._score(
      params,
      encoded,
      encoder_mask,
      jax.make_array_from_process_local_data(place, targets[:, own]),
    )
    log_p = multihost.gather_rows(log_p.T)
    known = (targets != 0).any(-1)
    return [
      _by_slot(log_p[row], words, known[:, row]) for row in range(len(parsed))
    ]

  def _targets(
    self, parsed: Sequence[ParsedLabel], words: Sequence[tuple[str, str]]
  ) -> np.ndarray:
    """int32[words, B, T]: each row's text for each class of each slot.

    A slot after a malformed field has no text: its rows stay empty.
    """
    pipeline = self._pipeline
    last = pipeline.label_text.schema.slots[-1]
    found: dict[tuple[int, int], list[int]] = {}
    for row, label in enumerate(parsed):
      for place, (slot, word) in enumerate(words):
        text = probabilities.candidate(
          label.fields, slot, word, pipeline.label_text
        )
        if text is not None:
          tokens = pipeline.tokenizer.encode(text) + [EOS] * (slot == last)
          found[place, row] = tokens
    longest = max(map(len, found.values()), default=1)
    # Few lengths, so that few shapes are compiled.
    length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    targets = np.zeros((len(words), self.batch_size, length), np.int32)
    for (place, row), tokens in found.items():
      targets[place, row, : len(tokens)] = tokens
    return targets


def _by_slot(
  log_p: np.ndarray, words: Sequence[tuple[str, str]], known: np.ndarray
) -> Probabilities:
  """Probabilities of one row; float32[words], bool[words]."""
  found: Probabilities = {}
  for slot in dict.fromkeys(slot for slot, _ in words):
    places = [place for place, (name, _) in enumerate(words) if name == slot]
    if known[places].all():
      values = probabilities.normalized(log_p[places])
      found[slot] = {
        words[place][1]: float(value)
        for place, value in zip(places, values, strict=True)
      }
  return found
