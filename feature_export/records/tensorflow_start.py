"""Prepares the process for TensorFlow; to be called before it is imported."""

import contextlib
import os


def prepare() -> None:
  """Makes TensorFlow silent, and safe to have beside PyTorch.

  A user's own environment wins. TensorFlow 2.21 and Triton 3.9, which
  PyTorch imports for itself, each bring an LLVM: a process that imports
  Triton second is aborted, the other way round both work.
  """
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  # Records need no arithmetic, and without oneDNN there is no notice about it.
  os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
  with contextlib.suppress(ImportError):
    import triton  # noqa: F401  (0.2 s; absent from PyTorch's CPU builds)
  from absl import logging

  logging.set_verbosity(logging.ERROR)
