"""Checkpoints that survive kills, full disks and flipped bytes."""

from unimse_jax.checkpoints.checkpointer import Checkpointer, Restored

__all__ = ["Checkpointer", "Restored"]
