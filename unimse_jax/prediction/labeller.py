"""Batches in, labels with probabilities out: what eval and predict share."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import struct
from jax.sharding import Mesh

from unimse_jax.config import DecodingConfig
from unimse_jax.data.batching import Batch
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.decoding import generate, grammar, text_tree
from unimse_jax.decoding.text_tree import TextTree
from unimse_jax.labels import INTENSITY, LabelText, ParsedLabel
from unimse_jax.models import UniMSE, decoder_mask, masks
from unimse_jax.models.unimse import Encoded
from unimse_jax.parallel import multihost, sharding
from unimse_jax.prediction.label_scores import Beginnings, Emotions
from unimse_jax.prediction.prediction import Prediction, Probabilities


@struct.dataclass
class _Decoded:
  """A batch on the devices.

  Attributes:
    tokens: int32[B, T] of each automaton.
    beginnings: float32[B, M], log P of what a label may begin with; None where
      it was not asked for.
    pooled: float32[B, D], `Prediction.embedding`.
    heads: emotion slot -> float32[B, C], the heads' probabilities; {} where the
      config does not ask for them.
    cross: what the decoder reads of the encoded rows.
    mask: bool[B, S], of those.
  """

  tokens: list[jax.Array]
  beginnings: jax.Array | None
  pooled: jax.Array
  heads: dict[str, jax.Array]
  cross: Any
  mask: jax.Array


@dataclasses.dataclass(frozen=True)
class _Written:
  """What the host knows of a batch before its scores are there.

  Attributes:
    predictions: the texts of the batch's rows.
    decoded: the rest of what was decoded, on the devices still.
    emotions: float32[B, M], log P of the emotions behind the texts; None where
      they were not asked for or labels have none.
  """

  predictions: list[Prediction]
  decoded: _Decoded
  emotions: jax.Array | None


class Labeller:
  """Decodes batches with compiled functions."""

  def __init__(
    self,
    model: UniMSE,
    tokenizer: Tokenizer,
    label_text: LabelText,
    decoding: DecodingConfig,
    mesh: Mesh,
    also_free: bool = True,
  ):
    """Makes the tables of the grammar and the texts that are scored.

    Args:
      model: model without its parameters.
      tokenizer: vocabulary that the labels are written in.
      label_text: slots of the labels and their text form.
      decoding: search for the labels, see the config.
      mesh: devices to run on.
      also_free: whether to decode without the grammar too, from the same
        encoded batch, where the config asks for the grammar.

    Raises:
      InputError: the vocabulary cannot write the labels, or not in the
        config's number of tokens.
    """
    self._tokenizer, self._label_text = tokenizer, label_text
    self._decoding, self._mesh = decoding, mesh
    automata = [grammar.free(model.config.t5.vocab_size)]
    if decoding.constrained:
      legal = grammar.compile_grammar(
        label_text, tokenizer, decoding.max_new_tokens + 1
      )
      automata = [legal, *automata] if also_free else [legal]
    self._gather = jax.jit(
      lambda params: sharding.gather_parameters(
        params,
        sharding.state_sharding(params, mesh),
        model.config.t5.compute_dtype,
      )
    )
    self._beginnings = Beginnings(tokenizer, label_text)
    self._emotions = Emotions(tokenizer, label_text)
    self._decode = jax.jit(
      functools.partial(
        _decode, model, decoding, automata, self._beginnings.trees
      ),
      static_argnames="scored",
    )
    self._score = jax.jit(functools.partial(text_tree.log_probabilities, model))

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
    """Predictions for each of some batches.

    The devices get the next batch before the host reads one, so that they need
    not wait for it.

    Args:
      params: the model's parameters.
      batches: this process's rows of a batch of `batch_size` rows, and the
        number of rows, over all processes, that hold an utterance.
      with_probabilities: whether to score the closed slots and the numbers.
    """
    if self._mesh.shape["fsdp"] > 1:
      params = self._gather(params)
    decoded = (
      (self._start(params, arrays, with_probabilities), rows)
      for arrays, rows in batches
    )
    written = (
      self._read(params, *each, with_probabilities) for each in _ahead(decoded)
    )
    for each in _ahead(written):
      yield self._finish(each, with_probabilities)

  def _start(
    self, params: Any, arrays: Batch, with_probabilities: bool
  ) -> _Decoded:
    """Sends a batch to the devices."""
    estimated = (
      self._beginnings.numbers and self._decoding.intensity != "greedy"
    )
    batch = sharding.shard_batch(arrays, self._mesh)
    return self._decode(params, batch, scored=with_probabilities or estimated)

  def _read(
    self, params: Any, decoded: _Decoded, rows: int, with_probabilities: bool
  ) -> _Written:
    """Waits for the texts, and has the emotions behind them scored."""
    texts, *free = [self._texts(tokens, rows) for tokens in decoded.tokens]
    written = [Prediction(text, self._label_text.parse(text)) for text in texts]
    if free:
      written = _with(written, free=map(self._label_text.parse, free[0]))
    emotions = None
    if with_probabilities and self._emotions.slots:
      trees = self._emotions.trees(
        [each.parsed for each in written], self.batch_size
      )
      emotions = self._score(
        params, decoded.cross, decoded.mask, self._shared_out(trees)
      )
    # What the decoder reads is large, and no longer needed.
    return _Written(written, decoded.replace(cross=None), emotions)

  def _finish(
    self, written: _Written, with_probabilities: bool
  ) -> list[Prediction]:
    """Waits for the scores of a batch."""
    predictions = self._scored(written, with_probabilities)
    for slot, shares in written.decoded.heads.items():
      classes = self._label_text.schema.classes(slot)
      shares = multihost.gather_rows(shares)[: len(predictions)]
      predictions = [
        _with_emotion(each, slot, dict(zip(classes, row, strict=True)))
        for each, row in zip(predictions, shares.tolist(), strict=True)
      ]
    return predictions

  def _scored(
    self, written: _Written, with_probabilities: bool
  ) -> list[Prediction]:
    """The predictions as the decoder's scores have them."""
    predictions, decoded = written.predictions, written.decoded
    if decoded.beginnings is None:
      return predictions
    rows = len(predictions)
    beginnings = multihost.gather_rows(decoded.beginnings)[:rows]
    if with_probabilities:
      predictions = _with(
        predictions,
        probabilities=self._probabilities(written, beginnings),
        embedding=multihost.gather_rows(decoded.pooled)[:rows],
      )
    if not self._beginnings.numbers:
      return predictions
    estimates = [
      {"greedy": each.parsed.fields["intensity"]}
      | self._beginnings.estimates(log_p)
      for each, log_p in zip(predictions, beginnings, strict=True)
    ]
    # Only now: what was written decides what the other fields follow.
    predicted = [
      _with_intensity(each.parsed, own.get(self._decoding.intensity))
      for each, own in zip(predictions, estimates, strict=True)
    ]
    return _with(predictions, estimates=estimates, parsed=predicted)

  def _probabilities(
    self, written: _Written, beginnings: np.ndarray
  ) -> list[Probabilities]:
    """Of the closed slots, for each row."""
    found = [
      {"polarity": self._beginnings.probabilities(log_p)}
      for log_p in beginnings
    ]
    if written.emotions is None:
      return found
    emotions = multihost.gather_rows(written.emotions)[: len(found)]
    return [
      first | self._emotions.probabilities(log_p, each.parsed)
      for first, log_p, each in zip(
        found, emotions, written.predictions, strict=True
      )
    ]

  def _texts(self, tokens: jax.Array, rows: int) -> list[str]:
    gathered = multihost.gather_rows(tokens)[:rows]
    return [self._tokenizer.decode(row) for row in gathered]

  def _shared_out(self, trees: TextTree) -> TextTree:
    """The trees of this process's rows, on its devices."""
    own = sharding.own_rows(self.batch_size, self._mesh)
    mine = jax.tree.map(lambda leaf: leaf[own], trees)
    return sharding.shard_batch(mine, self._mesh)


