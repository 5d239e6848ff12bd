"""Imports a corpus described by a manifest: one JSON object per line.

Paths are relative to the manifest, or addresses in buckets. `audio` may name a
video file: its sound track is used. `start` and `end` (seconds) cut both. Rows
without labels serve as dialogue context only. The rows of a dialogue are in the
order of `turn`; where none of them has one, in that of their lines.
"""

import functools
import reprlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export.corpora.schemes import EmotionScheme, load_scheme
from feature_export.corpora.utterance import (
  Corpus,
  Media,
  Remark,
  Utterance,
  resolve_polarity,
)
from feature_export.errors import InputError, list_faults
from feature_export.files import check_is_no_pointer, parse_json
from unimse_cli import storage

MANIFEST_FILE = "manifest.jsonl"
SCHEME_FILE = "scheme.json"

Types = Mapping[str, type | tuple[type, ...]]

_NUMBER = (int, float)
# key -> accepted types; null is the same as leaving an optional key out.
ROW_TYPES: Types = {
  "id": str,
  "split": str,
  "text": str,
  "dialogue": str,
  "turn": int,
  "speaker": str,
  "audio": str,
  "video": str,
  "start": _NUMBER,
  "end": _NUMBER,
  "polarity": str,
  "intensity": _NUMBER,
  "emotion": str,
}
_REQUIRED = ("id", "split", "text")


@dataclass(frozen=True)
class ManifestRow:
  """A parsed line.

  Attributes:
    number: line number, from 1.
    values: key -> value, without nulls.
    faults: mistakes in the line; empty: it can be used.
    worded: whether its words and its place in a dialogue are known: its media
      alone may be at fault.
  """

  number: int
  values: dict
  faults: tuple[str, ...] = ()
  worded: bool = True


def _type_word(types: type | tuple[type, ...]) -> str:
  words = {str: "a string", int: "a whole number", list: "a list"}
  return words.get(types, "a number")


def _is_text(value: str) -> bool:
  r"""Whether a string can be written as UTF-8; the JSON "\ud800" cannot."""
  try:
    value.encode("utf-8")
  except UnicodeEncodeError:
    return False
  return True


def _value_faults(
  values: dict, types: Types, required: Sequence[str]
) -> Iterator[str]:
  """Yields what is wrong with the keys and types of one row."""
  for key, value in values.items():
    shown = reprlib.repr(value)  # at any depth and length
    if key not in types:
      yield f"unknown key {reprlib.repr(key)} (known: {', '.join(types)})"
    # bool is an int in Python; `true` is no turn number.
    elif isinstance(value, bool) or not isinstance(value, types[key]):
      yield f"{key} must be {_type_word(types[key])}, found {shown}"
    elif isinstance(value, int) and not -(2**31) <= value < 2**31:
      yield (
        f"{key} must have at most 32 bits, found an integer of "
        f"{value.bit_length()}"
      )
    elif isinstance(value, str) and not _is_text(value):
      yield f"{key} holds half a surrogate pair, which is no text: {shown}"
  for key in required:
    if key not in values:
      yield f"the key {key!r} is missing"


def _locate(text: str, root: Path) -> Path:
  """The path that a row names: relative to the root, whole, or an address.

  Raises:
    InputError: an address of another kind than of buckets.
  """
  return storage.user_path(text) if "://" in text else root / text


@functools.cache
def _listed(root: Path) -> frozenset[Path]:
  """The files below a root in a bucket: asking for each would take hours."""
  return frozenset(storage.files_below(root))


def _is_file(path: Path, root: Path) -> bool:
  if storage.is_remote(root) and path in _listed(root):
    return True
  return path.is_file()


def _file_fault(text: str, root: Path) -> str:
  """Why a text names no file that can be read; "": it does."""
  try:
    path = _locate(text, root)
    return "" if _is_file(path, root) else f"no such file: {path}"
  except OSError as error:  # a name too long, a folder that is not ours
    return f"{error.strerror}: {reprlib.repr(str(path))}"
  except InputError as error:
    return str(error)


