"""Pretrained T5 checkpoints in the Hugging Face formats."""

from unimse_jax.pretrained.hub import snapshot
from unimse_jax.pretrained.huggingface import (
  Checkpoint,
  check_source,
  load,
  locate,
  open_checkpoint,
  place,
)
from unimse_jax.pretrained.writer import save

__all__ = [
  "Checkpoint",
  "check_source",
  "load",
  "locate",
  "open_checkpoint",
  "place",
  "save",
  "snapshot",
]
