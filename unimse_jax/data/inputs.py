"""An utterance with its context as encoder tokens (Eq. 1; D17 to D21)."""

from unimse_jax.config import TextConfig
from unimse_jax.data.mixture import Example
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.errors import InputError

CONTEXT, CURRENT = 0, 1  # segment ids


def turns(
  example: Example, config: TextConfig
) -> tuple[list[str], str, list[str]]:
  """Turns before (first to last), the utterance, turns after, as read."""
  record = example.record

  def written(text: str, speaker: str) -> str:
    if example.corpus in config.lowercase:
      text = text.lower()
    if speaker and example.corpus in config.speakers:
      text = f"{speaker}: {text}"
    return text

  def side(texts: tuple[str, ...], speakers: tuple[str, ...]) -> list[str]:
    pairs = list(zip(texts, speakers, strict=True))[: config.window]
    return [written(text, speaker) for text, speaker in pairs]

  before = side(record.before, record.before_speakers)[::-1]
  after = side(record.after, record.after_speakers)
  if config.context == "past":
    after = []
  return before, written(record.text, record.speaker), after


def encode(
  example: Example, tokenizer: Tokenizer, config: TextConfig
) -> tuple[list[int], list[int]]:
  """Encoder tokens with </s>, and their segment ids (1: the utterance).

  Where the whole is longer than config.max_tokens, the farthest turns go
  first, the later side before the earlier; then the utterance's own end.

  Raises:
    InputError: the prefix leaves no room for the utterance.
  """
  before, current, after = turns(example, config)
  separator = tokenizer.encode(config.turn_separator)
  prefix = tokenizer.encode(config.prefix) if config.prefix else []
  own = tokenizer.encode(current)
  early = [[*tokenizer.encode(text), *separator] for text in before]
  late = [[*separator, *tokenizer.encode(text)] for text in after]
  room = config.max_tokens - len(prefix) - 1
  if room < 1:
    raise InputError(
      f"config.text.prefix: expected fewer than config.text.max_tokens - 1 = "
      f"{config.max_tokens - 1} tokens, found {len(prefix)}."
    )
  own = own[:room]
  while sum(map(len, early)) + len(own) + sum(map(len, late)) > room:
    if len(late) >= len(early):
      late.pop()
    else:
      early.pop(0)
  head = prefix + [token for turn in early for token in turn]
  tail = [token for turn in late for token in turn] + [EOS]
  tokens = head + own + tail
  segments = [CONTEXT] * len(head) + [CURRENT] * len(own)
  return tokens, segments + [CONTEXT] * len(tail)
