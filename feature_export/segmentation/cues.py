"""Words with their times, and how they become utterances.

Subtitles are cut to fit a screen: a sentence goes over several cues, and one
cue may hold several. The models learned from sentences and turns.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

LONGEST = (
  15.0  # s; features end at 20 s, and MOSEI's utterances last 7 on average
)
_GAP = 1.0  # s of silence that a sentence goes on after
_OVERLAP = 0.5  # s; beyond it two people speak at once
_END = re.compile(r"""[.!?…。！？]["'”’»)\]]*$""")
_PAUSE = re.compile(r"""[,;:—–-]["'”’»)\]]*$""")
# Below this share of sentence ends the words have no punctuation.
_PUNCTUATED = 0.1


@dataclass(frozen=True)
class Word:
  """A word and its times, in s."""

  start: float
  end: float
  text: str


@dataclass(frozen=True)
class Cue:
  """What is said in a stretch of a recording.

  Attributes:
    start, end: seconds.
    text: words; "" where they are not known.
    speaker: name; "": unknown.
    words: the same words, each with its times; empty: these are not known.
  """

  start: float
  end: float
  text: str = ""
  speaker: str = ""
  words: tuple[Word, ...] = ()


def to_utterances(cues: Iterable[Cue]) -> list[Cue]:
  """Joins and splits cues, so that they are utterances.

  - A cue is joined to the one before it where the same person goes on within
    1 s, the sentence has not ended, and both last 15 s at most. A transcript
    without punctuation stays as it is cut.
  - A cue of more than 15 s is split where a sentence ends, else at a comma,
    else between words; the cut nearest to its middle is taken. Where words
    have no times, these follow from the number of letters.

  Args:
    cues: cues in any order.

  Returns:
    Utterances in the order of their start.
  """
  ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
  ended = sum(_ends(cue.text) for cue in ordered)
  if ended >= _PUNCTUATED * len(ordered):
    ordered = _join(ordered)
  return [part for cue in ordered for part in _split(cue)]


def share_out(cue: Cue, texts: Sequence[tuple[str, str]]) -> list[Cue]:
  """Cues of one after the other, as long as their letters are many.

  Args:
    cue: cue whose time is shared.
    texts: (text, speaker) of each part, none of them empty.
  """
  total = sum(len(text) for text, _ in texts)
  start, parts = cue.start, []
  for text, speaker in texts:
    end = start + (cue.end - cue.start) * len(text) / total
    parts.append(Cue(start, end, text, speaker))
    start = end
  return parts


def _ends(text: str) -> bool:
  return bool(_END.search(text))


def _join(cues: Sequence[Cue]) -> list[Cue]:
  joined: list[Cue] = []
  for cue in cues:
    if joined and _goes_on(joined[-1], cue):
      joined[-1] = _merge(joined[-1], cue)
    else:
      joined.append(cue)
  return joined


def _goes_on(last: Cue, cue: Cue) -> bool:
  """Whether a cue continues the sentence of the one before it."""
  return (
    bool(last.text)
    and not _ends(last.text)
    and last.speaker == cue.speaker
    and -_OVERLAP <= cue.start - last.end <= _GAP
    and cue.end - last.start <= LONGEST
  )


def _merge(last: Cue, cue: Cue) -> Cue:
  return replace(
    last,
    end=max(last.end, cue.end),
    text=f"{last.text} {cue.text}",
    words=(*_timed_words(last), *_timed_words(cue)),
  )


def _timed_words(cue: Cue) -> tuple[Word, ...]:
  """The words of a cue; times from their letters where there are none."""
  if cue.words or not cue.text:
    return cue.words
  parts = share_out(cue, [(word, "") for word in cue.text.split()])
  return tuple(Word(each.start, each.end, each.text) for each in parts)


def _split(cue: Cue) -> list[Cue]:
  if cue.end - cue.start <= LONGEST or not cue.text:
    return [cue]
  groups = _halve(_timed_words(cue))
  ends = [*(group[0].start for group in groups[1:]), cue.end]
  starts = [cue.start, *ends[:-1]]
  return [
    # A pause between two groups belongs to neither.
    Cue(
      start,
      min(end, group[-1].end) if end != cue.end else end,
      " ".join(word.text for word in group),
      cue.speaker,
      group,
    )
    for start, end, group in zip(starts, ends, groups, strict=True)
  ]


def _halve(words: tuple[Word, ...]) -> list[tuple[Word, ...]]:
  """Groups of words that last `LONGEST` at most, if they are more than one."""
  if len(words) < 2 or words[-1].end - words[0].start <= LONGEST:
    return [words]
  middle = (words[0].start + words[-1].end) / 2

  def cost(place: int) -> tuple[int, float]:
    text = words[place - 1].text
    rank = 0 if _ends(text) else 1 if _PAUSE.search(text) else 2
    return rank, abs(words[place].start - middle)

  place = min(range(1, len(words)), key=cost)
  return [*_halve(words[:place]), *_halve(words[place:])]
