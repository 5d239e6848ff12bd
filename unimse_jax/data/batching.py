"""Which examples make which batch, and the batch as arrays.

The order is a permutation of (seed, epoch), so the state of the input is the
step number: epoch and batch follow from it, and a run that was killed goes on
with the very batch that it would have seen.
"""

import bisect
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures

import numpy as np

from unimse_jax.config import AugmentConfig, DataConfig
from unimse_jax.data import augmentation, packing, sampling
from unimse_jax.data.features import FeatureTransform, as_read
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import Record
from unimse_jax.data.tokenizer import EOS, PAD
from unimse_jax.labels import UniversalLabel

# Of the generator that redraws a row's target.
_TARGETS = 1
# Share of the texts that no batch is made longer for than it needs to be.
_USUAL = 0.99
# Deals, and batches of them, those with the most tokens, that the length of the
# encoder's rows is chosen by.
_TRIALS = 4
_JUDGED = 48
# Steps of an epoch whose work a shape more must spare: compiling takes as long
# as some tens of steps.
_WORTH = 100

Batch = dict[str, np.ndarray]
# (numbers of rows, their records, B) -> arrays of B rows besides those of the
# collator.
Annotate = Callable[[Sequence[int], Sequence[Record], int], Batch]
# (label, generator) -> target tokens with </s>, and the weight of each.
Redraw = Callable[
  [UniversalLabel, np.random.Generator], tuple[list[int], list[float]]
]


@dataclasses.dataclass(frozen=True)
class Encoded:
  """The tokens of one utterance, and of the label that it is to be given.

  Attributes:
    tokens: encoder tokens with </s>.
    segments: segment id of each, see `data.inputs.encode`.
    target: label text with </s>; empty where the label is not known.
    weights: weight of each target token in the loss.
  """

  tokens: Sequence[int]
  segments: Sequence[int]
  target: Sequence[int] = ()
  weights: Sequence[float] = ()


@dataclasses.dataclass(frozen=True)
class BatchPlan:
  """Which rows make a batch, and its shape.

  Attributes:
    rows: row numbers, at most the batch size.
    length: S, the padded length of a text.
    packed: number p and length R of the encoder's rows that the texts of each
      group share (`data.packing`); None where each text has its own.
  """

  rows: tuple[int, ...]
  length: int
  packed: tuple[int, int] | None = None

  def rows_at(self, places: Sequence[int]) -> list[int]:
    """The rows at some of its places; a last batch does not fill all."""
    return [self.rows[place] for place in places if place < len(self.rows)]

  @property
  def shape(self) -> tuple[int, tuple[int, int] | None]:
    """What a program is compiled for: S, p and R."""
    return self.length, self.packed


