"""What extraction gives: the features of one medium, and of one clip."""

from dataclasses import dataclass

import numpy as np

from feature_export.corpora.utterance import MODALITIES
from feature_export.features.findings import Finding


@dataclass(frozen=True)
class Features:
  """The features of one medium, and what was odd about it.

  Attributes:
    values: float16[L, D]; L = 0: absent.
    findings: everything that was odd about it.
  """

  values: np.ndarray
  findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Extraction:
  """The features of one clip."""

  audio: Features
  video: Features

  def findings(self) -> list[tuple[str, Finding]]:
    """(modality, finding), of both modalities."""
    return [
      (modality, finding)
      for modality in MODALITIES
      for finding in getattr(self, modality).findings
    ]


def absent(width: int, *findings: Finding) -> Features:
  """Features of length 0."""
  return Features(np.zeros((0, width), np.float16), findings)
