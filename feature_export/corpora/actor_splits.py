"""Splits by actor, for corpora of acted speech: no voice in two splits."""

from collections.abc import Iterable

from feature_export.corpora.utterance import SPLITS
from feature_export.errors import InputError, list_faults


def _parse_range(text: str, digits: int) -> list[str]:
  """ "01-03" -> ["01", "02", "03"]; "05" -> ["05"].

  Raises:
    ValueError: not of this form.
  """
  first, _, last = text.partition("-")
  numbers = range(int(first), int(last or first) + 1)
  if not numbers:
    raise ValueError(f"{text!r} is an empty range")
  return [f"{number:0{digits}d}" for number in numbers]


def parse_split_actors(text: str, digits: int = 2) -> dict[str, str]:
  """Reads "train=01-04+07,validation=05,test=06" into actor -> split.

  Args:
    text: value of --split_actors.
    digits: number of digits that actor numbers are padded to with zeros.

  Raises:
    InputError: another form, an unknown split, an actor named twice.
  """
  expected = (
    '--split_actors: expected the form "train=01-04+07,validation=05,test=06"'
  )
  split_of = {}
  for part in text.split(","):
    split, _, ranges = part.strip().partition("=")
    if split not in SPLITS:
      raise InputError(f"{expected}; found the split {split!r}.")
    try:
      actors = [
        actor
        for each in ranges.split("+")
        for actor in _parse_range(each, digits)
      ]
    except ValueError as error:
      raise InputError(f"{expected}; found {part!r} ({error}).") from error
    twice = sorted(set(actors) & set(split_of))
    if twice:
      raise InputError(f"{expected}; actor {twice[0]} is in two splits.")
    split_of |= dict.fromkeys(actors, split)
  return split_of


def check_actors(split_of: Iterable[str], actors: Iterable[str]) -> None:
  """Checks that --split_actors names exactly the actors whose files exist.

  Raises:
    InputError: with every actor without a split, or without files.
  """
  named, there = set(split_of), set(actors)
  faults = [f"actor {each} has files and no split" for each in there - named]
  faults += [f"actor {each} has a split and no files" for each in named - there]
  if faults:
    raise InputError(
      list_faults("--split_actors does not fit the files", sorted(faults))
    )
