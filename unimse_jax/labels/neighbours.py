"""Neighbouring numbers as training targets.

To cross-entropy 1.6 and 1.8 are different words. A target that is drawn anew
each time, near the rated number, has in expectation the gradient of soft
targets over the neighbouring numbers (Gaussian label smoothing), however many
tokens a number has, and costs nothing.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from unimse_jax.labels.schemes import UniversalLabel


@dataclasses.dataclass(frozen=True)
class NeighbouringNumbers:
  """A Gaussian kernel over the intensities that were rated.

  Attributes:
    values: the intensities of the training labels.
    spread: standard deviation of the kernel, in points of the score.
  """

  values: Sequence[float]
  spread: float

  def shares(self, value: float) -> np.ndarray:
    """float64[N], how often each of the values is drawn for a rated one."""
    values = np.asarray(self.values)
    weights = np.exp(-0.5 * ((values - value) / self.spread) ** 2)
    weights *= np.sign(values) == np.sign(value)
    return weights / weights.sum()

  def draw(
    self, label: UniversalLabel, rng: np.random.Generator
  ) -> UniversalLabel:
    """The label with a number near its own, of the same sign; 0 stays 0."""
    value = label.intensity
    if not value:  # nothing was rated, or 0
      return label
    chosen = rng.choice(self.values, p=self.shares(value))
    return dataclasses.replace(label, intensity=float(chosen))
