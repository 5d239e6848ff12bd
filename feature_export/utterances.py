"""Cuts a recording into utterances: a manifest of clips, one a line.

python -m feature_export.utterances --media talk.mp4 --out clips.jsonl
    [--transcript talk.srt | --asr faster-whisper:DIR]

By the cues of a transcript (SubRip, WebVTT, or JSON as Whisper writes it), or
by voice activity where there is none. unimse_jax.predict --input reads the
manifest, and with --media it makes one itself.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export import command_line
from feature_export.errors import InputError
from feature_export.options import option


@dataclass(frozen=True)
class UtteranceOptions:
  """What is cut, by what, and into which file."""

  media: Path = option("Sound or video file.", local=True)
  out: Path = option("File of JSON lines to write.", local=True)
  transcript: Path | None = option(
    "Words with times: .srt, .vtt or .json; if unset, voice activity.",
    None,
    local=True,
  )
  asr: str | None = option(
    "Model that writes down what is said, faster-whisper:DIR.", None
  )
  language: str = option("Language for --asr; empty: recognised.", "en")
  corpus: str = option(
    "Training corpus that the utterances are read like; empty: none.", ""
  )


def cut(options: UtteranceOptions) -> int:
  """Writes the manifest.

  Raises:
    InputError: a mistake in the flags or in what they name.
  """
  if options.transcript and options.asr:
    raise InputError("expected one of --transcript and --asr, found both.")
  from feature_export.segmentation import recordings

  recording = recordings.probe(options.media)
  cues = recordings.cut(
    recording, options.transcript, options.asr, options.language
  )
  recordings.write_manifest(options.out, options.media, cues, options.corpus)
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run([UtteranceOptions], cut, arguments)


if __name__ == "__main__":
  sys.exit(main())
