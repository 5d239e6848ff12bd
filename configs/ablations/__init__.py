"""Ablations: one file a row, each a change of a few lines to a parent.

  python -m unimse_jax.train --config configs/ablations/without_audio.py
  python -m unimse_jax.train --config configs/ablations/without_audio.py:demo

The word after the colon names the parent, a file of configs/; it is `base` if
left out. Each row is trained again from the start.

A row's `change` makes it of any config: `unimse_jax.ablate` applies overrides
to the parent first, so that no override can undo the row.
"""

import importlib
import pathlib

from ml_collections import ConfigDict

# (file, title); the rows of the paper's Table 3 first, in its order.
ROWS = (
  ("without_audio", "w/o A"),
  ("without_video", "w/o V"),
  ("without_audio_video", "w/o A, V"),
  ("without_pmf", "w/o PMF"),
  ("without_contrastive", "w/o CL"),
  ("without_iemocap", "w/o IEMOCAP"),
  ("without_meld", "w/o MELD"),
  ("without_mosei", "w/o MOSEI"),
  ("without_mosi", "w/o MOSI"),
  ("only_mosi", "MOSI alone"),
  ("only_mosei", "MOSEI alone"),
  ("only_meld", "MELD alone"),
  ("only_iemocap", "IEMOCAP alone"),
  ("pmf_last_layer", "PMF in the last layer"),
  ("pmf_half_of_layers", "PMF in the later half of the layers"),
  ("pmf_all_layers", "PMF in all layers"),
  ("pmf_first_layers", "PMF in the first layers"),
  ("pmf_encoder", "PMF in the encoder alone"),
  ("pmf_parallel", "PMF beside the feed-forward"),
  ("pmf_cross_attention", "PMF by cross-attention"),
  ("contrastive_last_layer", "CL at the last PMF layer"),
  ("contrastive_pre_block", "CL before the last PMF layer"),
  ("contrastive_eq4", "Eq. 4 to the letter"),
  ("window_0", "no context"),
  ("window_1", "one turn either side"),
  ("window_2", "two turns either side"),
  ("window_3", "three turns either side"),
  ("window_4", "four turns either side"),
  ("causal_context", "past turns alone"),
  ("t5_frozen", "T5 frozen"),
  ("t5_last_two_blocks", "last two blocks of T5"),
  ("three_field_labels", "three label fields"),
)
TABLE_3 = tuple(name for name, _ in ROWS[:8])
_TOKENS_A_TURN = 32  # MELD's 95th percentile, with the speaker's name


def load_parent(parent: str, file: str) -> ConfigDict:
  """The parent's config, named after parent and row.

  Args:
    parent: name of a file of configs/.
    file: the row's __file__.

  Raises:
    ValueError: no such parent.
  """
  folder = pathlib.Path(__file__).parents[1]
  known = sorted(path.stem for path in folder.glob("[!_]*.py"))
  if parent not in known:
    raise ValueError(
      f"expected one of {', '.join(known)} after the colon, found {parent!r}"
    )
  config = importlib.import_module(f"configs.{parent}").get_config()
  config.name = f"{parent}_{pathlib.Path(file).stem}"
  return config


def drop_modalities(config: ConfigDict, *names: str) -> ConfigDict:
  config.data.modalities = tuple(
    each for each in config.data.modalities if each not in names
  )
  return config


def keep_corpora(config: ConfigDict, kept: list[str], tag: str) -> ConfigDict:
  """Other corpora are no donors either: these labels are a file of their own.

  Where it is missing, training stops with the command that makes it.
  """
  config.data.corpora = tuple(kept)
  labels = pathlib.PurePath(config.data.labels)
  config.data.labels = str(labels.with_stem(f"{labels.stem}_{tag}"))
  return config


def drop_corpus(config: ConfigDict, name: str) -> ConfigDict:
  corpus = _find(config, name)
  kept = [each for each in config.data.corpora if each != corpus]
  if not kept:
    raise ValueError(f"{corpus} is the only corpus of the parent")
  return keep_corpora(config, kept, f"without_{name}")


def keep_corpus(config: ConfigDict, name: str) -> ConfigDict:
  return keep_corpora(config, [_find(config, name)], f"only_{name}")


def _find(config: ConfigDict, name: str) -> str:
  """The parent's corpus of this name; the demo's is demo_<name>."""
  for each in config.data.corpora:
    if each in (name, f"demo_{name}"):
      return each
  raise ValueError(
    f"the parent's corpora are {', '.join(config.data.corpora)}: no {name}"
  )


def widen(config: ConfigDict, window: int) -> ConfigDict:
  """A window of turns, and room for them where texts were cut shorter."""
  config.text.window = window
  room = _TOKENS_A_TURN * (2 * window + 1)
  while config.data.buckets[-1] < room:
    config.data.buckets += (2 * config.data.buckets[-1],)
  config.text.max_tokens = config.data.buckets[-1]
  return config
