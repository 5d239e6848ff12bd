"""The slots of a universal label (section 3.2; D22)."""

import dataclasses
from collections.abc import Mapping

POLARITIES = ("negative", "neutral", "positive")
INTENSITY_RANGE = (-3.0, 3.0)


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

  None stands for a slot that could not be completed; `completed` names the
  slots that are a donor's.
  """

  polarity: str
  intensity: float | None
  emotions: Mapping[str, str | None]
  completed: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class LabelSchema:
  """Which slots the mixture has, in the order in which they are written.

  Polarity always; intensity if a corpus annotates it; then one slot per
  emotion scheme.
  """

  intensity: bool
  schemes: tuple[EmotionScheme, ...]

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

  @property
  def slots(self) -> tuple[str, ...]:
    """For example ("polarity", "intensity", "meld", "iemocap")."""
    middle = ("intensity",) if self.intensity else ()
    return ("polarity", *middle, *(scheme.name for scheme in self.schemes))

  def classes(self, slot: str) -> tuple[str, ...]:
    """What may stand in a closed slot.

    Raises:
      KeyError: the slot is not a closed one of this schema.
    """
    if slot == "polarity":
      return POLARITIES
    return {scheme.name: scheme.classes for scheme in self.schemes}[slot]
