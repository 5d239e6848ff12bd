"""Transcripts with times: SubRip, WebVTT, and the JSON that Whisper writes."""

import codecs
import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export.errors import InputError, list_faults
from feature_export.files import check_is_no_pointer, parse_json
from feature_export.segmentation.cues import Cue, Word, share_out

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_ARROW = "-->"
# What a block of WebVTT that is no cue begins with.
_ASIDES = ("NOTE", "STYLE", "REGION")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>|</v>", re.IGNORECASE)
_CLOCK = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d{3}>")
_TAG = re.compile(r"</?[a-z][^<>]*>|<[\d:.]+>", re.IGNORECASE)
_ASS = re.compile(r"\{\\[^{}]*\}")  # {\an8}, from another format
_DASH = re.compile(r"^[-–—]\s*")
# Nobody says these: [music], (laughs), ♪ la la ♪.
_SOUND = re.compile(
  r"[\[(][^\])]*[\])]|[♪♫♩♬].*|#[^#]*#|\*[^*]*\*|[♪♫♩♬\s.…*#-]*"
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Transcript:
  """What a file says.

  Attributes:
    cues: cues with words, in the file's order.
    left_out: kind of a cue that was left out -> number of these.
  """

  cues: tuple[Cue, ...]
  left_out: dict[str, int]


def read(path: Path) -> Transcript:
  """Reads a transcript; the ending of its name says which kind it is.

  Raises:
    InputError: no such file, none of these kinds, a damaged one, one that is
      not in UTF-8 or UTF-16, or one without words.
  """
  readers = {".srt": _read_subtitles, ".vtt": _read_subtitles}
  readers[".json"] = _read_json
  if path.suffix.lower() not in readers:
    raise InputError(
      f"--transcript: expected a name that ends in {', '.join(readers)}, found "
      f"{path}."
    )
  if not path.is_file():
    raise InputError(f"--transcript: expected a file, found none at {path}.")
  check_is_no_pointer(path)
  given = readers[path.suffix.lower()](_decode(path), path)
  left_out = {"without words": 0, "sounds": 0, "ending before they start": 0}
  cues = []
  for cue in given:
    if not cue.text:
      left_out["without words"] += 1
    elif _SOUND.fullmatch(cue.text):
      left_out["sounds"] += 1
    elif cue.end <= cue.start:
      left_out["ending before they start"] += 1
    else:
      cues.append(cue)
  if not cues:
    raise InputError(
      f"{path}: expected cues with words, found none among {len(given)}."
    )
  return Transcript(tuple(cues), {k: n for k, n in left_out.items() if n})


def _decode(path: Path) -> str:
  """The text of a file, lines ending in newlines."""
  content = path.read_bytes()
  utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
  try:
    text = content.decode("utf-16" if utf16 else "utf-8-sig")
    if "\0" in text:
      raise ValueError("zero bytes, as of UTF-16 without its mark")
  except ValueError as error:
    raise InputError(
      f"{path}: expected text in UTF-8, or in UTF-16 with its mark, found "
      f"{error}. Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8."
    ) from error
  return text.replace("\r\n", "\n").replace("\r", "\n")


def _clean(text: str) -> str:
  """Words without markup, on one line."""
  text = _ASS.sub("", _TAG.sub("", text))
  return " ".join(_INVISIBLE.sub("", html.unescape(text)).split())


def _read_subtitles(text: str, path: Path) -> list[Cue]:
  """The cues of SubRip and WebVTT, which differ in what they may hold."""
  cues, faults = [], []
  rolling = bool(_CLOCK.search(text))
  before: list[str] = []
  for number, line, lines in _blocks(text.split("\n")):
    times = _TIMES.match(line)
    if not times:
      faults.append(f"line {number}: {line.strip()[:60]!r}")
      continue
    cue = Cue(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]))
    if rolling:
      # Automatic captions repeat the line above while the next one is said.
      lines, before = _without(lines, before), [_clean(each) for each in lines]
    parts = _parts(lines)
    cues += share_out(cue, parts) if parts else [cue]
  if faults:
    raise InputError(
      list_faults(
        f"{path}: expected times such as 00:01:02,500 --> 00:01:04,000", faults
      )
    )
  return cues


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, str, list[str]]]:
  """Yields (line number, line of the times, lines below it) of each cue.

  Empty lines end a cue. Where they lack, the next times do; the number above
  these is not a word.
  """
  found: tuple[int, str, list[str]] | None = None
  aside = False
  for number, line in enumerate(lines, 1):
    if _ARROW in line and not aside:
      if found:
        if found[2] and found[2][-1].strip().isdigit():
          found[2].pop()
        yield found
      found = number, line, []
    elif not line:  # a line of blanks is one of the cue's
      if found:
        yield found
      found, aside = None, False
    elif found:
      found[2].append(line)
    elif line.startswith(_ASIDES):
      aside = True
  if found:
    yield found


