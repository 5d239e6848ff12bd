"""Batches in, labels with probabilities out: what eval and predict share."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from unimse_jax.data.batching import Batch
from unimse_jax.data.tokenizer import EOS
from unimse_jax.decoding import generate, grammar, intensity, probabilities
from unimse_jax.labels import ParsedLabel
from unimse_jax.models import decoder_mask
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
    parsed: the text as fields; the intensity is that which
      config.decoding.intensity asks for.
    probabilities: of the closed slots; empty where they were not asked for; a
      slot is missing where a field before it was malformed.
    free: what the model writes without the grammar; None where `output` is
      that, or it was not asked for.
    intensity: "greedy" (the number as written, None where it was malformed),
      "mean" and "median" of the distribution over all numbers, whatever
      polarity they follow; empty where they were not asked for.
    embedding: float32[D], mean over the tokens of the last fused encoder layer
      (F^(j), Figure 4); None where probabilities were not asked for.
  """

  output: str
  parsed: ParsedLabel
  probabilities: Probabilities
  free: ParsedLabel | None = None
  intensity: Mapping[str, float | None] = dataclasses.field(
    default_factory=dict
  )
  embedding: np.ndarray | None = dataclasses.field(default=None, compare=False)


class Labeller:
  """Decodes batches with compiled functions."""

  def __init__(self, pipeline: Pipeline, mesh: Mesh, also_free: bool = True):
    """Makes the tables of the grammar.

    Args:
      pipeline: whose labels are written.
      mesh: devices to run on.
      also_free: decodes without the grammar too, from the same encoded batch,
        where the config asks for the grammar.

    Raises:
      InputError: the vocabulary cannot write the labels, or not in the
        config's number of tokens.
    """
    self._pipeline, self._mesh = pipeline, mesh
    self._generate = jax.jit(_generator(pipeline, also_free))
    self._score = jax.jit(
      functools.partial(probabilities.log_probabilities, pipeline.model)
    )
    self._numbers = None
    if "intensity" in pipeline.label_text.slots:
      self._numbers = _Numbers(pipeline)

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
      params: the model's parameters.
      arrays: this process's rows of a batch of `batch_size` rows.
      rows: rows, over all processes, that hold an utterance.
      with_probabilities: scores the closed slots too.
    """
    batch = sharding.shard_batch(arrays, self._mesh)
    outputs, encoded, mask, pooled = self._generate(params, batch)
    texts = [self._texts(tokens, rows) for tokens in outputs]
    parsed = [*map(self._pipeline.label_text.parse, texts[0])]
    free: Sequence[ParsedLabel | None] = [None] * rows
    if len(texts) > 1:
      free = [*map(self._pipeline.label_text.parse, texts[1])]
    scored: list[Probabilities] = [{} for _ in parsed]
    numbers: list[Mapping[str, float | None]] = [{} for _ in parsed]
    embeddings: Sequence[np.ndarray | None] = [None] * rows
    if with_probabilities:
      embeddings = [*multihost.gather_rows(pooled)[:rows]]
      scored = self._probabilities(params, encoded, mask, parsed)
    chosen = self._pipeline.config.decoding.intensity
    if self._numbers and (with_probabilities or chosen != "greedy"):
      numbers = self._intensities(params, encoded, mask, parsed)
      # Only now: what was written decides what the other fields follow.
      parsed = [
        _with_intensity(label, number.get(chosen))
        for label, number in zip(parsed, numbers, strict=True)
      ]
    return [
      Labelled(*parts)
      for parts in zip(
        texts[0], parsed, scored, free, numbers, embeddings, strict=True
      )
    ]

  def _texts(self, tokens: jax.Array, rows: int) -> list[str]:
    found = multihost.gather_rows(tokens)[:rows]
    return [self._pipeline.tokenizer.decode(row) for row in found]

  def _intensities(
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
    text = self._pipeline.label_text
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
    pipeline = self._pipeline
    last = pipeline.label_text.slots[-1]
    found: dict[tuple[int, int], list[int]] = {}
    for row, label in enumerate(parsed):
      polarity = label.fields["polarity"] or ""
      for place, (slot, word) in enumerate(words):
        text = probabilities.candidate(
          label.fields, slot, word, pipeline.label_text
        )
        legal = word in pipeline.label_text.words_after(polarity, slot)
        if legal and text is not None:
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
  """Probabilities of one row; float32[words], bool[words].

  A class that has no text has probability 0, a slot without any none.
  """
  found: Probabilities = {}
  for slot in dict.fromkeys(slot for slot, _ in words):
    places = [place for place, (name, _) in enumerate(words) if name == slot]
    if known[places].any():
      values = probabilities.normalized(
        np.where(known[places], log_p[places], -np.inf)
      )
      found[slot] = {
        words[place][1]: float(value)
        for place, value in zip(places, values, strict=True)
      }
  return found


def _generator(
  pipeline: Pipeline, also_free: bool
) -> Callable[[Any, Any], tuple]:
  """(params, batch) -> tokens (those without grammar too), encoded, mask, and
  float32[B, D] of `Labelled.embedding`.
  """
  config, model = pipeline.config.decoding, pipeline.model
  free = grammar.free(model.config.t5.vocab_size)
  automata = [free]
  if config.constrained:
    legal = grammar.compile_grammar(
      pipeline.label_text,
      pipeline.tokenizer,
      config.max_new_tokens + 1,
    )
    automata = [legal, free] if also_free else [legal]

  def generate_all(params: Any, batch: Mapping[str, jax.Array]) -> tuple:
    encoded, kept = model.apply(
      {"params": params}, batch, method="encode", mutable=["intermediates"]
    )
    (fused,) = kept["intermediates"]["last_fused"]
    # What the decoder may see of the encoded text.
    mask = decoder_mask(model.config, batch)
    found = [
      generate.search(
        model,
        params,
        encoded,
        mask,
        automaton,
        config.max_new_tokens,
        config.beams,
        config.length_penalty,
      )
      for automaton in automata
    ]
    pooled = _mean_over_tokens(fused, batch["encoder_mask"])
    return found, encoded, mask, pooled

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

  def __init__(self, pipeline: Pipeline):
    text = pipeline.label_text
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
    self.packed = intensity.pack(
      [self._tokens(pipeline, *pair) + end for pair in pairs]
    )
    self.score = jax.jit(
      functools.partial(intensity.log_probabilities, pipeline.model)
    )

  def _tokens(self, pipeline: Pipeline, polarity: str, word: str) -> list[int]:
    text = probabilities.candidate(
      {"polarity": polarity}, "intensity", word, pipeline.label_text
    )
    return pipeline.tokenizer.encode(text)

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
