"""A long recording becomes rows of a manifest, an utterance each."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError, MediaError
from feature_export.features.audio import read_waveform
from feature_export.features.findings import Inspection
from feature_export.features.settings import AudioSettings
from feature_export.features.source import find_end
from feature_export.features.waveform import resample
from feature_export.files import check_is_no_pointer, write_whole
from feature_export.segmentation import recogniser, speech, transcripts
from feature_export.segmentation.cues import Cue, to_utterances


@dataclass(frozen=True)
class Recording:
  """A media file that was opened once.

  Attributes:
    path: the file.
    seconds: its length; 0: unknown.
    has_sound: whether it has a sound track.
  """

  path: Path
  seconds: float
  has_sound: bool


def probe(path: Path) -> Recording:
  """Opens a media file.

  Raises:
    InputError: there is none, or nothing in it is sound or picture.
  """
  import av

  if not path.is_file():
    raise InputError(f"--media: expected a file, found none at {path}.")
  check_is_no_pointer(path)
  try:
    with av.open(str(path)) as container:
      tracks = (*container.streams.audio, *container.streams.video)
      ends = [find_end(container, track) for track in tracks]
      whole = (container.duration or 0) / 1_000_000  # FFmpeg's AV_TIME_BASE
      has_sound = bool(container.streams.audio)
  except (av.FFmpegError, OSError) as error:
    raise InputError(
      f"--media: expected sound or video in {path}, found a file that FFmpeg "
      f"cannot open: {error.strerror or error}."
    ) from error
  if not tracks:
    raise InputError(
      f"--media: expected sound or pictures in {path}, found neither."
    )
  return Recording(path, max(whole, *ends), has_sound)


def cut(
  recording: Recording, transcript: Path | None, asr: str | None, language: str
) -> list[Cue]:
  """The utterances of a recording, in the order of their start.

  Args:
    recording: media file.
    transcript: file of cues; None: speech is found by voice activity.
    asr: model that gives what is found its words, see `recogniser.load`; None:
      it has none.
    language: language for that model.

  Raises:
    InputError: no speech, a transcript of another recording, or a mistake in
      one of the files.
  """
  if transcript:
    return _cut_by_transcript(recording, transcript)
  # Before minutes of listening.
  recognise = recogniser.load(asr, language) if asr else None
  try:
    cues = speech.find_speech(recording.path, recording.seconds)
  except MediaError as error:
    raise InputError(
      f"{recording.path}: expected a sound track to find speech in, found "
      f"{error}. Give --transcript."
    ) from error
  if not cues:
    raise InputError(
      f"{recording.path}: expected speech, found none. Give --transcript."
    )
  print(
    f"{recording.path}: {len(cues)} utterances by voice activity"
    + ("" if asr else ", without words"),
    file=sys.stderr,
  )
  return _with_words(recording.path, cues, recognise) if recognise else cues


def _cut_by_transcript(recording: Recording, path: Path) -> list[Cue]:
  transcript = transcripts.read(path)
  end = recording.seconds or math.inf
  beyond = sum(cue.start >= end for cue in transcript.cues)
  if beyond == len(transcript.cues):
    raise InputError(
      f"{path}: expected cues of {recording.path}, which is {end:.1f} s long, "
      f"found {beyond} that all begin later. Is it another recording's?"
    )
  utterances = to_utterances(transcript.cues)
  told = [f"{n} left out {kind}" for kind, n in transcript.left_out.items()]
  told += [f"{beyond} after the end of the recording"] * bool(beyond)
  print(
    f"{path}: {len(utterances)} utterances of {len(transcript.cues)} cues"
    + "".join(f", {each}" for each in told),
    file=sys.stderr,
  )
  return utterances


def _with_words(
  path: Path, cues: Sequence[Cue], recognise: recogniser.Recogniser
) -> list[Cue]:
  from tqdm import tqdm

  bar = tqdm(cues, desc="words", unit=" utterances", disable=None)
  return [replace(cue, text=_recognise(path, cue, recognise)) for cue in bar]


def _recognise(path: Path, cue: Cue, recognise: recogniser.Recogniser) -> str:
  """The words of an utterance; "" where its sound cannot be read."""
  settings = AudioSettings(sample_rate=recogniser.RATE)
  # Whatever is odd about it is told when its features are made.
  inspection = Inspection(dict.fromkeys(settings.policies, "keep"))
  media = Media(path, cue.start, cue.end)
  try:
    waveform = read_waveform(media, settings, inspection)
  except MediaError:
    return ""
  return recognise(resample(waveform, recogniser.RATE))


def write_manifest(
  path: Path, media: Path, cues: Sequence[Cue], corpus: str
) -> None:
  """Writes a manifest of clips; each other's context, as turns of a dialogue.

  Args:
    path: file to write.
    media: recording that the cues are of.
    cues: utterances in the order of their start.
    corpus: training corpus that they are read like; "": none.
  """
  file = str(media.absolute())
  rows = [
    {
      "id": f"{media.stem}_{number}",
      "text": cue.text,
      "audio": file,
      "video": file,
      "start": round(cue.start, 3),
      "end": round(cue.end, 3),
      "dialogue": media.stem,
      "turn": number,
    }
    | ({"speaker": cue.speaker} if cue.speaker else {})
    | ({"corpus": corpus} if corpus else {})
    for number, cue in enumerate(cues, 1)
  ]
  write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
