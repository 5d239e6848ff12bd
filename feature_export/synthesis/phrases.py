"""Sentences from a small grammar: explicit about the feeling, or not.

An explicit sentence names the feeling. An ambiguous one fits every emotion
equally: it is drawn without looking at the emotion at all.
"""

import numpy as np

# What explicit sentences are about; says nothing about the feeling.
_TOPICS = (
  "the letter",
  "the car",
  "the dinner",
  "the game",
  "the house",
  "the movie",
  "my brother",
  "my sister",
  "the school",
  "the phone",
  "the weather",
  "the book",
)

# Words that only one emotion uses. Few, so that each is met often in a
# corpus of some hundred sentences.
_FEELINGS = {
  "joy": ("happy", "glad", "pleased", "cheerful"),
  "excited": ("thrilled", "ecstatic", "excited", "overjoyed"),
  "surprise": ("surprised", "astonished", "amazed", "stunned"),
  "fear": ("afraid", "scared", "terrified", "frightened"),
  "anger": ("angry", "furious", "outraged", "enraged"),
  "frustrated": ("frustrated", "annoyed", "irritated", "exasperated"),
  "disgust": ("disgusted", "sickened", "nauseated", "revolted"),
  "sadness": ("sad", "heartbroken", "miserable", "unhappy"),
}

_FRAMES = (
  "i am {feeling} about {topic}",
  "{topic} makes me {feeling}",
  "i feel {feeling} because of {topic}",
  "i was so {feeling} when i saw {topic}",
  "thinking of {topic} leaves me {feeling}",
)

_NEUTRAL_FRAMES = (
  "{topic} is listed on page two",
  "{topic} is next to the office",
  "the report describes {topic}",
  "the meeting about {topic} starts at nine",
  "{topic} has the number seven",
)

_CORES = (
  "i cannot believe it",
  "this is it",
  "you did that again",
  "look who is here",
  "it happened this morning",
  "that is what he said",
  "here we are again",
  "did you see that",
  "she told me everything",
  "we have to go now",
  "they are coming home",
  "it is over",
  "that was the last one",
  "i have no words",
  "nobody told me",
  "there it goes",
  "this changes things",
  "you know what it means",
  "i heard the news",
  "what a day",
  "guess who called",
  "he really did it",
  "i never thought of this",
  "it is all yours",
  "we talked for hours",
  "and then she left",
)

_OPENERS = ("well", "okay", "so", "oh", "listen", "right", "look", "")
_CLOSERS = ("you know", "today", "after all", "my friend", "then", "", "")

_REPLIES = ("mhm", "go on", "i see", "and then", "okay", "yeah", "right")


def _pick(options: tuple[str, ...], generator: np.random.Generator) -> str:
  return options[generator.integers(len(options))]


def explicit_sentence(emotion: str, generator: np.random.Generator) -> str:
  """A sentence that names the emotion (or states a plain fact).

  Raises:
    KeyError: an emotion that the grammar has no words for.
  """
  topic = _pick(_TOPICS, generator)
  if emotion == "neutral":
    return _pick(_NEUTRAL_FRAMES, generator).format(topic=topic)
  feeling = _pick(_FEELINGS[emotion], generator)
  return _pick(_FRAMES, generator).format(feeling=feeling, topic=topic)


def ambiguous_sentence(generator: np.random.Generator) -> str:
  """A sentence that anyone may say in any mood."""
  parts = (_OPENERS, _CORES, _CLOSERS)
  return " ".join(filter(None, (_pick(part, generator) for part in parts)))


def reply(generator: np.random.Generator) -> str:
  """What a listener says in between; carries no feeling and no label."""
  return _pick(_REPLIES, generator)


def vocabulary() -> set[str]:
  """Every word that the grammar can produce."""
  sources = (*_TOPICS, *_FRAMES, *_NEUTRAL_FRAMES, *_CORES, *_OPENERS)
  words = " ".join((*sources, *_CLOSERS, *_REPLIES)).split()
  feelings = (word for each in _FEELINGS.values() for word in each)
  return {word for word in (*words, *feelings) if "{" not in word}
