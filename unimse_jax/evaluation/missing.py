"""Batches from which modalities are taken away before they are read.

With a share of modalities missing, each one of each utterance is absent by
chance, but every utterance keeps one at least (the "missing rate" of GCNet,
Lian et al. 2023). What a small share takes away, a larger one takes away too.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from unimse_jax.data.batching import Batch

TEXT = "text"
_SEED = 0


def withhold(batch: Batch, names: Sequence[str]) -> Batch:
  """The batch with these modalities absent in every row."""
  every = np.ones(len(batch["encoder_mask"]), bool)
  return _without(batch, dict.fromkeys(names, every))


def drop(
  batch: Batch, rows: Sequence[int], names: Sequence[str], share: float
) -> Batch:
  """The batch with a share of the modalities absent, at random.

  Args:
    batch: arrays of B texts, one a row, the last ones padding.
    rows: numbers in the split of the utterances in the batch, at most B; they
      decide what is absent, so that the size of a batch does not.
    names: modalities that may be absent; "text" leaves </s> alone.
    share: chance of each modality of each utterance to be absent, in [0, 1).
      A smaller share is: all at once never are.
  """
  size = len(batch["encoder_mask"])
  chances = np.zeros((size, len(names)))
  for place, row in enumerate(rows):
    chances[place] = np.random.default_rng([_SEED, row]).random(len(names))
  present = np.stack([_is_present(batch, name) for name in names], axis=1)
  kept = np.where(present, chances, -1.0).argmax(axis=1)
  absent = chances < share
  absent[np.arange(size), kept] = False
  return _without(batch, dict(zip(names, absent.T, strict=True)))


def _is_present(batch: Batch, name: str) -> np.ndarray:
  """bool[B], the rows with frames of a modality; all have a text."""
  if name == TEXT:
    return np.ones(len(batch["encoder_mask"]), bool)
  return batch[f"{name}_mask"].any(axis=1)


def _without(batch: Batch, absent: Mapping[str, np.ndarray]) -> Batch:
  """The batch without the modalities of the rows, bool[B], that lack them."""
  changed = dict(batch)
  for name, gone in absent.items():
    if name == TEXT:
      mask = batch["encoder_mask"]
      last = np.arange(mask.shape[1]) == mask.sum(axis=1)[:, None] - 1
      changed["encoder_mask"] = mask & (last | ~gone[:, None])
    else:
      for key in (name, f"{name}_mask"):
        values = batch[key].copy()
        values[gone] = 0
        changed[key] = values
  return changed
