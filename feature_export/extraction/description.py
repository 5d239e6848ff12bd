"""What an export is about to do, printed before it starts."""

import argparse
from collections.abc import Sequence

from feature_export.corpora.utterance import Corpus
from feature_export.features.settings import ExtractionSettings


def _describe_stored(corpus: Corpus) -> str:
  """Describes the features that a corpus brings."""
  stored = corpus.stored
  return (
    f"{corpus.name}: features of {', '.join(stored.files)} ({stored.source}), "
    f"audio {stored.audio_dimension} wide, video {stored.video_dimension}; "
    f"NaN and infinite values: {stored.nonfinite}"
  )


def describe_run(
  corpora: Sequence[Corpus],
  settings: ExtractionSettings,
  options: argparse.Namespace,
) -> str:
  """Describes corpora, settings and weights of an export, a line each."""
  audio, video = settings.audio, settings.video
  names = ", ".join(corpus.name for corpus in corpora)
  if corpora[0].stored:
    return "\n".join(
      [
        f"Exporting {names} from {options.raw} to {options.out}",
        *(_describe_stored(corpus) for corpus in corpora),
      ]
    )
  return "\n".join(
    [
      f"Exporting {names} from {options.raw} to {options.out} with "
      + (options.beam_runner or f"{options.jobs} processes"),
      "audio: left out"
      if options.noaudio
      else f"audio: {audio.mels} log-Mel bins, {audio.sample_rate} Hz, window "
      f"{audio.window}, hop {audio.hop}, at most {audio.max_seconds:g} s",
      "video: left out"
      if options.novideo
      else f"video: {video.frames} frames of {video.image_size} px, "
      f"faces by {video.faces.detector}, {video.backbone}, weights "
      f"{settings.weights.name} (sha256 {video.weights_sha256[:12]})",
    ]
  )
