"""Feature arrays that a corpus brings: padding is cut off, faults are replaced.

Every change becomes a remark, one per utterance, modality and kind.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from feature_export.corpora.utterance import (
  MODALITIES,
  Remark,
  Stored,
  Utterance,
)
from feature_export.errors import InputError, list_faults

NONFINITE_POLICIES = ("zero", "mean", "refuse")
# Records keep float16.
_LARGEST = float(np.finfo(np.float16).max)


def trim_padding(values: np.ndarray) -> np.ndarray:
  """Cuts the padding off: the longer run of zero rows at either end.

  Authors pad in front or behind, never both. So zero rows in the middle, and
  the shorter run at an end, are frames that happen to be zero.

  Args:
    values: float[L, D].

  Returns:
    float[A, D]; A = 0 where every row is zero: the clip was missing.
  """
  used = np.flatnonzero((values != 0).any(axis=1))
  if not len(used):
    return values[:0]
  front, back = used[0], len(values) - 1 - used[-1]
  return values[front:] if front > back else values[: len(values) - back]


def cut_to_length(values: np.ndarray, length: int) -> np.ndarray | None:
  """Cuts an array to the length that the file gives for it.

  Args:
    values: float[L, D], padded with zero rows at one end.
    length: number of valid rows, as the file says.

  Returns:
    float[length, D]; None where the length is not in [0, L], or where the rows
    beyond it are not zero at either end: then the length cannot be right.
  """
  if not 0 <= length <= len(values):
    return None
  if not np.any(values[length:]):
    return values[:length]
  if not np.any(values[: len(values) - length]):
    return values[len(values) - length :]
  return None


@dataclass
class FeatureCleaner:
  """Turns padded arrays into `Stored`, and remembers what it changed.

  Attributes:
    nonfinite: replacement of NaN and infinite values: "zero"; "mean" of the
      column's finite values in the same utterance; "refuse" raises.
    remarks: changes, one per utterance, modality and kind.
  """

  nonfinite: str = "zero"
  remarks: list[Remark] = field(default_factory=list)
  _refused: list[str] = field(default_factory=list)
  _faults: list[str] = field(default_factory=list)

  def clean(
    self, name: str, modality: str, values: object, length: int | None = None
  ) -> Stored:
    """Cuts the padding off one array and replaces what records cannot hold.

    Args:
      name: id of the utterance, for remarks.
      modality: "audio" or "video".
      values: number[L, D], padded at either end.
      length: number of valid rows; None: the file does not say, so zero rows
        at an end are taken for padding.
    """
    try:
      array = np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
      array, reason = None, str(error)
    else:
      reason = f"shape {array.shape}"
    if array is None or array.ndim != 2:
      self._faults.append(f"{name}: {modality}: {reason}")
      return Stored(np.zeros((0, 0), np.float32))
    trimmed = None if length is None else cut_to_length(array, length)
    if length is not None and trimmed is None:
      self._remark(name, modality, "length does not fit the zero rows", length)
    if trimmed is None or not trimmed.any():
      trimmed = trim_padding(array)
    if not len(trimmed):
      self._remark(name, modality, "all zero: absent", len(array))
      return Stored(trimmed)
    return Stored(self._replace(name, modality, trimmed))

  def _replace(
    self, name: str, modality: str, values: np.ndarray
  ) -> np.ndarray:
    """Replaces what is not finite, and what float16 cannot hold."""
    finite = np.isfinite(values)
    faulty = values.size - int(finite.sum())
    if faulty:
      if self.nonfinite == "refuse":
        self._refused.append(f"{name}: {modality}: {faulty} values")
      kind = f"NaN or infinite values replaced by {self.nonfinite}"
      self._remark(name, modality, kind, faulty)
      filling = np.zeros(values.shape[1], np.float32)
      if self.nonfinite == "mean":
        known = np.where(finite, values, 0).sum(0, dtype=np.float64)
        filling = (known / np.maximum(finite.sum(0), 1)).astype(np.float32)
      values = np.where(finite, values, filling)
    large = int((np.abs(values) > _LARGEST).sum())
    if large:
      self._remark(name, modality, f"values beyond {_LARGEST:g} cut", large)
      values = np.clip(values, -_LARGEST, _LARGEST)
    return values

  def _remark(self, name: str, modality: str, kind: str, count: int) -> None:
    self.remarks.append(Remark(name, f"{modality} {kind}", str(count)))

  def finish(
    self, utterances: Iterable[Utterance]
  ) -> tuple[list[Utterance], dict[str, int]]:
    """Gives every array of a corpus one width.

    An absent clip may have come in any width (the UniMSE authors wrote
    missing IEMOCAP video as zeros of 2 x 35).

    Returns:
      The utterances, and modality -> width.

    Raises:
      InputError: arrays that are no frames, frames of several widths, or
        values that the policy refuses.
    """
    utterances = list(utterances)
    faults, widths = list(self._faults), {}
    for modality in MODALITIES:
      stored = [
        (each.id, getattr(each, modality).values)
        for each in utterances
        if getattr(each, modality) is not None
      ]
      frame_widths = Counter(each.shape[1] for _, each in stored if len(each))
      # Nothing but absent clips: any width serves, records hold no frame.
      widths[modality] = (
        frame_widths.most_common(1)[0][0] if frame_widths else 1
      )
      faults += [
        f"{name}: {modality} has {each.shape[1]} columns, most have "
        f"{widths[modality]}"
        for name, each in stored
        if len(each) and each.shape[1] != widths[modality]
      ]
    if faults:
      raise InputError(
        list_faults("feature arrays have faults", faults)
        + "\nExpected frames x columns of numbers, of one width."
      )
    if self._refused:
      raise InputError(
        list_faults("NaN or infinite values", self._refused)
        + "\nUse --nonfinite zero or --nonfinite mean to replace them."
      )
    return [_fit_absent(each, widths) for each in utterances], widths

  def notes(self) -> tuple[str, ...]:
    """The number of utterances of each kind of remark."""
    kinds = Counter(each.kind for each in self.remarks)
    return tuple(f"{kind}: {count}" for kind, count in kinds.items())


def _fit_absent(utterance: Utterance, widths: dict[str, int]) -> Utterance:
  """Gives absent and missing arrays the width of the corpus's others."""
  absent = {
    modality: Stored(np.zeros((0, widths[modality]), np.float32))
    for modality in MODALITIES
    if getattr(utterance, modality) is None
    or not len(getattr(utterance, modality).values)
  }
  return replace(utterance, **absent) if absent else utterance
