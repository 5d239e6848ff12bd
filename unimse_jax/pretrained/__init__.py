"""Pretrained T5 checkpoints in the Hugging Face formats."""

from unimse_jax.pretrained.huggingface import load, locate
from unimse_jax.pretrained.writer import save

__all__ = ["load", "locate", "save"]