def _seconds(groups: Sequence[str | None]) -> float:
  hours, minutes, seconds, fraction = groups
  whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
  return whole + int((fraction or "0").ljust(3, "0")) / 1000


def _without(lines: Sequence[str], before: Sequence[str]) -> list[str]:
  return [line for line in lines if _clean(line) not in before]


def _parts(lines: Sequence[str]) -> list[tuple[str, str]]:
  """(words, speaker) of all that one cue says."""
  text = "\n".join(lines)
  if _VOICE.search(text):
    return _voices(text)
  cleaned = [each for each in map(_clean, lines) if each]
  # Two lines that both begin with a dash are two people.
  if len(cleaned) > 1 and all(map(_DASH.match, cleaned)):
    return [(words, "") for each in cleaned if (words := _DASH.sub("", each))]
  words = _DASH.sub("", " ".join(cleaned))
  return [(words, "")] if words else []


def _voices(text: str) -> list[tuple[str, str]]:
  """Splits `<v Ann>Hello <v Bob>Hi`; WebVTT's voice spans."""
  first, *rest = _VOICE.split(text)
  pairs = [(first, ""), *zip(rest[1::2], rest[::2], strict=True)]
  return [
    (words, _clean(speaker or ""))
    for span, speaker in pairs
    if (words := _clean(span))
  ]


def _read_json(text: str, path: Path) -> list[Cue]:
  """The segments that Whisper and programs like it write."""
  expected = (
    f"{path}: expected a list of segments, or an object that holds it as "
    '"segments", each with "start" and "end" in s and "text"'
  )
  try:
    content = parse_json(text)
  except ValueError as error:
    raise InputError(f"{expected}; found no JSON: {error}.") from error
  rows = content.get("segments") if isinstance(content, dict) else content
  if not isinstance(rows, list):
    raise InputError(f"{expected}; found none.")
  faults = [
    f"segment {number}: {fault}"
    for number, row in enumerate(rows, 1)
    if (fault := _segment_fault(row))
  ]
  if faults:
    raise InputError(list_faults(expected, faults))
  return [
    Cue(
      float(row["start"]),
      float(row["end"]),
      _clean(row["text"]),
      " ".join((row.get("speaker") or "").split()),
      _json_words(row.get("words")),
    )
    for row in rows
  ]


def _is_time(value: object) -> bool:
  number = isinstance(value, int | float) and not isinstance(value, bool)
  return number and math.isfinite(value) and value >= 0


def _segment_fault(row: object) -> str:
  """What is wrong with a segment; "": nothing."""
  if not isinstance(row, dict):
    return f"expected an object, found {row!r:.40}"
  for key in ("start", "end"):
    if not _is_time(row.get(key)):
      return f"{key}: expected seconds from 0 on, found {row.get(key)!r:.40}"
  for key, value in (
    ("text", row.get("text")),
    ("speaker", row.get("speaker")),
  ):
    if not isinstance(value, str) and (key == "text" or value is not None):
      return f"{key}: expected a string, found {value!r:.40}"
  return ""


def _json_words(given: object) -> tuple[Word, ...]:
  """Words with their times; none where any of them lacks its own."""
  words = []
  for each in given if isinstance(given, list) else []:
    text = (
      each.get("word", each.get("text")) if isinstance(each, dict) else None
    )
    if not isinstance(text, str):
      return ()
    start, end = each.get("start"), each.get("end")
    if not (_is_time(start) and _is_time(end)):
      return ()
    if cleaned := _clean(text):
      words.append(Word(float(start), float(end), cleaned))
  return tuple(words)
