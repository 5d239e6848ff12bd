"""Eq. 1: the order of the turns, what is cut, and what is marked."""

import dataclasses

import pytest

from unimse_jax.config import TextConfig
from unimse_jax.data import inputs
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError

_CONFIG = TextConfig(
  prefix="P",
  prefixes=(),
  window=2,
  context="both",
  same_speaker=(),
  marking="segments",
  turn_separator="|",
  speakers=(),
  speaker_names="real",
  speaker_end=": ",
  lowercase=(),
  max_tokens=100,
)


class Letters:
  """One token a letter: its code."""

  def encode(self, text: str) -> list[int]:
    return [ord(letter) for letter in text]


def utterance(text="UVW", before=("b", "a"), after=("c", "d"), corpus="meld"):
  """Turns stand nearest first: b is just before, c just after."""
  return Utterance(
    text=text,
    speaker="Me",
    before=before,
    after=after,
    before_speakers=("B",) * len(before),
    after_speakers=("C",) * len(after),
    corpus=corpus,
  )


def encoded(given: Utterance, **changes) -> tuple[str, str]:
  """The tokens as text, "$" for </s>, and the segments below it."""
  config = dataclasses.replace(_CONFIG, **changes)
  tokens, segments = inputs.encode(given, Letters(), config)
  assert len(tokens) == len(segments)
  text = "".join("$" if token == 1 else chr(token) for token in tokens)
  return text, "".join(map(str, segments))


def test_turns_stand_in_the_order_of_the_dialogue():
  assert encoded(utterance()) == ("Pa|b|UVW|c|d$", "0000011100000")


@pytest.mark.parametrize(
  ("window", "text"), [(0, "PUVW$"), (1, "Pb|UVW|c$"), (8, "Pa|b|UVW|c|d$")]
)
def test_the_window_keeps_the_nearest_turns(window, text):
  assert encoded(utterance(), window=window)[0] == text


def test_past_context_reads_no_later_turn():
  assert encoded(utterance(), context="past")[0] == "Pa|b|UVW$"


def test_without_context_or_prefix_the_utterance_stands_alone():
  alone = utterance(before=(), after=())
  assert encoded(alone, prefix="") == ("UVW$", "1110")


@pytest.mark.parametrize(
  ("room", "text"),
  [
    (13, "Pa|b|UVW|c|d$"),
    (12, "Pa|b|UVW|c$"),  # the farthest later turn first
    (11, "Pa|b|UVW|c$"),
    (10, "Pb|UVW|c$"),  # then the farthest earlier one
    (9, "Pb|UVW|c$"),
    (8, "Pb|UVW$"),
    (7, "Pb|UVW$"),
    (6, "PUVW$"),
    (5, "PUVW$"),
    (4, "PUV$"),  # at last the utterance's own end
    (3, "PU$"),
  ],
)
def test_what_is_too_long_loses_the_farthest_turns(room, text):
  found, segments = encoded(utterance(), max_tokens=room)
  assert found == text
  assert len(found) <= room
  marked = "".join(
    letter for letter, mark in zip(found, segments, strict=True) if mark == "1"
  )
  assert marked == text.strip("Pabcd|$")


def test_an_empty_utterance_is_no_row_without_tokens():
  assert encoded(utterance("", (), ()), prefix="") == ("$", "0")


def test_a_prefix_that_leaves_no_room_is_the_users_mistake():
  with pytest.raises(InputError, match="config.text.prefix"):
    encoded(utterance(), prefix="PREFIX", max_tokens=7)


def test_speakers_and_lower_case_are_of_their_corpora():
  given = utterance("Uv", ("B",), ())
  assert encoded(given, speakers=("meld",))[0] == "PB: B|Me: Uv$"
  assert encoded(given, speakers=("iemocap",))[0] == "PB|Uv$"
  # Names keep their case: only the words were in capitals.
  both = {"speakers": ("meld",), "lowercase": ("meld",)}
  assert encoded(given, **both)[0] == "PB: b|Me: uv$"


def test_a_turn_without_a_speaker_has_no_colon():
  given = dataclasses.replace(utterance("u", (), ()), speaker="")
  assert encoded(given, speakers=("meld",))[0] == "Pu$"


def test_turns_without_speakers_are_read_as_nobodys():
  given = dataclasses.replace(utterance(), before_speakers=())
  assert encoded(given, speakers=("meld",))[0] == "Pa|b|Me: UVW|C: c|C: d$"


def test_a_corpus_may_have_a_prefix_of_its_own():
  prefixes = ("meld=E=", "mosi=M")
  assert encoded(utterance(), prefixes=prefixes)[0] == "E=a|b|UVW|c|d$"
  other = utterance(corpus="mosei", before=(), after=())
  assert encoded(other, prefixes=prefixes)[0] == "PUVW$"


def test_a_prefix_may_name_the_corpus():
  for corpus, start in (("meld", "Smeld:"), ("mine", "Smine:"), ("", "S")):
    given = utterance(corpus=corpus, before=(), after=())
    assert encoded(given, prefix="S{corpus}:")[0] == f"{start}UVW$"
  # An exception may name it too, and one without it is as it stands.
  given = utterance(before=(), after=())
  assert encoded(given, prefixes=("meld={corpus}",))[0] == "meldUVW$"
  assert encoded(given, prefix="S{x}")[0] == "S{x}UVW$"


def test_same_speaker_context_skips_the_other_party():
  given = utterance(before=("b", "a", "z"), after=("c", "d"))
  given = dataclasses.replace(
    given,
    before_speakers=("You", "Me", "Me"),
    after_speakers=("Me", "You"),
  )
  assert encoded(given, same_speaker=("meld",))[0] == "Pz|a|UVW|c$"
  # The window counts the turns that are read, not those passed over.
  assert encoded(given, same_speaker=("meld",), window=1)[0] == "Pa|UVW|c$"
  assert encoded(given, same_speaker=("iemocap",))[0] == "Pa|b|UVW|c|d$"


def test_end_marks_stand_around_the_utterance():
  marks = {"marking": "eos_marks"}
  assert encoded(utterance(), **marks) == ("Pa|b$UVW$c|d$", "0000011100000")
  found = encoded(utterance(), turn_separator="", **marks)
  assert found == ("Pab$UVW$cd$", "00001110000")
  first = utterance(before=())
  assert encoded(first, **marks)[0] == "P$UVW$c|d$"
  assert encoded(first, context="past", **marks)[0] == "PUVW$"


@pytest.mark.parametrize(
  ("room", "text"),
  [(13, "Pa|b$UVW$c|d$"), (12, "Pa|b$UVW$c$"), (7, "PUVW$")],
)
def test_end_marks_go_with_the_last_turn_of_context(room, text):
  assert encoded(utterance(), marking="eos_marks", max_tokens=room)[0] == text


def test_anonymised_speakers_are_numbered_as_they_speak():
  options = {"speakers": ("meld",), "speaker_names": "anonymised"}
  given = utterance(before=("b",), after=("c",))
  found, _ = encoded(given, **options)
  assert found == "PP1: b|P2: UVW|P3: c$"
  found, _ = encoded(given, **options, speaker_end=" ", context="past")
  assert found == "PP1 b|P2 UVW$"
