"""Batches in, labels with probabilities out: what eval and predict share."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from unimse_jax.config import DecodingConfig
from unimse_jax.data.batching import Batch
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.decoding import generate, grammar, intensity, probabilities
from unimse_jax.labels import LabelText, ParsedLabel
from unimse_jax.models import UniMSE, decoder_mask
from unimse_jax.parallel import multihost, sharding
from unimse_jax.prediction.prediction import Prediction, Probabilities

_LENGTH_STEP = 8  # tokens


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
    """Makes the tables of the grammar.

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
    self._generate = jax.jit(_generator(model, decoding, automata))
    self._score = jax.jit(
      functools.partial(probabilities.log_probabilities, model)
    )
    self._numbers = None
    if "intensity" in label_text.slots:
      self._numbers = _Numbers(model, tokenizer, label_text)

  @property
  def batch_size(self) -> int:
    """The config's batch size, rounded up to what the mesh can share out."""
    divisor = sharding.batch_divisor(self._mesh)
    return -(-self._decoding.batch_size // divisor) * divisor

  def label(
    self, params: Any, arrays: Batch, rows: int, with_probabilities: bool
  ) -> list[Prediction]:
    """Predictions for the first `rows` rows of a batch.

    Args:
      params: the model's parameters.
      arrays: this process's rows of a batch of `batch_size` rows.
      rows: number of rows, over all processes, that hold an utterance.
      with_probabilities: whether to score the closed slots and the numbers.
    """
    if self._mesh.shape["fsdp"] > 1:
      params = self._gather(params)
    batch = sharding.shard_batch(arrays, self._mesh)
    outputs, encoded, mask, pooled = self._generate(params, batch)
    texts, *free_texts = [self._texts(tokens, rows) for tokens in outputs]
    written = [Prediction(text, self._label_text.parse(text)) for text in texts]
    if free_texts:
      free = map(self._label_text.parse, free_texts[0])
      written = _with(written, free=free)
    parsed = [each.parsed for each in written]
    if with_probabilities:
      written = _with(
        written,
        probabilities=self._probabilities(params, encoded, mask, parsed),
        embedding=multihost.gather_rows(pooled)[:rows],
      )
    chosen = self._decoding.intensity
    if self._numbers and (with_probabilities or chosen != "greedy"):
      estimates = self._estimates(params, encoded, mask, parsed)
      # Only now: what was written decides what the other fields follow.
      predicted = [
        _with_intensity(label, own.get(chosen))
        for label, own in zip(parsed, estimates, strict=True)
      ]
      written = _with(written, estimates=estimates, parsed=predicted)
    return written

  def _texts(self, tokens: jax.Array, rows: int) -> list[str]:
    gathered = multihost.gather_rows(tokens)[:rows]
    return [self._tokenizer.decode(row) for row in gathered]

  def _estimates(
    self,
    params: Any,
    encoded: jax.Array,
    encoder_mask: jax.Array,
    parsed: Sequence[ParsedLabel],
  ) -> list[Mapping[str, float | None]]:
    """The number as written, and the estimates of its distribution."""
    log_p = self._numbers.score(
      params, encoded, encoder_mask, self._numbers.packed
    )
    log_p = multihost.gather_rows(log_p)[: len(parsed)]
    return [
      {"greedy": label.fields["intensity"], **self._numbers.estimates(row)}
      for row, label in zip(log_p, parsed, strict=True)
    ]

  def _probabilities(
    self,
    params: Any,
    encoded: jax.Array,
    encoder_mask: jax.Array,
    parsed: Sequence[ParsedLabel],
  ) -> list[Probabilities]:
    """Class probabilities of all closed slots of a batch's rows."""
    text = self._label_text
    slots = [slot for slot in text.slots if slot != "intensity"]
    words = [(slot, word) for slot in slots for word in text.words(slot)]
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

    A slot after a malformed field has no text, nor has a class that may not
    follow the row's polarity: those rows stay empty.
    """
    label_text = self._label_text
    last = label_text.slots[-1]
    candidates: dict[tuple[int, int], list[int]] = {}
    for row, label in enumerate(parsed):
      polarity = label.fields["polarity"] or ""
      for place, (slot, word) in enumerate(words):
        text = probabilities.candidate(label.fields, slot, word, label_text)
        legal = word in label_text.words_after(polarity, slot)
        if legal and text is not None:
          tokens = self._tokenizer.encode(text) + [EOS] * (slot == last)
          candidates[place, row] = tokens
    longest = max(map(len, candidates.values()), default=1)
    # Few lengths, so that few shapes are compiled.
    length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    targets = np.zeros((len(words), self.batch_size, length), np.int32)
    for (place, row), tokens in candidates.items():
      targets[place, row, : len(tokens)] = tokens
    return targets


def _with(
  predictions: Sequence[Prediction], **columns: Iterable[Any]
) -> list[Prediction]:
  """The predictions with some fields of each replaced."""
  return [
    dataclasses.replace(each, **dict(zip(columns, values, strict=True)))
    for each, *values in zip(predictions, *columns.values(), strict=True)
  ]


def _by_slot(
  log_p: np.ndarray, words: Sequence[tuple[str, str]], known: np.ndarray
) -> Probabilities:
  """Probabilities of one row; float32[words], bool[words].

  A class that has no text has probability 0, a slot without any none.
  """
  by_slot: Probabilities = {}
  for slot in dict.fromkeys(slot for slot, _ in words):
    places = [place for place, (name, _) in enumerate(words) if name == slot]
    if known[places].any():
      values = probabilities.normalized(
        np.where(known[places], log_p[places], -np.inf)
      )
      by_slot[slot] = {
        words[place][1]: float(value)
        for place, value in zip(places, values, strict=True)
      }
  return by_slot


def _generator(
  model: UniMSE,
  decoding: DecodingConfig,
  automata: Sequence[grammar.TokenAutomaton],
) -> Callable[[Any, Any], tuple]:
  """(params, batch) -> tokens of each automaton, encoded, mask, and
  float32[B, D] of `Prediction.embedding`.
  """

  def generate_all(params: Any, batch: Mapping[str, jax.Array]) -> tuple:
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
    pooled = _mean_over_tokens(fused, batch["encoder_mask"])
    return tokens, encoded, mask, pooled

  return generate_all


def _mean_over_tokens(values: jax.Array, mask: jax.Array) -> jax.Array:
  """[B, S, D], bool[B, S] -> float32[B, D]; zeros for a row without tokens."""
  weights = mask[..., None].astype(jnp.float32)
  total = (values.astype(jnp.float32) * weights).sum(axis=1)
  return total / jnp.maximum(weights.sum(axis=1), 1.0)


class _Numbers:
  """All that a label may begin with, up to its number.

  The distribution over numbers sums over the polarities: a number that follows
  the polarity that happened to be written is wrong whenever that is.
  """

  def __init__(self, model: UniMSE, tokenizer: Tokenizer, text: LabelText):
    pairs = [
      (polarity, word)
      for polarity in text.words("polarity")
      # Rising, so that neighbours share their beginnings.
      for word in sorted(text.words_after(polarity, "intensity"), key=float)
    ]
    values = np.array([text.number(word) for _, word in pairs])
    self._rising = np.argsort(values, kind="stable")
    self._values = values[self._rising]
    end = [EOS] * (text.slots[-1] == "intensity")
    beginnings = [
      probabilities.candidate({"polarity": polarity}, "intensity", word, text)
      for polarity, word in pairs
    ]
    self.packed = intensity.pack(
      [tokenizer.encode(each) + end for each in beginnings]
    )
    self.score = jax.jit(functools.partial(intensity.log_probabilities, model))

  def estimates(self, log_p: np.ndarray) -> Mapping[str, float]:
    """Estimates of one row's number; float32[G * M], as they are packed."""
    shares = probabilities.normalized(log_p[self._rising])
    return intensity.estimates(self._values, shares)


def _with_intensity(label: ParsedLabel, value: float | None) -> ParsedLabel:
  """The label with another number; the same where there is none."""
  if value is None:
    return label
  fields = dict(label.fields) | {"intensity": value}
  return dataclasses.replace(label, fields=fields)
