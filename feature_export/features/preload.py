"""Imports what every extraction process needs, once, in the fork server.

Nothing here starts a thread, so the server can be forked safely.
"""

import contextlib

import av  # noqa: F401
import librosa  # noqa: F401
import soundfile  # noqa: F401
import torch  # noqa: F401

import feature_export.features.extraction  # noqa: F401

with contextlib.suppress(ImportError):
  import cv2  # noqa: F401
