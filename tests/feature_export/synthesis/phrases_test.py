import numpy as np
import pytest

from feature_export.synthesis import phrases
from feature_export.synthesis.affect import PATTERNS


def _content(emotion: str) -> set[str]:
  """Words that explicit sentences of this emotion use and no other does."""
  generator = np.random.default_rng(0)
  return {
    word
    for _ in range(300)
    for word in phrases.explicit_sentence(emotion, generator).split()
  }


def test_explicit_sentences_name_their_emotion_and_no_other():
  words = {emotion: _content(emotion) for emotion in PATTERNS}
  for emotion in PATTERNS:
    others = set().union(*(words[name] for name in PATTERNS if name != emotion))
    assert len(words[emotion] - others) >= 4


def test_ambiguous_sentences_share_no_word_of_feeling():
  generator = np.random.default_rng(0)
  spoken = {
    word
    for _ in range(2000)
    for word in phrases.ambiguous_sentence(generator).split()
  }
  feelings = {w for words in phrases._FEELINGS.values() for w in words}
  assert spoken and not spoken & feelings


def test_vocabulary_is_small_and_complete():
  generator = np.random.default_rng(1)
  sentences = [phrases.explicit_sentence(e, generator) for e in PATTERNS] * 9
  sentences += [phrases.ambiguous_sentence(generator) for _ in range(500)]
  sentences += [phrases.reply(generator) for _ in range(50)]
  assert set(" ".join(sentences).split()) <= phrases.vocabulary()
  assert len(phrases.vocabulary()) <= 300


def test_unknown_emotion():
  with pytest.raises(KeyError):
    phrases.explicit_sentence("bored", np.random.default_rng(0))
