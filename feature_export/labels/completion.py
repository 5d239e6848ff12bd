"""Completes labels by the nearest text (paper, section 3.2 and Fig. 3).

A sample whose corpus annotates no intensity (or no emotion of a scheme) takes
it from a donor: the sample of the most similar text among those that have the
same polarity and are annotated with that slot. Pure functions; nothing here
reads files or runs an encoder.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from feature_export.corpora.schemes import POLARITIES
from feature_export.corpora.utterance import SPLITS, polarity_of_intensity
from feature_export.errors import InputError, list_faults
from feature_export.labels.nearest import TIE, search
from feature_export.options import option

INTENSITY = "intensity"  # the slot's name; emotion slots bear the scheme's
DONOR_POOLS = ("train", "all_splits")
TIE_RULES = ("lowest", "majority", "top_k")
NEUTRAL_RULES = ("as_others", "constants")
DONOR_CLASSES = ("scheme", "authors_drop")
OWN_CLASS, DONOR_CLASS = "own_class", "donor_class"  # why samples are dropped
NEUTRAL = "neutral"  # the polarity, and the class that most schemes have


@dataclass(frozen=True)
class Sample:
  """The text and the labels of a record.

  Attributes:
    corpus, split, id: names that are unique together.
    text: words said.
    polarity: negative, neutral or positive.
    intensity: annotated intensity, or None.
    emotions: scheme name -> annotated class.
    dialogue: name of the dialogue; "": none.
  """

  corpus: str
  split: str
  id: str
  text: str
  polarity: str
  intensity: float | None = None
  emotions: dict[str, str] = field(default_factory=dict)
  dialogue: str = ""

  @property
  def key(self) -> tuple[str, str, str]:
    """What identifies a sample."""
    return (self.corpus, self.split, self.id)

  @property
  def order(self) -> tuple[str, int, str]:
    """What orders donors that tie: train before validation before test.

    By their names, test would come first and give its labels to all others.
    """
    return (self.corpus, SPLITS.index(self.split), self.id)

  def label(self, slot: str) -> float | str | None:
    """The annotation of a slot, or None."""
    if slot == INTENSITY:
      return self.intensity
    return self.emotions.get(slot)


@dataclass(frozen=True)
class Donor:
  """Where a completed label comes from.

  Attributes:
    sample: sample whose label is taken.
    similarity: cosine of the two texts' embeddings.
    ties: number of other samples that are as similar.
  """

  sample: Sample
  similarity: float
  ties: int = 0


@dataclass(frozen=True)
class Rules:
  """How donors are chosen (decisions D34 to D37).

  Attributes:
    device: device of torch that compares embeddings.
  """

  donors: str = option(
    "Splits that donors come from; all_splits, as in the authors' code, leaks "
    "test labels into training.",
    "train",
    choices=DONOR_POOLS,
  )
  ties: str = option(
    "Choice among equally similar donors: the lowest (corpus, split, id), one "
    "with the label of their majority, or one with the label that the --k most "
    "similar samples vote for.",
    "lowest",
    choices=TIE_RULES,
  )
  k: int = option("Number of voters of --ties top_k.", 5)
  neutral: str = option(
    "Donors of neutral samples: chosen as_others, or the constants 0 and "
    "neutral, as in the authors' code.",
    "as_others",
    choices=NEUTRAL_RULES,
  )
  # `drop_outside` must follow authors_drop.
  donor_classes: str = option(
    "Classes that donate: the scheme's; or, with authors_drop, any, and a "
    "training record that gets one outside the task's has no label and is "
    "left out.",
    "scheme",
    choices=DONOR_CLASSES,
  )
  device: str = "cpu"


def _group_by_text(
  samples: Sequence[Sample], text_rows: np.ndarray, positions: Sequence[int]
) -> list[list[int]]:
  """Groups the positions of equal texts, in (corpus, split, id) order."""
  groups = defaultdict(list)
  for position in sorted(positions, key=lambda at: samples[at].order):
    groups[int(text_rows[position])].append(position)
  return list(groups.values())


def _elect(samples: Sequence[Sample], voters: Sequence[int], slot: str) -> int:
  """The first voter with the winning label.

  The winner is the median of intensities (the lower of the two in the middle,
  so that it is a real sample's), or the most frequent emotion (the first of
  equally frequent ones).
  """
  labels = [samples[voter].label(slot) for voter in voters]
  if slot == INTENSITY:
    winner = sorted(labels)[(len(labels) - 1) // 2]
  else:
    winner = max(labels, key=labels.count)
  return voters[labels.index(winner)]


def _choose(
  samples: Sequence[Sample],
  ranked: Sequence[tuple[float, int]],
  slot: str,
  rules: Rules,
) -> Donor:
  """Chooses a donor by the rule for ties.

  Args:
    samples: all samples.
    ranked: (cosine, position in `samples`) of the candidates, best first.
    slot: slot that is completed.
    rules: choice of donors.
  """
  best = max(cosine for cosine, _ in ranked)
  tied = sorted(
    (position for cosine, position in ranked if cosine >= best - TIE),
    key=lambda position: samples[position].order,
  )
  chosen = tied[0]
  if rules.ties == "majority":
    chosen = _elect(samples, tied, slot)
  elif rules.ties == "top_k":
    others = [each for _, each in ranked if each not in tied]
    chosen = _elect(samples, (tied + others)[: rules.k], slot)
  cosine = next(cosine for cosine, each in ranked if each == chosen)
  return Donor(samples[chosen], cosine, len(tied) - 1)


def _donors_of_polarity(
  samples: Sequence[Sample],
  text_rows: np.ndarray,
  embeddings: np.ndarray,
  receivers: Sequence[int],
  donors: Sequence[int],
  slot: str,
  rules: Rules,
) -> dict[int, Donor]:
  """Finds a donor for each receiver; all are positions, of one polarity."""
  groups = _group_by_text(samples, text_rows, donors)
  texts, inverse = np.unique(text_rows[receivers], return_inverse=True)
  neighbours = search(
    embeddings[texts],
    embeddings[[text_rows[group[0]] for group in groups]],
    rules.k if rules.ties == "top_k" else 1,
    rules.device,
  )
  chosen = []
  for row in range(len(texts)):
    ranked = [
      (float(cosine), position)
      for group, cosine in zip(*neighbours.of(row), strict=True)
      for position in groups[group]
    ]
    chosen.append(_choose(samples, ranked, slot, rules))
  return {
    receiver: chosen[row]
    for receiver, row in zip(receivers, inverse, strict=True)
  }


def _constant(slot: str, classes: Sequence[str] | None) -> Donor | None:
  """The made-up donor of a constant (D35), for neutral samples.

  None if the scheme has no neutral class.
  """
  if slot == INTENSITY:
    sample = Sample("constant", "train", NEUTRAL, "", NEUTRAL, 0.0)
  elif classes is None or NEUTRAL in classes:
    emotions = {slot: NEUTRAL}
    sample = Sample("constant", "train", NEUTRAL, "", NEUTRAL, None, emotions)
  else:
    return None
  return Donor(sample, 1.0)


def _may_donate(
  sample: Sample, slot: str, classes: Sequence[str] | None, rules: Rules
) -> bool:
  """Whether a sample is annotated with the slot, and may give its label."""
  if rules.donors == "train" and sample.split != "train":
    return False
  label = sample.label(slot)
  anything = classes is None or rules.donor_classes == "authors_drop"
  return label is not None and (anything or label in classes)


def find_donors(
  samples: Sequence[Sample],
  text_rows: np.ndarray,
  embeddings: np.ndarray,
  slot: str,
  classes: Sequence[str] | None = None,
  rules: Rules = Rules(),  # noqa: B008  (frozen)
) -> dict[int, Donor]:
  """Finds a donor for every sample that lacks a slot (Fig. 3).

  Args:
    samples: all samples of the mixture, of all splits.
    text_rows: int[len(samples)], each sample's row of `embeddings`; equal
      texts must share a row.
    embeddings: float32[U, D], rows of length 1.
    slot: "intensity" or the name of an emotion scheme.
    classes: classes of the scheme; samples of others donate only where `rules`
      let them. None: any label may be given.
    rules: choice of donors.

  Returns:
    position in `samples` -> donor. A sample whose polarity has no donor is
    left out: a donor of another polarity would contradict it.
  """
  receivers, donors = defaultdict(list), defaultdict(list)
  for position, sample in enumerate(samples):
    if sample.label(slot) is None:
      receivers[sample.polarity].append(position)
    elif _may_donate(sample, slot, classes, rules):
      donors[sample.polarity].append(position)
  donor_of = {}
  if rules.neutral == "constants" and (constant := _constant(slot, classes)):
    donor_of = dict.fromkeys(receivers.pop(NEUTRAL, ()), constant)
  for polarity in POLARITIES:
    if receivers[polarity] and donors[polarity]:
      donor_of |= _donors_of_polarity(
        samples,
        text_rows,
        embeddings,
        receivers[polarity],
        donors[polarity],
        slot,
        rules,
      )
  return donor_of


def drop_outside(
  samples: Sequence[Sample],
  completions: Sequence[dict[str, Donor]],
  classes: Mapping[str, Sequence[str]],
) -> tuple[list[dict[str, Donor]], dict[int, str]]:
  """Drops samples with classes outside the task, as the authors' code (D37).

  A sample whose own class is outside the task is dropped, and so is a training
  sample whose donor's class is. A validation or test sample with such a donor
  is kept without that slot, because in the authors' files it has its own
  annotation alone.

  Args:
    samples: all samples of the mixture.
    completions: slot -> donor, for each of the samples.
    classes: scheme name -> classes of the task.

  Returns:
    The donors that are left, for every sample, and position of a dropped
    sample -> `OWN_CLASS` or `DONOR_CLASS`.
  """
  kept, dropped = [], {}
  for position, (sample, donors) in enumerate(
    zip(samples, completions, strict=True)
  ):
    legal = {
      slot: donor
      for slot, donor in donors.items()
      if slot not in classes or donor.sample.label(slot) in classes[slot]
    }
    kept.append(legal)
    if any(word not in classes[slot] for slot, word in sample.emotions.items()):
      dropped[position] = OWN_CLASS
    elif len(legal) < len(donors) and sample.split == "train":
      dropped[position] = DONOR_CLASS
  return kept, dropped


def universal_label(
  sample: Sample, slots: Sequence[str], donors: dict[str, Donor]
) -> dict:
  """One row of the label file (docs/universal_label.md).

  Args:
    sample: sample that is labelled.
    slots: slots of the mixture: "intensity" and names of emotion schemes.
    donors: slot -> donor, for the slots that were completed.

  Returns:
    A dict for JSON; a slot with neither annotation nor donor is None.
  """
  values = {
    slot: donors[slot].sample.label(slot)
    if slot in donors
    else sample.label(slot)
    for slot in slots
  }
  row = {
    "id": sample.id,
    "corpus": sample.corpus,
    "split": sample.split,
    "polarity": sample.polarity,
  }
  if INTENSITY in values:
    row[INTENSITY] = values.pop(INTENSITY)
  row["emotions"] = values
  row["completed"] = {
    slot: {
      "donor": "/".join(donor.sample.key),
      "similarity": round(donor.similarity, 4),
    }
    for slot, donor in donors.items()
  }
  return row


def check_samples(samples: Sequence[Sample]) -> None:
  """Checks samples before they are completed.

  Raises:
    InputError: a sample twice, or a polarity that is missing or contradicts
      the sign of the intensity; with every fault.
  """
  twice, unknown, contrary, seen = [], [], [], set()
  for sample in samples:
    name = "/".join(sample.key)
    if sample.key in seen:
      twice.append(name)
    seen.add(sample.key)
    if sample.polarity not in POLARITIES:
      unknown.append(f"{name}: {sample.polarity!r}, {sample.emotions}")
    elif (
      sample.intensity is not None
      and polarity_of_intensity(sample.intensity) != sample.polarity
    ):
      contrary.append(f"{name}: {sample.polarity}, {sample.intensity}")
  kinds = {
    "the same id twice in a split": twice,
    "no polarity follows from polarity, intensity or scheme": unknown,
    "polarity contradicts the sign of the intensity": contrary,
  }
  faults = [list_faults(kind, each) for kind, each in kinds.items() if each]
  if faults:
    raise InputError(
      "These records cannot get universal labels:\n"
      + "\n".join(faults)
      + "\nCorrect the corpus and export it again."
    )


def check_labels(rows: Sequence[dict]) -> None:
  """Asserts what must hold for every finished label.

  Raises:
    AssertionError: an id twice, or an intensity whose sign is not the polarity;
      a bug, not a user's mistake.
  """
  keys = [(row["corpus"], row["split"], row["id"]) for row in rows]
  assert len(set(keys)) == len(keys), "an id was joined twice"
  contrary = [
    key
    for key, row in zip(keys, rows, strict=True)
    if row.get(INTENSITY) is not None
    and polarity_of_intensity(row[INTENSITY]) != row["polarity"]
  ]
  assert not contrary, f"intensity against polarity: {contrary[:10]}"


def monotonous_dialogues(
  samples: Sequence[Sample], completions: Sequence[dict[str, Donor]], slot: str
) -> tuple[int, int]:
  """Counts dialogues that have one and the same donor throughout.

  The authors' IEMOCAP labels were copied from the first row of each dialogue
  (D40). This finds such copies.

  Returns:
    The number of such dialogues, and of all dialogues with at least two
    completed samples of different texts.
  """
  donors, texts = defaultdict(set), defaultdict(set)
  for sample, own in zip(samples, completions, strict=True):
    if sample.dialogue and slot in own:
      name = (sample.corpus, sample.split, sample.dialogue)
      donors[name].add(own[slot].sample.key)
      texts[name].add(sample.text)
  several = [name for name in donors if len(texts[name]) > 1]
  return sum(len(donors[name]) == 1 for name in several), len(several)


def check_donors(donors: Sequence[Donor], pool: str) -> None:
  """Asserts that every donor is in the pool.

  Raises:
    AssertionError: a donor outside train; a bug, not a user's mistake.
  """
  leaked = [donor.sample.key for donor in donors if donor.sample.split != pool]
  assert pool == "all_splits" or not leaked, f"donors outside train: {leaked}"
