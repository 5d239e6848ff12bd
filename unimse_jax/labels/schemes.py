"""The slots of a universal label (section 3.2; D22)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

POLARITIES = ("negative", "neutral", "positive")
INTENSITY_RANGE = (-3.0, 3.0)
INTENSITY = "intensity"  # the slot of the number
EMOTION = "emotion"  # the one emotion slot of the paper's three fields


def polarity_of_number(value: float) -> str:
  """The polarity that an intensity has: its sign, 0 being neutral."""
  if value == 0:
    return "neutral"
  return "positive" if value > 0 else "negative"


@dataclasses.dataclass(frozen=True)
class EmotionScheme:
  """A corpus's emotion classes, and the polarity of each ("" if it varies)."""

  name: str
  polarity: Mapping[str, str]

  @property
  def classes(self) -> tuple[str, ...]:
    return tuple(self.polarity)


@dataclasses.dataclass(frozen=True)
class UniversalLabel:
  """y = {polarity, intensity in [-3, 3], one emotion per scheme}.

  None stands for a slot that could not be completed. `donors` tells where
  completed slots come from: slot -> {"donor": "mosi/train/x", "similarity":
  0.83}, the cosine of that donor's text.
  """

  polarity: str
  intensity: float | None
  emotions: Mapping[str, str | None]
  donors: Mapping[str, Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )


@dataclasses.dataclass(frozen=True)
class LabelSchema:
  """Which slots the mixture has, in the order in which they are written.

  Polarity always; intensity if a corpus annotates it; then one slot per
  emotion scheme.

  Attributes:
    intensity: whether there is such a slot.
    schemes: classes of each emotion slot.
    sources: schemes that the one emotion slot of the three-field form stands
      for; empty otherwise.
  """

  intensity: bool
  schemes: tuple[EmotionScheme, ...]
  sources: tuple[str, ...] = ()

  @classmethod
  def from_slots(cls, slots: Mapping) -> "LabelSchema":
    """From the "slots" entry of the universal labels' .meta.json."""
    return cls(
      intensity=bool(slots["intensity"]),
      schemes=tuple(
        EmotionScheme(name, dict(polarity))
        for name, polarity in slots["emotions"].items()
      ),
    )

  def three_field(self) -> "LabelSchema":
    """The paper's form: one emotion slot for all schemes (Algorithm 1).

    Its classes are those of all schemes; a class that two schemes give another
    polarity has none.
    """
    polarity: dict[str, str] = {}
    for scheme in self.schemes:
      for word, sign in scheme.polarity.items():
        polarity[word] = sign if polarity.get(word, sign) == sign else ""
    one = (EmotionScheme(EMOTION, polarity),) if self.schemes else ()
    names = tuple(scheme.name for scheme in self.schemes)
    return LabelSchema(self.intensity, one, names)

  def project(self, label: UniversalLabel) -> UniversalLabel:
    """A label with the slots of this schema.

    In the three-field form the emotion is the annotated one; where a donor
    gave it, that of the most similar donor over all schemes, as if their
    corpora were one pool (section 3.2). Of equals the first scheme's wins.
    """
    if not self.sources:
      return label
    known = [name for name in self.sources if label.emotions.get(name)]
    own = [name for name in known if name not in label.donors]
    ranked = sorted(
      (name for name in known if name in label.donors),
      key=lambda name: label.donors[name]["similarity"],
      reverse=True,
    )
    chosen = next(iter([*own, *ranked]), None)
    donors = {
      slot: donor
      for slot, donor in label.donors.items()
      if slot not in self.sources
    }
    if not own:
      donors[EMOTION] = label.donors.get(chosen, {})
    return dataclasses.replace(
      label,
      emotions={EMOTION: label.emotions[chosen] if chosen else None},
      donors=donors,
    )

  @property
  def slots(self) -> tuple[str, ...]:
    """For example ("polarity", "intensity", "meld", "iemocap")."""
    middle = (INTENSITY,) if self.intensity else ()
    return ("polarity", *middle, *(scheme.name for scheme in self.schemes))

  def polarity_of(self, slot: str, word: str) -> str:
    """The polarity that a class of an emotion slot implies; "" if it varies."""
    tables = {scheme.name: scheme.polarity for scheme in self.schemes}
    return tables[slot].get(word, "")

  def classes(self, slot: str) -> tuple[str, ...]:
    """What may stand in a closed slot.

    Raises:
      KeyError: the slot is not a closed one of this schema.
    """
    if slot == "polarity":
      return POLARITIES
    return {scheme.name: scheme.classes for scheme in self.schemes}[slot]
