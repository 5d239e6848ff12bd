"""The published splits: by video (MOSI, MOSEI), by dialogue (IEMOCAP).

The lists are facts: the folds of the CMU Multimodal SDK, and the dialogues
that the UniMSE paper's IEMOCAP counts follow from.
"""

import json
from pathlib import Path

_FILES = {
  "mosi": "mosi_folds.json",
  "mosei": "mosei_folds.json",
  "iemocap": "iemocap_split.json",
}


def read_split(corpus: str) -> dict[str, str]:
  """Video or dialogue -> "train", "validation" or "test", in listed order.

  Args:
    corpus: "mosi", "mosei" or "iemocap".
  """
  path = Path(__file__).with_name(_FILES[corpus])
  lists = json.loads(path.read_text("utf-8"))
  return {name: split for split, names in lists.items() for name in names}
