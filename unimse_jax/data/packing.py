"""Which texts share a row of the encoder; `models.packing` moves them there.

Texts never leave their group, and a group never leaves its device.
"""

from collections.abc import Sequence

import numpy as np

# Numbers of rows are multiples of this part of a group, and lengths of rows
# multiples of so many tokens: each shape is compiled, so all epochs should need
# the same.
_STEPS = 48
_TOKENS = 16
# Attention over rows of so many tokens is taken to cost as much as all else.
_DEAR = 2048


def group_rows(size: int, devices: int, parts: int) -> np.ndarray:
  """Which rows of a batch make which group.

  Args:
    size: B, a multiple of devices * parts.
    devices: that share a batch, each a stretch of its rows.
    parts: that the train step works a batch off in; row r is in r % parts.

  Returns:
    int64[G, b] row numbers, group after group of the first device, then of the
    second; G = devices * parts.
  """
  rows = np.arange(size).reshape(devices, -1, parts)
  return rows.swapaxes(1, 2).reshape(devices * parts, -1)


def spread(lengths: np.ndarray, groups: np.ndarray) -> np.ndarray:
  """Gives every group about as many tokens.

  Args:
    lengths: int64[N] tokens of the texts of a batch, N <= B.
    groups: int64[G, b]; rows from N on are empty.

  Returns:
    int64[N]: which text stands in each row.
  """
  count = len(lengths)
  free = [[row for row in group if row < count] for group in groups.tolist()]
  tokens = [0] * len(free)
  texts = np.empty(count, np.int64)
  for text in np.argsort(-lengths, kind="stable").tolist():
    open_groups = [number for number, rows in enumerate(free) if rows]
    least = min(open_groups, key=tokens.__getitem__)
    texts[free[least].pop(0)] = text
    tokens[least] += int(lengths[text])
  return texts


def fill(lengths: Sequence[int], room: int) -> list[list[int]]:
  """Texts into rows of at most `room` tokens, each into the fullest it fits.

  Best-fit decreasing: 11/9 of the least number of rows, plus one, at worst.

  Returns:
    The texts of each row.
  """
  rows: list[list[int]] = []
  left: list[int] = []
  for text in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
    need = lengths[text]
    fitting = [number for number, space in enumerate(left) if space >= need]
    if fitting:
      number = min(fitting, key=left.__getitem__)
    else:
      number = len(rows)
      rows.append([])
      left.append(room)
    rows[number].append(text)
    left[number] -= need
  return rows


def rows_needed(
  batches: Sequence[np.ndarray], room: int, groups: np.ndarray
) -> int:
  """Rows a group, p, that hold the texts of every group of every batch.

  Args:
    batches: of each, int64[N] tokens of the texts in its rows.
    room: R.
    groups: int64[G, b].
  """
  size = groups.shape[1]
  most = max(
    len(fill(lengths[group[group < len(lengths)]].tolist(), room))
    for lengths in batches
    for group in groups
  )
  step = -(-size // _STEPS)
  return min(-(-most // step) * step, size)


def fewer_rows(needs: Sequence[int], worth: int) -> int:
  """Rows for the batches that need no more, where the fullest need many.

  Args:
    needs: rows that each batch needs, of a group.
    worth: number of batches whose whole work must be spared.

  Returns:
    The number that spares most, or 0: it spares too little.
  """
  most, sorted_needs = max(needs), np.sort(needs)
  numbers = np.unique(sorted_needs)
  within = np.searchsorted(sorted_needs, numbers, side="right")
  spared = within * (most - numbers) / most
  return int(numbers[spared.argmax()]) if spared.max() >= worth else 0


def row_length(
  batches: Sequence[np.ndarray], length: int, groups: np.ndarray
) -> int:
  """R, from S to less than twice S, for which the encoder has least to do.

  Long rows are filled better, and their attention costs more.

  Args:
    batches: as of `rows_needed`.
    length: S, the padded length of a text.
    groups: int64[G, b].
  """

  def cost(room: int) -> int:
    return rows_needed(batches, room, groups) * room * (_DEAR + room)

  return min(range(length, 2 * length, _TOKENS), key=cost)


def arrays(
  lengths: np.ndarray,
  length: int,
  groups: np.ndarray,
  shape: tuple[int, int],
) -> dict[str, np.ndarray]:
  """Where tokens go and come from.

  Args:
    lengths: int64[N] tokens of the texts in the rows of the batch.
    length: S.
    groups: int64[G, b].
    shape: p and R.

  Returns:
    packed_places int32[G, p, R] and unpacked_places int32[G, b, S], the
    `places` and `slots` of `models.packing.Packed`.
  """
  (count, size), places = groups.shape, shape[0] * shape[1]
  there = np.full((count, places), size * length, np.int32)
  back = np.full((count, size * length), places, np.int32)
  for number, group in enumerate(groups):
    own = lengths[group[group < len(lengths)]].tolist()
    for row, texts in enumerate(fill(own, shape[1])):
      place = row * shape[1]
      for text in texts:
        tokens, start = own[text], text * length
        there[number, place : place + tokens] = start + np.arange(tokens)
        back[number, start : start + tokens] = place + np.arange(tokens)
        place += tokens
  return {
    "packed_places": there.reshape(count, *shape),
    "unpacked_places": back.reshape(count, size, length),
  }
