"""What was completed, for the terminal and the meta file."""

from collections.abc import Iterator, Sequence

import numpy as np

from feature_export.corpora.utterance import SPLITS
from feature_export.labels.completion import Donor, Sample, monotonous_dialogues
from feature_export.labels.label_mixture import LabelMixture

_EXAMPLES = 2  # shown per slot
# Share of dialogues with one donor throughout; a larger one is no coincidence.
_MOST_MONOTONOUS = 0.5
# Texts of so small a cosine have hardly anything in common.
_UNRELATED = 0.2


def _show_value(value: float | str) -> str:
  return value if isinstance(value, str) else f"{value:+.1f}"


def _tabulate(
  mixture: LabelMixture, pairs: Sequence[tuple[Sample, dict[str, Donor]]]
) -> Iterator[str]:
  """Yields the lines of a table: where the labels of each corpus come from."""
  yield (
    f"{'corpus':14}{'slot':11}{'annotated':>10}{'completed':>10}"
    f"{'empty':>7}{'similarity':>12}"
  )
  for dataset in mixture.datasets:
    own = [pair for pair in pairs if pair[0].corpus == dataset.name]
    for slot in mixture.slots:
      annotated = sum(sample.label(slot) is not None for sample, _ in own)
      cosines = [donors[slot].similarity for _, donors in own if slot in donors]
      mean = f"{np.mean(cosines):.3f}" if cosines else "-"
      yield (
        f"{dataset.name:14}{slot:11}{annotated:10}{len(cosines):10}"
        f"{len(own) - annotated - len(cosines):7}{mean:>12}"
      )


def _show_examples(
  slot: str, pairs: Sequence[tuple[Sample, dict[str, Donor]]]
) -> Iterator[str]:
  """Yields a few completions of a slot, to be judged by eye."""
  chosen = [pair for pair in pairs if slot in pair[1]]
  # Evenly spaced over the mixture, so that several corpora are shown.
  step = max(1, len(chosen) // _EXAMPLES)
  for sample, donors in chosen[::step][:_EXAMPLES]:
    donor = donors[slot]
    yield (
      f'{slot}: "{sample.text}" ({sample.polarity}) <- '
      f'"{donor.sample.text}" {_show_value(donor.sample.label(slot))}, '
      f"similarity {donor.similarity:.2f}, {'/'.join(donor.sample.key)}"
    )


def summarise(
  mixture: LabelMixture,
  completions: Sequence[dict[str, Donor]],
  empty: dict[str, int],
) -> str:
  """A text for the terminal: what was completed, examples, what stays empty."""
  pairs = list(zip(mixture.samples, completions, strict=True))
  lines = list(_tabulate(mixture, pairs))
  for slot in mixture.slots:
    tied = sum(slot in each and each[slot].ties > 0 for each in completions)
    lines.append(f"{slot}: {tied} completions had equally similar donors")
    lines += _show_examples(slot, pairs)
  lines += [
    f"{slot}: {count} labels left empty: no donor of their polarity gave one"
    for slot, count in empty.items()
    if count
  ]
  return "\n".join(lines)


def describe_dropped(dropped: dict[str, dict]) -> Iterator[str]:
  """Yields a line per reason for which records were left out (D37).

  Args:
    dropped: reason -> corpus -> split -> number of samples.
  """
  words = {"own_class": "own class", "donor_class": "donor's class"}
  for reason, corpora in dropped.items():
    counts = "; ".join(
      f"{name} " + ", ".join(f"{split} {n}" for split, n in splits.items())
      for name, splits in corpora.items()
    )
    yield f"dropped, {words[reason]} is outside the task: {counts}"
  if not dropped:
    yield (
      "no record has a class outside its task, so nothing can be dropped: "
      "export IEMOCAP with --classes agreed for the authors' donors"
    )


def describe_donors(
  mixture: LabelMixture, completions: Sequence[dict[str, Donor]]
) -> dict[str, dict[str, int]]:
  """slot -> split -> number of completions whose donor is of that split."""
  counts = {slot: dict.fromkeys(SPLITS, 0) for slot in mixture.slots}
  for donors in completions:
    for slot, donor in donors.items():
      counts[slot][donor.sample.split] += 1
  return counts


def warn_of_copies(
  mixture: LabelMixture, completions: Sequence[dict[str, Donor]]
) -> Iterator[str]:
  """Yields a warning for every slot whose donors hardly vary in dialogues."""
  for slot in mixture.slots:
    same, several = monotonous_dialogues(mixture.samples, completions, slot)
    if several and same > _MOST_MONOTONOUS * several:
      yield (
        f"warning: {slot}: {same} of {several} dialogues have one and the same "
        "donor throughout; were their texts or labels copied from row to row?"
      )


def warn_of_strangers(
  mixture: LabelMixture, completions: Sequence[dict[str, Donor]]
) -> Iterator[str]:
  """Yields a warning for every slot with donors of unrelated texts."""
  for slot in mixture.slots:
    cosines = [each[slot].similarity for each in completions if slot in each]
    far = sum(cosine < _UNRELATED for cosine in cosines)
    if far:
      yield (
        f"warning: {slot}: {far} of {len(cosines)} completions "
        f"({far / len(cosines):.1%}) have a donor of similarity below "
        f"{_UNRELATED:g}, down to {min(cosines):.2f}: its text says something "
        "else. More donors would help; `completed` has each similarity."
      )
