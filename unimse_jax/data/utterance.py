"""What the encoder reads of an utterance, wherever it comes from."""

import dataclasses
import itertools


@dataclasses.dataclass(frozen=True, kw_only=True)
class Utterance:
  """Words with the turns around them.

  A record of a corpus and a user's clip are one each, so that both are encoded
  by the same code.

  Attributes:
    text: spoken words.
    speaker: who says it; "" where nobody is named.
    before: turns before it, nearest first.
    after: turns after it, nearest first.
    before_speakers, after_speakers: who says those; empty: nobody is named.
    corpus: corpus whose rules (prefix, case, names) apply; "": none.
  """

  text: str
  speaker: str = ""
  before: tuple[str, ...] = ()
  after: tuple[str, ...] = ()
  before_speakers: tuple[str, ...] = ()
  after_speakers: tuple[str, ...] = ()
  corpus: str = ""

  @property
  def turns_before(self) -> list[tuple[str, str]]:
    """(text, speaker) of the turns before it, nearest first."""
    return _with_speakers(self.before, self.before_speakers)

  @property
  def turns_after(self) -> list[tuple[str, str]]:
    """(text, speaker) of the turns after it, nearest first."""
    return _with_speakers(self.after, self.after_speakers)


def _with_speakers(
  texts: tuple[str, ...], speakers: tuple[str, ...]
) -> list[tuple[str, str]]:
  names = speakers or itertools.repeat("", len(texts))
  return list(zip(texts, names, strict=True))