def plan_epoch(
  lengths: Sequence[int],
  corpora: Sequence[str],
  buckets: Sequence[int],
  groups: np.ndarray,
  seed: int,
  epoch: int,
  temperature: float = 1.0,
  packs: bool = True,
) -> list[BatchPlan]:
  """Batches of one epoch, each with every corpus's share of the rows.

  Rows are dealt like cards: sorted by corpus and length, each run of as many
  rows as there are batches gives one row to each, at random. So the batches
  have about as many tokens, and pack into as many rows of the encoder. The
  longest texts, a hundredth, would make all batches longer: they are left out
  of that and fill batches of their own. The batches come in random order.

  Every row comes exactly once, or as often as its corpus's share asks for. The
  number of batches is the same in every epoch, and their sizes differ by at
  most one row.

  Args:
    lengths: tokens of each row.
    corpora: corpus of each row.
    buckets: rising padded lengths; the last holds the longest row.
    groups: int64[G, b], the parts of a full batch, see `packing.group_rows`.
    seed: number that the order is drawn from.
    epoch: from 0.
    temperature: evens out the corpora's shares, see `sampling`.
    packs: whether texts share rows of the encoder, where that saves any.
  """
  rng = np.random.default_rng([seed, epoch])
  known = np.asarray(lengths)
  _, numbers = np.unique(np.asarray(corpora), return_inverse=True)
  rows = rng.permutation(sampling.draw(corpora, temperature, rng))
  rows = rows[np.argsort(known[rows], kind="stable")]
  count = -(-len(rows) // groups.size)
  edges = np.arange(count + 1) * len(rows) // count
  usual = buckets[bisect.bisect_left(buckets, np.quantile(known, _USUAL))]
  dealt = count
  while dealt and known[rows[edges[dealt] - 1]] > usual:
    dealt -= 1
  short = rows[: edges[dealt]]
  short = short[np.argsort(numbers[short], kind="stable")]
  long = [
    rows[edges[place] : edges[place + 1]] for place in range(dealt, count)
  ]
  # Shapes must not depend on the epoch: others are dealt to choose them by.
  typical = []
  for trial in range(_TRIALS):
    typical += _deal(short, dealt, np.random.default_rng(trial))
  plan = functools.partial(
    _plan_alike, lengths=known, buckets=buckets, groups=groups, packs=packs
  )
  plans = plan(_deal(short, dealt, rng), typical) + plan(long, long)
  return [plans[place] for place in rng.permutation(len(plans))]


def _deal(
  rows: np.ndarray, count: int, rng: np.random.Generator
) -> list[np.ndarray]:
  """One row of each run of `count` rows to each of as many batches."""
  if not count:
    return []
  runs = np.pad(rows, (0, -len(rows) % count), constant_values=-1)
  dealt = rng.permuted(runs.reshape(-1, count), axis=1)
  return [batch[batch >= 0] for batch in dealt.T]


def _plan_alike(
  batches: Sequence[np.ndarray],
  typical: Sequence[np.ndarray],
  *,
  lengths: np.ndarray,
  buckets: Sequence[int],
  groups: np.ndarray,
  packs: bool,
) -> list[BatchPlan]:
  """Plans of one shape for all of the batches, or of two that spare work.

  In small batches the fullest needs many more rows than most do.

  Args:
    batches: rows of each.
    typical: rows of batches like these, that the shapes are chosen by.
    lengths: int64[N], tokens of each row.
    buckets: as of `plan_epoch`, like the rest.
    groups: parts of a batch.
    packs: whether to pack.
  """
  if not batches:
    return []

  def spread(batch: np.ndarray) -> np.ndarray:
    return batch[packing.spread(lengths[batch], groups)]

  def rows_needed(batch: np.ndarray) -> int:
    return packing.rows_needed([lengths[batch]], room, groups)

  longest = max(lengths[batch].max() for batch in batches)
  length = buckets[bisect.bisect_left(buckets, longest)]
  if not packs:
    return [BatchPlan(tuple(batch.tolist()), length) for batch in batches]
  fullest = sorted(typical, key=lambda batch: lengths[batch].sum())[-_JUDGED:]
  room = packing.row_length(
    [lengths[spread(batch)] for batch in fullest], length, groups
  )
  batches = [spread(batch) for batch in batches]
  needs = [rows_needed(batch) for batch in batches]
  few, most = 0, max(needs)
  if len(batches) > _WORTH:
    usual = [rows_needed(spread(each)) for each in typical[: len(batches)]]
    few = packing.fewer_rows(usual, worth=_WORTH)
  plans = []
  for batch, need in zip(batches, needs, strict=True):
    rows = few if need <= few else most
    packed = (rows, room) if rows < groups.shape[1] else None
    plans.append(BatchPlan(tuple(batch.tolist()), length, packed))
  return plans


def plan_in_order(
  lengths: Sequence[int], buckets: Sequence[int], batch_size: int
) -> list[BatchPlan]:
  """Batches for evaluation: by length, every row once."""
  order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
  plans = []
  for start in range(0, len(order), batch_size):
    rows = tuple(order[start : start + batch_size])
    longest = lengths[rows[-1]]
    plans.append(BatchPlan(rows, buckets[bisect.bisect_left(buckets, longest)]))
  return plans


def _padded(rows: Sequence[Sequence[int]], size: int, length: int):
  values = np.full((size, length), PAD, np.int32)
  for row, items in enumerate(rows):
    values[row, : len(items)] = items
  return values


def _mask(rows: Sequence[Sequence[int]], size: int, length: int) -> np.ndarray:
  counts = np.zeros(size, np.int64)
  counts[: len(rows)] = [len(row) for row in rows]
  return np.arange(length)[None, :] < counts[:, None]


def collate_text(
  rows: Sequence[Encoded], size: int, length: int, target_length: int
) -> Batch:
  """Token arrays of `size` rows; rows beyond the given ones are empty.

  Returns:
    encoder_input_tokens, segment_ids int32[B, S]; encoder_mask bool[B, S];
    decoder_input_tokens (pad first), decoder_target_tokens int32[B, T];
    loss_weights float32[B, T], the rows' weights, 0 at padding.
  """
  weights = np.zeros((size, target_length), np.float32)
  for number, row in enumerate(rows):
    own = row.weights[:target_length]
    weights[number, : len(own)] = own
  # A target too long is cut but ends: the model must learn to stop.
  targets = [
    row.target
    if len(row.target) <= target_length
    else [*row.target[: target_length - 1], EOS]
    for row in rows
  ]
  target = _padded(targets, size, target_length)
  return {
    "encoder_input_tokens": _padded([row.tokens for row in rows], size, length),
    "segment_ids": _padded([row.segments for row in rows], size, length),
    "encoder_mask": _mask([row.tokens for row in rows], size, length),
    "decoder_input_tokens": np.pad(target[:, :-1], ((0, 0), (1, 0))),
    "decoder_target_tokens": target,
    "loss_weights": weights,
  }


def collate_frames(
  rows: Sequence[np.ndarray], size: int, frames: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
  """float32[B, frames, width] and bool[B, frames]; later frames are cut."""
  values = np.zeros((size, frames, width), np.float32)
  for row, items in enumerate(rows):
    values[row, : len(items)] = items[:frames]
  return values, _mask([row[:frames] for row in rows], size, frames)


@dataclasses.dataclass(frozen=True)
class Collator:
  """Tokens and frames of some rows -> the arrays that the model reads.

  Attributes:
    transform: brings frames to the scale that the model reads.
    config: which modalities, and how many frames of each.
    augment: changes that training makes to the voices.
    target_length: T.
  """

  transform: FeatureTransform
  config: DataConfig
  augment: AugmentConfig
  target_length: int

  def bucket(self, length: int) -> int:
    """The padded length of rows of at most `length` tokens."""
    buckets = self.config.buckets
    return buckets[bisect.bisect_left(buckets, length)]

  def collate(
    self,
    rows: Sequence[Encoded],
    frames: Sequence[dict[str, np.ndarray]],
    size: int,
    length: int,
    generators: Sequence[np.random.Generator] | None = None,
  ) -> Batch:
    """`collate_text`, and `audio`, `audio_mask`, `video`, `video_mask`.

    Args:
      rows: tokens.
      frames: frames of each row, as records hold them.
      size: B; rows beyond the given ones are empty.
      length: S.
      generators: random generator of each row's augmentation; None for none.
    """
    batch = collate_text(rows, size, length, self.target_length)
    frames = [
      self._scaled(row, generators and generators[number])
      for number, row in enumerate(frames)
    ]
    for name, limit in self.config.frames.items():
      batch[name], batch[f"{name}_mask"] = collate_frames(
        [row[name] for row in frames], size, limit, self.transform.width(name)
      )
    return batch

  def _scaled(
    self, frames: dict[str, np.ndarray], rng: np.random.Generator | None
  ) -> dict[str, np.ndarray]:
    """The frames of one row as the model reads them."""
    names = self.config.modalities
    changed = rng is not None and "audio" in names
    if changed:
      audio = augmentation.perturb(frames["audio"], self.augment, rng)
      frames = {**frames, "audio": audio}
    frames = as_read(frames, self.config)
    scaled = {name: self.transform(name, frames[name]) for name in names}
    if changed:
      scaled["audio"] = augmentation.mask(scaled["audio"], self.augment, rng)
    return scaled


@dataclasses.dataclass(frozen=True)
class Batcher:
  """Turns plans into batches of one split.

  Attributes:
    mixture: corpora whose records are read.
    split: train, validation or test.
    encoded: tokens of every example of the split.
    collator: makes the arrays.
    redraw: another target, with its weights, for a label; None where targets
      are always the same.
    annotate: what the corpora say of the rows, for models with heads that learn
      that; None for those that learn to write labels alone.
  """

  mixture: Mixture
  split: str
  encoded: Sequence[Encoded]
  collator: Collator
  redraw: Redraw | None = None
  annotate: Annotate | None = None

  @property
  def lengths(self) -> list[int]:
    return [len(row.tokens) for row in self.encoded]

  @property
  def corpora(self) -> list[str]:
    """Of each row."""
    return [each.corpus for each in self.mixture.examples[self.split]]

  def batch(
    self,
    plan: BatchPlan,
    size: int,
    own: Sequence[int],
    draw: tuple[int, int] | None = None,
  ) -> Batch:
    """The rows `own` (this process's) of a batch padded to `size` rows.

    Args:
      plan: the whole batch.
      size: rows of the whole batch.
      own: numbers of this process's rows, rising.
      draw: (seed, step) of a training batch, from which the augmentation and
        the redrawn target of each row follow; None: rows as they are.
    """
    chosen = plan.rows_at(own)
    examples = self.mixture.examples[self.split]
    frames = [
      self.mixture.frames(self.split, examples[row])
      for row in (chosen if self.collator.config.modalities else ())
    ]
    rows = [self._encoded(row, draw) for row in chosen]
    generators = None
    if draw is not None and augmentation.is_on(self.collator.augment):
      generators = [np.random.default_rng([*draw, row]) for row in chosen]
    batch = self.collator.collate(
      rows, frames, len(own), plan.length, generators
    )
    if self.annotate is None:
      return batch
    return batch | self.annotate(
      chosen, [examples[row] for row in chosen], len(own)
    )

  def _encoded(self, row: int, draw: tuple[int, int] | None) -> Encoded:
    """An example's tokens; its target redrawn where the split's are."""
    encoded = self.encoded[row]
    if self.redraw is None or draw is None:
      return encoded
    label = self.mixture.examples[self.split][row].label
    # Not the generator of the frames' augmentation: the two are independent.
    rng = np.random.default_rng([*draw, row, _TARGETS])
    target, weights = self.redraw(label, rng)
    # One that would be cut, and so lose its end, keeps the target it has.
    if len(target) > max(self.collator.target_length, len(encoded.target)):
      return encoded
    return dataclasses.replace(encoded, target=target, weights=weights)


def prefetch(
  make: Callable[[int], Batch], numbers: Sequence[int], ahead: int = 2
) -> Iterator[Batch]:
  """`make(number)` in order, `ahead` of them made at once, a thread each."""
  with futures.ThreadPoolExecutor(ahead) as pool:
    waiting = [pool.submit(make, number) for number in numbers[:ahead]]
    try:
      for place in range(len(numbers)):
        batch = waiting.pop(0).result()
        if place + ahead < len(numbers):
          waiting.append(pool.submit(make, numbers[place + ahead]))
        yield batch
    finally:
      for future in waiting:
        future.cancel()
