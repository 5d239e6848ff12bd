"""The systems by name."""

import dataclasses
import math
import typing
from collections.abc import Sequence
from typing import Any

from flax import linen as nn

from unimse_jax.errors import InputError
from unimse_jax.rivals.cogmen import COGMEN
from unimse_jax.rivals.dag_erc import DAGERC
from unimse_jax.rivals.dialogue_crn import DialogueCRN
from unimse_jax.rivals.dialogue_gcn import DialogueGCN
from unimse_jax.rivals.early_fusion import EarlyFusion
from unimse_jax.rivals.iccn import ICCN
from unimse_jax.rivals.lmf import LMF
from unimse_jax.rivals.mag import MAG
from unimse_jax.rivals.mfm import MFM
from unimse_jax.rivals.misa import MISA
from unimse_jax.rivals.mm_dfn import MMDFN
from unimse_jax.rivals.mmgcn import MMGCN
from unimse_jax.rivals.mmim import MMIM
from unimse_jax.rivals.mtag import MTAG
from unimse_jax.rivals.mult import MulT
from unimse_jax.rivals.self_mm import SelfMM
from unimse_jax.rivals.tfn import TFN

_SHARED = ("width", "dropout", "parent", "name")  # not set by an option
# Counts that may be none: neighbours in a dialogue, turns of reasoning.
_FROM_ZERO = ("past", "future", "situation_turns", "speaker_turns")


@dataclasses.dataclass(frozen=True)
class System:
  """Attributes:
  title: what tables call it.
  module: the Linen module; its fields are `width`, `dropout` and the system's
    own, with defaults.
  dialogues: whether it reads whole dialogues, and not one utterance at a time.
  """

  title: str
  module: type[nn.Module]
  dialogues: bool = False


SYSTEMS = {
  "early_fusion": System("Early fusion", EarlyFusion),
  "tfn": System("TFN", TFN),
  "lmf": System("LMF", LMF),
  "mfm": System("MFM", MFM),
  "mult": System("MulT", MulT),
  "misa": System("MISA", MISA),
  "iccn": System("ICCN", ICCN),
  "mag": System("MAG", MAG),
  "self_mm": System("Self-MM", SelfMM),
  "mtag": System("MTAG", MTAG),
  "mmim": System("MMIM", MMIM),
  "dialogue_gcn": System("DialogueGCN", DialogueGCN, dialogues=True),
  "dialogue_crn": System("DialogueCRN", DialogueCRN, dialogues=True),
  "mmgcn": System("MMGCN", MMGCN, dialogues=True),
  "mm_dfn": System("MM-DFN", MMDFN, dialogues=True),
  "dag_erc": System("DAG-ERC", DAGERC, dialogues=True),
  "cogmen": System("COGMEN", COGMEN, dialogues=True),
}

# Fitted by scikit-learn (`evaluation.classical`), not trained by steps.
CLASSICAL = {
  "tfidf": "TF-IDF",
  "mel_svm": "Mel statistics, SVM",
  "faces": "Mean face, linear",
  "late_fusion": "Late fusion",
}


def titles() -> dict[str, str]:
  """Name -> title, in the order of docs/rivals.md."""
  return CLASSICAL | {name: each.title for name, each in SYSTEMS.items()}


def find(name: str) -> System:
  """The system of this name.

  Raises:
    InputError: there is none that is trained.
  """
  if name in CLASSICAL:
    raise InputError(
      f"config.rival.system: {name} is not trained by steps; fit it with "
      "python -m unimse_jax.baseline"
    )
  if name not in SYSTEMS:
    raise InputError(
      f"config.rival.system: expected one of {', '.join(SYSTEMS)}, or '' for "
      f"UniMSE, found {name!r}"
    )
  return SYSTEMS[name]


def make(
  name: str, width: int, dropout: float, options: Sequence[tuple[str, Any]]
) -> nn.Module:
  """The module of a system, without parameters."""
  return find(name).module(width=width, dropout=dropout, **dict(options))


def memory(shape: Any, examples: int) -> dict[str, Any]:
  """What a system keeps from step to step; {} where it keeps nothing.

  Args:
    shape: `RivalShape` of the system.
    examples: utterances of the training split.
  """
  make_memory = getattr(find(shape.system).module, "memory", None)
  return make_memory(shape, examples) if make_memory else {}


def read_options(
  name: str, texts: Sequence[str]
) -> tuple[tuple[str, Any], ...]:
  """rival.options, as ("rank=4",) -> (("rank", 4),).

  Args:
    name: the system, whose module's fields give the types: bool, int, float or
      str.
    texts: "field=value".

  Raises:
    InputError: the system has no such field, or the value is of another type.
  """
  hints = typing.get_type_hints(find(name).module)
  known = {
    field.name: hints[field.name]
    for field in dataclasses.fields(find(name).module)
    if field.name not in _SHARED
  }
  found = {}
  for text in texts:
    field, _, value = text.partition("=")
    if field not in known:
      raise InputError(
        f"config.rival.options: {name} has the options "
        f"{', '.join(known) or 'none'}; found {text!r}"
      )
    found[field] = _value(field, known[field], value, text)
  return tuple(sorted(found.items()))


def _value(field: str, kind: type, value: str, text: str) -> Any:
  least = 0 if kind is float or field in _FROM_ZERO else 1
  truths = {"True": True, "False": False}
  try:
    found = truths[value] if kind is bool else kind(value)
  except (KeyError, ValueError):
    raise InputError(
      f"config.rival.options: expected {kind.__name__}, found {text!r}"
    ) from None
  if kind in (int, float) and not least <= found < math.inf:  # NaN is not
    raise InputError(
      f"config.rival.options: expected at least {least}, found {text!r}"
    )
  return found
