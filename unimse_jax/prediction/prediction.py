"""What the model says about an utterance."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from unimse_jax.data.records import Record
from unimse_jax.labels import ParsedLabel

# slot -> class -> probability
Probabilities = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What the model wrote about an utterance, and what that means.

  Attributes:
    output: text that it wrote.
    parsed: the text as fields; the intensity is that which
      config.decoding.intensity asks for, the emotions are those that
      config.decoding.emotion does.
    probabilities: share of each class of the closed slots; empty where they
      were not asked for; a slot is missing where a field before it was
      malformed.
    free: text that the model writes without the grammar; None where `output` is
      that, or it was not asked for.
    estimates: ways to read the intensity: "greedy" (the number as written, None
      where it was malformed), "mean" and "median" of the distribution over all
      numbers, whatever polarity they follow; empty where they were not asked
      for.
    embedding: float32[D], mean over the tokens of the last fused encoder layer
      (F^(j), Figure 4); None where probabilities were not asked for.
    missing: modalities that the model reads and the clip lacks.
    notes: parts of the clip that were not read, for example the end of a text
      that was cut.
    error: why the clip was not answered, or None; all else is empty then.
    record: the utterance with its truth, for scores; None for a clip.
  """

  output: str
  parsed: ParsedLabel
  probabilities: Probabilities = dataclasses.field(default_factory=dict)
  free: ParsedLabel | None = None
  estimates: Mapping[str, float | None] = dataclasses.field(
    default_factory=dict
  )
  embedding: np.ndarray | None = dataclasses.field(
    default=None, compare=False, repr=False
  )
  missing: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()
  error: str | None = None
  record: Record | None = None

  @classmethod
  def failed(cls, error: str) -> Self:
    """The answer to a clip that cannot be answered."""
    return cls("", ParsedLabel({}, malformed=True), error=error)

  @property
  def polarity(self) -> str | None:
    """Negative, neutral or positive; None where it was malformed."""
    return self.parsed.fields.get("polarity")

  @property
  def intensity(self) -> float | None:
    """Number in [-3, 3]; None where it was malformed, or no corpus of the
    mixture has one.
    """
    return self.parsed.fields.get("intensity")

  @property
  def emotions(self) -> dict[str, str | None]:
    """Scheme -> class, None where it was malformed."""
    return {
      slot: value
      for slot, value in self.parsed.fields.items()
      if slot not in ("polarity", "intensity")
    }

  def to_json(self) -> dict[str, Any]:
    """A line of what unimse_jax.predict writes (docs/prediction.md)."""
    return {
      "output": self.output,
      "polarity": self.polarity,
      "intensity": self.intensity,
      "emotions": self.emotions,
      "probabilities": self.probabilities,
      "missing": self.missing,
      "notes": self.notes,
      "error": self.error,
    }
