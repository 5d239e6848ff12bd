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
from unimse_jax.pretrained.writer import save, save_tensors

__all__ = [
  "Checkpoint",
  "check_source",
  "load",
  "locate",
  "open_checkpoint",
  "place",
  "save",
  "save_tensors",
  "snapshot",
]
