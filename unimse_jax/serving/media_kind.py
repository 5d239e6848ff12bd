"""Which container a file is, by its first bytes.

FFmpeg also reads playlists, which name other files; nobody may send those.
"""

BYTES = 12  # that tell it
_MPEG = (
  b"ID3",
  b"\xff\xfb",
  b"\xff\xf3",
  b"\xff\xf2",
  b"\xff\xf1",
  b"\xff\xf9",
)
_STARTS = {
  b"\x1aE\xdf\xa3": ".webm",  # and Matroska
  b"OggS": ".ogg",
  b"fLaC": ".flac",
}


def suffix(head: bytes) -> str | None:
  """The ending of such a file's name; None: sound and video begin otherwise.

  Args:
    head: its first `BYTES` bytes.
  """
  if head[:4] == b"RIFF":
    return {b"WAVE": ".wav", b"AVI ": ".avi"}.get(head[8:12])
  if head[4:8] == b"ftyp":
    return ".mp4"  # and QuickTime
  if head.startswith(_MPEG):
    return ".mp3"  # and AAC
  return next(
    (end for start, end in _STARTS.items() if head.startswith(start)), None
  )
