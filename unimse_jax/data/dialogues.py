"""Batches of whole dialogues, for systems that read one utterance by others."""

import bisect
import collections
import dataclasses
import heapq
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from unimse_jax.data.batching import Batch, BatchPlan
from unimse_jax.data.records import Record
from unimse_jax.errors import InputError

_STEP = 8  # the places of a dialogue are a multiple of it


@dataclasses.dataclass(frozen=True)
class Dialogues:
  """The utterances of a split by dialogue.

  Attributes:
    rows: row numbers of each dialogue, in the order of its turns. An utterance
      of no dialogue is one of its own.
    speakers: number of each row's speaker, 0, 1, ... in the order in which they
      first speak in the dialogue.
  """

  rows: tuple[tuple[int, ...], ...]
  speakers: tuple[int, ...]

  @classmethod
  def of(cls, records: Sequence[Record]) -> Self:
    """Groups the records of a split by corpus and dialogue.

    Raises:
      InputError: two utterances of a dialogue have the same turn.
    """
    groups: dict[tuple, list[int]] = collections.defaultdict(list)
    for row, record in enumerate(records):
      own = (record.corpus, record.dialogue) if record.dialogue else (row,)
      groups[own].append(row)
    _check_turns([records[row] for row in rows] for rows in groups.values())
    speakers = [0] * len(records)
    dialogues = []
    for rows in groups.values():
      rows.sort(key=lambda row: records[row].turn)
      numbers: dict[str, int] = {}
      for row in rows:
        name = records[row].speaker
        speakers[row] = numbers.setdefault(name, len(numbers))
      dialogues.append(tuple(rows))
    return cls(tuple(dialogues), tuple(speakers))

  @property
  def longest(self) -> int:
    """Utterances of the longest dialogue; 0 of an empty split."""
    return max(map(len, self.rows), default=0)

  def plans(
    self,
    lengths: Sequence[int],
    buckets: Sequence[int],
    size: int,
    rng: np.random.Generator | None = None,
  ) -> list[BatchPlan]:
    """Batches of at most `size` utterances, every dialogue in one of them.

    The longest first, each dialogue goes to the batch with the fewest
    utterances so far. So batches are about equal, and as many in every epoch.

    Args:
      lengths: tokens of each row.
      buckets: rising padded lengths; the last holds the longest row.
      size: B.
      rng: generator of an epoch's order; None for that of the split.

    Raises:
      InputError: a dialogue is longer than a batch.
    """
    if self.longest > size:
      raise InputError(
        f"config.train.batch_size: expected at least {self.longest}, the "
        "utterances of the longest dialogue, for a system that reads "
        f"dialogues whole; found {size}"
      )
    dialogues = list(self.rows)
    if rng is not None:
      dialogues = [
        dialogues[number] for number in rng.permutation(len(self.rows))
      ]
    dialogues.sort(key=len, reverse=True)
    count = -(-sum(map(len, dialogues)) // size)
    while max(map(len, batches := _deal(dialogues, count)), default=0) > size:
      count += 1
    plans = [_plan(batch, lengths, buckets) for batch in batches]
    if rng is not None:
      plans = [plans[number] for number in rng.permutation(len(plans))]
    return plans

  def arrays(self, rows: Sequence[int], divisor: int) -> Batch:
    """Which utterances of a batch make which dialogue.

    Args:
      rows: rows of the batch, dialogue after dialogue.
      divisor: number of devices that share a batch.

    Returns:
      `dialogue_rows` int32[N, U], place in the batch of each utterance of each
      dialogue, -1 after its last; `dialogue_speakers` int32[N, U], 0 there. N
      is a power of two times the divisor, U the split's own: few shapes.
    """
    places = {row: place for place, row in enumerate(rows)}
    own = [each for each in self.rows if each[0] in places]
    count = divisor
    while count < len(own):
      count *= 2
    width = -(-self.longest // _STEP) * _STEP
    found = np.full((count, width), -1, np.int32)
    speakers = np.zeros((count, width), np.int32)
    for number, dialogue in enumerate(own):
      found[number, : len(dialogue)] = [places[row] for row in dialogue]
      speakers[number, : len(dialogue)] = [
        self.speakers[row] for row in dialogue
      ]
    return {"dialogue_rows": found, "dialogue_speakers": speakers}


def _check_turns(dialogues: Iterable[Sequence[Record]]) -> None:
  """Refuses dialogues whose order the turns do not tell.

  Records are not in the order of their source. Exports of manifests that gave
  no turns used to have 0 in all of them.

  Raises:
    InputError: two utterances of a dialogue have the same turn; it names the
      first such dialogue of each corpus.
  """
  faults: dict[str, str] = {}
  for turns in dialogues:
    counts = collections.Counter(each.turn for each in turns)
    (turn, count), corpus = counts.most_common(1)[0], turns[0].corpus
    if count > 1 and corpus not in faults:
      faults[corpus] = (
        f"{corpus}, dialogue {turns[0].dialogue!r}: found turn {turn} in "
        f"{count} of {len(turns)} utterances"
      )
  if faults:
    raise InputError(
      "Expected utterances of a dialogue to differ in their turns, for a "
      "system that reads dialogues in their order:\n  "
      + "\n  ".join(faults.values())
      + "\nExport these corpora again, with --overwrite: a manifest's dialogue "
      "without turns now gets them in the order of its lines."
    )


def _deal(dialogues: Sequence[Sequence[int]], count: int) -> list[list[int]]:
  """The rows of dialogues, longest first, in batches of about equal size."""
  batches: list[list[int]] = [[] for _ in range(count)]
  sizes = [(0, number) for number in range(count)]
  for rows in dialogues:
    size, number = heapq.heappop(sizes)
    batches[number].extend(rows)
    heapq.heappush(sizes, (size + len(rows), number))
  return batches


def _plan(
  rows: Sequence[int], lengths: Sequence[int], buckets: Sequence[int]
) -> BatchPlan:
  longest = max(lengths[row] for row in rows)
  return BatchPlan(tuple(rows), buckets[bisect.bisect_left(buckets, longest)])