def _media_faults(values: dict, root: Path) -> Iterator[str]:
  """Yields what is wrong with the paths and times of a row of right types."""
  for key in ("audio", "video"):
    if key in values and (fault := _file_fault(values[key], root)):
      yield f"{key}: {fault}"
  start = values.get("start", 0.0)
  # Written so that NaN fails too.
  if not start >= 0:
    yield f"start must be at least 0 s, found {start}"
  elif "end" in values and not values["end"] > start:
    yield f"end ({values['end']}) must be after start ({start})"


def _parse_row(
  line: str,
  number: int,
  root: Path,
  types: Types,
  required: Sequence[str],
) -> ManifestRow:
  """Reads one line and checks everything that needs no other line."""
  try:
    content = parse_json(line)
  except ValueError as error:
    return ManifestRow(number, {}, (f"not JSON: {error}",), worded=False)
  if not isinstance(content, dict):
    fault = f"expected an object, found {line.strip()[:40]}"
    return ManifestRow(number, {}, (fault,), worded=False)
  values = {key: each for key, each in content.items() if each is not None}
  if faults := tuple(_value_faults(values, types, required)):
    return ManifestRow(number, values, faults, worded=False)
  return ManifestRow(number, values, tuple(_media_faults(values, root)))


def row_media(values: dict, key: str, root: Path) -> Media | None:
  """The stretch of a file that a row without faults names, or None."""
  if key not in values:
    return None
  path = _locate(values[key], root)
  return Media(path, values.get("start"), values.get("end"))


def _utterance(values: dict, root: Path) -> Utterance:
  """Builds the utterance of a row without faults."""
  plain = ("id", "split", "text", "dialogue", "turn", "speaker")
  labels = ("polarity", "emotion")
  intensity = values.get("intensity")
  return Utterance(
    **{key: values[key] for key in (*plain, *labels) if key in values},
    audio=row_media(values, "audio", root),
    video=row_media(values, "video", root),
    intensity=None if intensity is None else float(intensity),
  )


def group_dialogues(
  rows: Iterable[ManifestRow], keys: Sequence[str] = ("dialogue",)
) -> list[list[ManifestRow]]:
  """The rows of each dialogue whose words are known, in their order.

  Args:
    rows: rows of one manifest.
    keys: what rows of one dialogue have in common.
  """
  dialogues = defaultdict(list)
  for row in rows:
    if row.worded and row.values.get("dialogue"):
      dialogues[tuple(row.values[key] for key in keys)].append(row)
  return list(dialogues.values())


def turn_faults(dialogue: Sequence[ManifestRow]) -> Iterator[str]:
  """Yields why the turns of one dialogue do not put its rows in an order."""
  lines = defaultdict(list)
  for row in dialogue:
    lines[row.values.get("turn")].append(row.number)
  name = reprlib.repr(dialogue[0].values["dialogue"])
  without = lines.pop(None, [])
  if without and lines:
    yield (
      f"line {without[0]}: expected a turn in every row of dialogue {name}, or "
      "in none for the order of the lines; found "
      f"{len(dialogue) - len(without)} with one and {len(without)} without"
    )
  for turn, (first, *others) in lines.items():
    if others:
      yield (
        f"line {others[0]}: expected another turn than in each other row of "
        f"dialogue {name}; found turn {turn} here and in line {first}"
      )


def number_turns(dialogues: Iterable[Sequence[ManifestRow]]) -> dict[int, int]:
  """Line number -> turn, of the dialogues that have no turns of their own."""
  return {
    row.number: place
    for dialogue in dialogues
    for place, row in enumerate(dialogue)
    if "turn" not in row.values
  }


