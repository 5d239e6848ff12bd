"""Pretrained T5 checkpoints in the Hugging Face formats."""

from unimse_jax.pretrained.huggingface import load, locate

__all__ = ["load", "locate"]
