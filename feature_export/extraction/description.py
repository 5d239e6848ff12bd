"""What an export is about to do, printed before it starts."""

from collections.abc import Sequence

from feature_export.corpora.importers import ImportOptions
from feature_export.corpora.utterance import Corpus
from feature_export.extraction.flags import RunOptions
from feature_export.features.efficientnet import find_weights
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  FaceSettings,
)


def _describe_stored(corpus: Corpus) -> str:
  """Describes the features that a corpus brings."""
  stored = corpus.stored
  return (
    f"{corpus.name}: features of {', '.join(stored.files)} ({stored.source}), "
    f"audio {stored.audio_dimension} wide, video {stored.video_dimension}; "
    f"NaN and infinite values: {stored.nonfinite}"
  )


def _describe_voice(audio: AudioSettings) -> str:
  speech = audio.speech
  if speech is None:
    return f"{audio.mels} log-Mel bins, window {audio.window}, hop {audio.hop}"
  return (
    f"{speech.kind}, {audio.mels} wide, layer {speech.layer}, {speech.pool} "
    f"states averaged, sha256 {speech.sha256[:12]}"
  )


def _describe_faces(faces: FaceSettings) -> str:
  choice = "" if faces.speaker is None else ", the speaking one"
  return f"faces by {faces.detector}{choice}"


def describe_run(
  corpora: Sequence[Corpus],
  settings: ExtractionSettings,
  importing: ImportOptions,
  running: RunOptions,
) -> str:
  """Describes corpora, settings and weights of an export, a line each."""
  audio, video = settings.audio, settings.video
  names = ", ".join(corpus.name for corpus in corpora)
  if corpora[0].stored:
    return "\n".join(
      [
        f"Exporting {names} from {importing.raw} to {running.out}",
        *(_describe_stored(corpus) for corpus in corpora),
      ]
    )
  return "\n".join(
    [
      f"Exporting {names} from {importing.raw} to {running.out} with "
      + (running.beam_runner or f"{running.jobs} processes"),
      "audio: left out"
      if not importing.audio
      else f"audio: {_describe_voice(audio)}, {audio.sample_rate} Hz, at most "
      f"{audio.max_seconds:g} s",
      "video: left out"
      if not importing.video
      else f"video: {video.frames} frames of {video.image_size} px, "
      f"{_describe_faces(video.faces)}, {video.backbone}, weights "
      f"{find_weights(video.backbone, settings.weights).name} (sha256 "
      f"{video.weights_sha256[:12]})",
    ]
  )
