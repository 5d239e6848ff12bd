"""Imports what every extraction process needs, once, in the fork server.

The server is then forked for every process, which takes no time. That is safe
because nothing here starts a thread: a forked lock that another thread holds
would never be released.
"""

import contextlib

import av  # noqa: F401
import numpy as np
import soundfile  # noqa: F401
import torch  # noqa: F401

from feature_export.extraction import media_extractor  # noqa: F401
from feature_export.features import waveform
from feature_export.features.settings import AudioSettings

with contextlib.suppress(ImportError):
  import cv2  # noqa: F401

# librosa loads its parts, and compiles some, when they are first used. Done
# here, no process has to do it again.
waveform.compute_log_mel(
  waveform.Waveform(np.zeros(4096, np.float32), 22050), AudioSettings()
)
