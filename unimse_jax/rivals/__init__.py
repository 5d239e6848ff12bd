"""The systems that UniMSE is compared with, in its place (Table 2).

A system is a Linen module of one file that reads the streams of B utterances
(`streams.Stream`) and gives one vector for each (`streams.Fused`). All else is
shared: T5's encoder reads the words, a head for each task reads the vector
(`rival.Rival`), and trainer, evaluation and reports are UniMSE's own.

To add one: its file, its line in `registry.SYSTEMS`, its config in
configs/rivals/, its row in docs/rivals.md.
"""

from unimse_jax.rivals.registry import (
  CLASSICAL,
  SYSTEMS,
  find,
  read_options,
  titles,
)
from unimse_jax.rivals.rival import Rival, RivalOutput, RivalShape
from unimse_jax.rivals.streams import MEMORY

__all__ = [
  "CLASSICAL",
  "MEMORY",
  "SYSTEMS",
  "Rival",
  "RivalOutput",
  "RivalShape",
  "find",
  "read_options",
  "titles",
]