def _ahead(values: Iterable[Any]) -> Iterator[Any]:
  """The values, each once the next one has been asked for."""
  first, second = itertools.tee(values)
  next(second, None)
  for value, _ in itertools.zip_longest(first, second):
    yield value


def _with(
  predictions: Sequence[Prediction], **columns: Iterable[Any]
) -> list[Prediction]:
  """The predictions with some fields of each replaced."""
  return [
    dataclasses.replace(each, **dict(zip(columns, values, strict=True)))
    for each, *values in zip(predictions, *columns.values(), strict=True)
  ]


def _decode(
  model: UniMSE,
  decoding: DecodingConfig,
  automata: Sequence[grammar.TokenAutomaton],
  beginnings: TextTree,
  params: Any,
  batch: Mapping[str, jax.Array],
  scored: bool,
) -> _Decoded:
  """Tokens of each automaton, and the scores of what a label may begin with."""
  encoded, kept = model.apply(
    {"params": params}, batch, method="encode", mutable=["intermediates"]
  )
  (fused,) = kept["intermediates"]["last_fused"]
  # What the decoder may see of the encoded text.
  mask = decoder_mask(model.config, batch)
  tokens = [
    generate.search(
      model,
      params,
      encoded,
      mask,
      automaton,
      decoding.max_new_tokens,
      decoding.beams,
      decoding.length_penalty,
    )
    for automaton in automata
  ]
  _, cross = model.apply({"params": params}, encoded, 1, method="start_cache")
  log_p = None
  if scored:
    log_p = text_tree.packed_log_probabilities(
      model, params, cross, mask, beginnings
    )
  pooled = masks.mean(fused, batch["encoder_mask"])
  heads = {}
  if decoding.emotion == "heads":
    heads = _read_heads(model, params, encoded, batch)
  return _Decoded(tokens, log_p, pooled, heads, cross, mask)


def _read_heads(
  model: UniMSE, params: Any, encoded: Encoded, batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """emotion slot -> float32[B, C], the heads' probabilities."""
  scores = model.apply({"params": params}, encoded, batch, method="read_heads")
  return {
    slot: jax.nn.softmax(values)
    for slot, values in scores.items()
    if slot != INTENSITY
  }


def _with_emotion(
  prediction: Prediction, slot: str, shares: dict[str, float]
) -> Prediction:
  """The prediction with a slot's most probable class.

  Where it has probabilities, those of the slot become these.
  """
  fields = dict(prediction.parsed.fields) | {slot: max(shares, key=shares.get)}
  parsed = dataclasses.replace(prediction.parsed, fields=fields)
  probabilities = prediction.probabilities
  if probabilities:
    probabilities = {**probabilities, slot: shares}
  return dataclasses.replace(
    prediction, parsed=parsed, probabilities=probabilities
  )


def _with_intensity(label: ParsedLabel, value: float | None) -> ParsedLabel:
  """The label with another number; the same where there is none."""
  if value is None:
    return label
  fields = dict(label.fields) | {"intensity": value}
  return dataclasses.replace(label, fields=fields)
