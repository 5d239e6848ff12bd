"""An utterance with its context as encoder tokens (Eq. 1; D17 to D21)."""

from unimse_jax.config import TextConfig
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError

CONTEXT, CURRENT = 0, 1  # segment ids
_CORPUS = "{corpus}"  # stands for a corpus's name in a prefix


def prefix(corpus: str, config: TextConfig) -> str:
  """What every text of a corpus starts with (D17).

  "{corpus}" in it is the corpus's name; a text of no corpus starts with what
  stands before that.
  """
  exceptions = dict(each.split("=", 1) for each in config.prefixes)
  start, mark, end = exceptions.get(corpus, config.prefix).partition(_CORPUS)
  return f"{start}{corpus}{end}" if mark and corpus else start


def reads_speakers(corpus: str, config: TextConfig) -> bool:
  """Whether it matters who speaks, in texts of a corpus (D18, D20)."""
  return corpus in config.speakers or corpus in config.same_speaker


def turns(
  utterance: Utterance, config: TextConfig
) -> tuple[list[str], str, list[str]]:
  """Turns before (first to last), the utterance, turns after, as read."""

  def read(side: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if utterance.corpus in config.same_speaker:
      side = [turn for turn in side if turn[1] == utterance.speaker]
    return side[: config.window]

  before = read(utterance.turns_before)[::-1]
  after = read(utterance.turns_after) if config.context != "past" else []
  dialogue = [*before, (utterance.text, utterance.speaker), *after]
  texts = _written(dialogue, utterance.corpus, config)
  place = len(before)
  return texts[:place], texts[place], texts[place + 1 :]


def _written(
  dialogue: list[tuple[str, str]], corpus: str, config: TextConfig
) -> list[str]:
  """(text, speaker) of each turn as text: case (D21), and who speaks (D20)."""
  people = dict.fromkeys(speaker for _, speaker in dialogue if speaker)
  names = {name: name for name in people}
  if config.speaker_names == "anonymised":
    # In the order in which they speak here, so that no name can be learnt.
    names = {name: f"P{number}" for number, name in enumerate(people, 1)}

  def written(text: str, speaker: str) -> str:
    if corpus in config.lowercase:
      text = text.lower()
    if speaker and corpus in config.speakers:
      text = f"{names[speaker]}{config.speaker_end}{text}"
    return text

  return [written(*turn) for turn in dialogue]


def encode(
  utterance: Utterance, tokenizer: Tokenizer, config: TextConfig
) -> tuple[list[int], list[int]]:
  """Encoder tokens with </s>, and their segment ids (1: the utterance).

  Where the whole is longer than config.max_tokens, the farthest turns go
  first, the later side before the earlier; then the utterance's own end.

  Raises:
    InputError: the prefix leaves no room for the utterance.
  """
  before, current, after = turns(utterance, config)
  start = prefix(utterance.corpus, config)
  head = tokenizer.encode(start) if start else []
  early, own, late = (
    [tokenizer.encode(text) for text in texts]
    for texts in (before, [current], after)
  )
  limit = config.max_tokens - len(head) - 1
  if limit < 1:
    raise InputError(
      f"config.text.prefix: expected fewer than config.text.max_tokens - 1 = "
      f"{config.max_tokens - 1} tokens, found {len(head)}."
    )
  separator = _separator(tokenizer, config)
  marks = config.marking == "eos_marks"
  while True:
    left, right = _joined(early, late, separator, marks)
    if len(left) + len(own[0]) + len(right) <= limit or not early + late:
      break
    if len(late) >= len(early):
      late.pop()
    else:
      early.pop(0)
  own = own[0][: limit - len(left) - len(right)]
  tokens = [*head, *left, *own, *right, EOS]
  segments = [CONTEXT] * len(tokens)
  place = len(head) + len(left)
  segments[place : place + len(own)] = [CURRENT] * len(own)
  return tokens, segments


def _separator(tokenizer: Tokenizer, config: TextConfig) -> list[int]:
  return (
    tokenizer.encode(config.turn_separator) if config.turn_separator else []
  )


def _joined(
  early: list[list[int]],
  late: list[list[int]],
  separator: list[int],
  marks: bool,
) -> tuple[list[int], list[int]]:
  """The tokens left and right of the utterance.

  With marks </s> stands on both of its sides in place of the separator, as
  soon as there is a turn that it could be taken for; a piece of text cannot
  say so, for SentencePiece reads "</s>" as letters.
  """
  left = [token for turn in early for token in [*turn, *separator]]
  right = [token for turn in late for token in [*separator, *turn]]
  if marks and (early or late):
    left = left[: len(left) - len(separator)] if early else left
    right = right[len(separator) :] if late else right
    return [*left, EOS], [EOS, *right]
  return left, right