def _name_format(content: bytes) -> str:
  """What a file seems to be that is no JSON lines; "": it cannot be told."""
  if content.startswith((b"\xff\xfe", b"\xfe\xff")):
    return "text in UTF-16; save it as UTF-8"
  start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:2000]
  if start.startswith(b"["):
    return "a JSON array; write each of its objects on a line of its own"
  if b"{" not in start and b"," in start.split(b"\n")[0]:
    return "a CSV table; write each row as a JSON object"
  return ""


def read_rows(
  path: Path,
  root: Path,
  types: Types = ROW_TYPES,
  required: Sequence[str] = _REQUIRED,
) -> list[ManifestRow]:
  """Reads every line of a manifest but the blank ones.

  Args:
    path: manifest file, UTF-8.
    root: folder that the paths in it are relative to.
    types: key -> accepted types.
    required: keys that every row must have.

  Raises:
    InputError: a file that cannot be read, that is no UTF-8, or none of JSON
      lines. Faults of single rows raise nothing; they stand in the rows.
  """
  check_is_no_pointer(path)
  expected = f"{path}: expected a JSON object per line, as UTF-8 text"
  try:
    content = path.read_bytes()
    if found := _name_format(content):
      raise InputError(f"{expected}; found {found}.")
    # Split at newlines only: JSON strings may hold other line separators.
    lines = content.decode("utf-8-sig").split("\n")
  except (OSError, UnicodeDecodeError) as error:
    raise InputError(
      f"{expected}; found something else ({error}). Save the manifest as UTF-8."
    ) from error
  return [
    _parse_row(line, number, root, types, required)
    for number, line in enumerate(lines, start=1)
    if line.strip()
  ]


def _doubts(
  utterances: Iterable[Utterance], scheme: EmotionScheme | None
) -> Iterator[Remark]:
  """Yields remarks on emotions whose polarity the other labels contradict."""
  for each in utterances:
    of_class = scheme.polarity.get(each.emotion, "") if scheme else ""
    told = resolve_polarity(each.polarity, each.intensity, "", None)
    if of_class and told and of_class != told:
      shown = each.polarity or f"{each.intensity:g}"
      yield Remark(
        each.id,
        "doubted: emotion contradicts polarity or intensity (these taken)",
        f"{each.emotion} and {shown}",
      )


def load(path: Path, name: str | None, scheme: EmotionScheme | None) -> Corpus:
  """Reads a manifest.

  Args:
    path: manifest file, or folder that holds `manifest.jsonl`.
    name: corpus name; None: the name of the folder.
    scheme: emotion scheme; None: that of `scheme.json` beside the manifest, or
      no scheme if there is none.

  Raises:
    InputError: no manifest, or with every fault of its rows and their line
      numbers; two rows of a dialogue with one turn, or some without, are such.
  """
  file = path / MANIFEST_FILE if path.is_dir() else path
  if not file.is_file():
    raise InputError(
      f"No manifest at {file}; expected a JSON-lines file, or a folder that "
      f"holds {MANIFEST_FILE}. Correct --raw."
    )
  root = file.parent
  if scheme is None and (root / SCHEME_FILE).is_file():
    scheme = load_scheme(root / SCHEME_FILE)
  rows = read_rows(file, root)
  if not rows:
    raise InputError(
      f"{file} holds no rows; expected one JSON object per line with "
      f"{', '.join(ROW_TYPES)}."
    )
  faults = [
    f"line {row.number}: {fault}" for row in rows for fault in row.faults
  ]
  dialogues = group_dialogues(rows, ("split", "dialogue"))
  faults += [fault for each in dialogues for fault in turn_faults(each)]
  if faults:
    raise InputError(
      list_faults(f"{file} has faults", faults)
      + "\nCorrect these lines and run the command again."
    )
  turns = number_turns(dialogues)
  utterances = tuple(
    _utterance({"turn": turns.get(row.number, 0), **row.values}, root)
    for row in rows
  )
  remarks = tuple(_doubts(utterances, scheme))
  name = name or root.resolve().name
  return Corpus(name, utterances, scheme, remarks=remarks)
