import numpy as np
import pytest

from feature_export.corpora.schemes import IEMOCAP, MELD
from feature_export.synthesis.affect import PATTERNS, Affect, draw_affect
from feature_export.synthesis.face import EXPRESSIONS


def test_every_class_of_both_schemes_has_a_pattern():
  assert set(MELD.classes) | set(IEMOCAP.classes) == set(PATTERNS)
  assert {each.expression for each in PATTERNS.values()} == set(EXPRESSIONS)


def test_face_and_voice_together_are_unique_and_neither_is_alone():
  faces = [each.expression for each in PATTERNS.values()]
  voices = [(each.arousal, each.trembles) for each in PATTERNS.values()]
  assert len(set(zip(faces, voices, strict=True))) == len(PATTERNS) == 9
  assert len(set(faces)) == 5
  assert len(set(voices)) == 4


@pytest.mark.parametrize("scheme", [MELD, IEMOCAP])
def test_valence_agrees_with_the_schemes_polarity(scheme):
  generator = np.random.default_rng(0)
  for emotion in scheme.classes:
    drawn = {draw_affect(emotion, generator).polarity for _ in range(30)}
    expected = scheme.polarity[emotion]
    assert drawn == ({expected} if expected else {"positive", "negative"})


@pytest.mark.parametrize(
  ("valence", "arousal", "intensity"),
  [(1, 1.0, 2.5), (-1, 0.0, -0.9), (0, 0.5, 0.0), (-1, 0.5, -1.7)],
)
def test_intensity(valence, arousal, intensity):
  assert Affect("joy", valence, arousal).intensity == intensity


def test_unknown_emotion():
  with pytest.raises(KeyError):
    draw_affect("bored", np.random.default_rng(0))
