"""How each emotion looks and sounds: the one table behind all demo corpora.

An emotion is a pair (expression of the face, arousal of the voice). No two
emotions share the pair, several share one half of it: anger and frustration
look the same and differ in loudness, anger and excitement sound the same
and differ in the face. So on ambiguous words neither voice nor face is
enough, and both together are.
"""

from dataclasses import dataclass

import numpy as np

# Arousal in [0, 1]. The gaps between the ranges keep the classes apart; the
# width of a range is what makes the intensity a continuous target.
CALM = (0.0, 0.2)
MODERATE = (0.4, 0.6)
EXCITED = (0.8, 1.0)

# Intensity = valence * (floor + slope * arousal), within [-2.5, 2.5]. The floor
# makes the sign, which the face shows, worth more than the strength.
INTENSITY_FLOOR = 0.9
INTENSITY_SLOPE = 1.6

POLARITY = {-1: "negative", 0: "neutral", 1: "positive"}


@dataclass(frozen=True)
class Pattern:
  """The signature of an emotion.

  Attributes:
    expression: key of `face.EXPRESSIONS`.
    arousal: range of the voice's arousal.
    valences: possible signs; surprise may be either.
    trembles: True: the voice trembles, which tells fear from the other calm
      emotions.
  """

  expression: str
  arousal: tuple[float, float]
  valences: tuple[int, ...]
  trembles: bool = False


PATTERNS = {
  "neutral": Pattern("blank", MODERATE, (0,)),
  "joy": Pattern("smile", MODERATE, (1,)),
  "excited": Pattern("smile", EXCITED, (1,)),
  "surprise": Pattern("wide", EXCITED, (1, -1)),
  "fear": Pattern("wide", CALM, (-1,), trembles=True),
  "anger": Pattern("frown", EXCITED, (-1,)),
  "frustrated": Pattern("frown", MODERATE, (-1,)),
  "disgust": Pattern("frown", CALM, (-1,)),
  "sadness": Pattern("grief", CALM, (-1,)),
}


@dataclass(frozen=True)
class Affect:
  """What one person feels during one clip.

  Attributes:
    emotion: key of `PATTERNS`.
    valence: sign of the feeling: -1, 0 or 1.
    arousal: strength of the feeling in the voice, in [0, 1].
  """

  emotion: str
  valence: int
  arousal: float

  @property
  def expression(self) -> str:
    """The face that goes with it."""
    return PATTERNS[self.emotion].expression

  @property
  def trembles(self) -> bool:
    """Whether the voice trembles."""
    return PATTERNS[self.emotion].trembles

  @property
  def polarity(self) -> str:
    """ "negative", "neutral" or "positive"."""
    return POLARITY[self.valence]

  @property
  def intensity(self) -> float:
    """Sentiment in [-3, 3], one decimal; its sign is the valence."""
    strength = INTENSITY_FLOOR + INTENSITY_SLOPE * self.arousal
    return round(self.valence * strength, 1)


def draw_affect(emotion: str, generator: np.random.Generator) -> Affect:
  """Draws valence and arousal of an emotion from its pattern.

  Raises:
    KeyError: an emotion outside `PATTERNS`.
  """
  pattern = PATTERNS[emotion]
  valence = int(generator.choice(pattern.valences))
  return Affect(emotion, valence, float(generator.uniform(*pattern.arousal)))
