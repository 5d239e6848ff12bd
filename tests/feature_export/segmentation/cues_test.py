"""Cues are joined and split into utterances."""

import pytest

from feature_export.segmentation.cues import Cue, Word, share_out, to_utterances


def texts(cues: list[Cue]) -> list[str]:
  return [cue.text for cue in cues]


def test_a_sentence_over_several_cues_is_one_utterance():
  cues = [
    Cue(0.0, 1.0, "I never said"),
    Cue(1.2, 2.0, "that it was"),
    Cue(2.0, 3.0, "mine."),
    Cue(3.1, 4.0, "Really?"),
  ]
  first, second = to_utterances(cues)
  assert (first.start, first.end) == (0.0, 3.0)
  assert first.text == "I never said that it was mine."
  assert second == Cue(3.1, 4.0, "Really?")
  words = first.words
  assert " ".join(word.text for word in words) == first.text
  assert words[-1] == Word(2.0, 3.0, "mine.")


@pytest.mark.parametrize(
  ("last", "cue", "joined"),
  [
    (Cue(0, 1, "so"), Cue(2.0, 3, "it goes."), True),
    (Cue(0, 1, "so"), Cue(2.1, 3, "it goes."), False),  # too long a pause
    (Cue(0, 1, "So."), Cue(1, 2, "it goes."), False),
    (Cue(0, 1, "So!”"), Cue(1, 2, "it goes."), False),
    (Cue(0, 1, "so", "A"), Cue(1, 2, "it goes.", "A"), True),
    (Cue(0, 1, "so", "A"), Cue(1, 2, "it goes.", "B"), False),
    (Cue(0, 2, "so"), Cue(1.6, 3, "it goes."), True),
    (Cue(0, 2, "so"), Cue(1.4, 3, "it goes."), False),  # at the same time
    (Cue(0, 1, "so"), Cue(1, 15, "it goes."), True),
    (Cue(0, 1, "so"), Cue(1, 15.1, "it goes."), False),  # too long
  ],
)
def test_cues_are_joined_where_one_person_goes_on(last, cue, joined):
  assert len(to_utterances([last, cue])) == (1 if joined else 2)


def test_words_without_punctuation_stay_as_they_are_cut():
  cues = [Cue(n, n + 1, f"word {n}") for n in range(11)]
  assert to_utterances(cues) == cues
  assert len(to_utterances([*cues[:9], Cue(9, 10, "end.")])) == 1


def test_cues_come_in_the_order_of_their_start():
  cues = [Cue(4, 5, "Two."), Cue(0, 9, "One."), Cue(4, 4.5, "Between.")]
  assert texts(to_utterances(cues)) == ["One.", "Between.", "Two."]


def test_a_long_cue_is_split_at_the_sentence_end_nearest_to_its_middle():
  text = "A a. " + "b " * 9 + "b. " + "c " * 7 + "c."
  parts = to_utterances([Cue(10, 30, text.strip(), "Ann")])
  assert texts(parts) == ["A a. " + "b " * 9 + "b.", "c " * 7 + "c."]
  assert [part.speaker for part in parts] == ["Ann", "Ann"]
  # 25 letters and marks of 34 are in the first; each is as long as the others.
  assert parts[0].start == 10
  assert parts[1].end == 30
  assert parts[0].end == pytest.approx(parts[1].start)
  assert parts[0].end == pytest.approx(10 + 20 * 14 / 23)


def test_a_long_cue_without_sentences_is_split_at_a_comma_or_between_words():
  comma = to_utterances([Cue(0, 20, "a a a, a a a a a a a")])
  assert texts(comma) == ["a a a,", "a a a a a a a"]
  plain = to_utterances([Cue(0, 20, "a a a a")])
  assert texts(plain) == ["a a", "a a"]
  assert texts(to_utterances([Cue(0, 20, "aaaa")])) == ["aaaa"]
  assert to_utterances([Cue(0, 20, "")]) == [Cue(0, 20, "")]


def test_the_words_own_times_are_taken_and_pauses_left_out():
  words = (Word(0.5, 1, "One."), Word(9, 10, "Two"), Word(10, 17, "three."))
  parts = to_utterances([Cue(0, 18, "One. Two three.", words=words)])
  assert [(part.start, part.end, part.text) for part in parts] == [
    (0, 1, "One."),
    (9, 18, "Two three."),
  ]


def test_time_is_shared_by_letters():
  parts = share_out(Cue(1, 5, "ignored"), [("abc", "A"), ("d", "B")])
  assert parts == [Cue(1, 4, "abc", "A"), Cue(4, 5, "d", "B")]
