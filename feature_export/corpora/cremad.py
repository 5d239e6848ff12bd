"""Imports CREMA-D: acted speech, twelve sentences, six emotions.

Cao et al. 2014. The file name holds actor, sentence, emotion and level. The
emotion is the one acted; the level says how strongly, and is no sentiment
intensity.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from feature_export.corpora.actor_splits import check_actors, parse_split_actors
from feature_export.corpora.schemes import CREMAD
from feature_export.corpora.source_files import SourceFiles, layout_error
from feature_export.corpora.utterance import Corpus, Media, Remark, Utterance
from feature_export.errors import InputError
from feature_export.files import check_is_no_pointer

LAYOUTS = (
  "AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav, e.g. "
  "1001_DFA_ANG_XX.wav, and VideoFlash/ with .flv (or .mp4) of the same names; "
  "either alone will do",
)
CLIPS = 7442

# One clip is published as 1040_ITH_SAD_X.
_NAME = re.compile(
  r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)"
  r"\.(wav|flv|mp4)"
)
_SUFFIXES = (".wav", ".flv", ".mp4")
_EMOTIONS = {
  "ANG": "anger",
  "DIS": "disgust",
  "FEA": "fear",
  "HAP": "happy",
  "NEU": "neutral",
  "SAD": "sad",
}
_SENTENCES = {
  "IEO": "It's eleven o'clock.",
  "TIE": "That is exactly what happened.",
  "IOM": "I'm on my way to the meeting.",
  "IWW": "I wonder what this is about.",
  "TAI": "The airplane is almost full.",
  "MTI": "Maybe tomorrow it will be cold.",
  "IWL": "I would like a new alarm clock.",
  "ITH": "I think I have a doctor's appointment.",
  "DFA": "Don't forget a jacket.",
  "ITS": "I think I've seen this before.",
  "TSI": "The surface is slick.",
  "WSI": "We'll stop in a couple of minutes.",
}
_SILENT = "1076_MTI_SAD_XX"  # CREMA-D's README: no usable sound
_DEFAULT_SPLIT = "train=1001-1063,validation=1064-1077,test=1078-1091"


def _is_pointer(path: Path) -> bool:
  """Whether Git LFS left a pointer in place of the file."""
  try:
    check_is_no_pointer(path)
  except InputError:
    return True
  return False


def _find_clips(
  files: SourceFiles,
) -> tuple[dict[str, dict[str, Path]], list[Remark]]:
  """Finds the files: clip -> suffix -> file, and remarks on those left out.

  Raises:
    InputError: no clip, or nothing but pointers of Git LFS.
  """
  clips, remarks, pointers = defaultdict(dict), [], []
  for path in files.paths:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
      continue
    match = _NAME.fullmatch(path.stem + suffix)
    if match is None or match[2] not in _SENTENCES:
      remarks.append(Remark(path.name, "unused: file with another name"))
    elif _is_pointer(path):
      pointers.append(path)
    else:
      clip = "_".join(match.groups()[:3])
      level = "XX" if match[4] == "X" else match[4]
      clips[f"{clip}_{level}"].setdefault(suffix, path)
      if level != match[4]:
        remarks.append(Remark(path.name, "repaired: level X read as XX"))
  if pointers and not clips:
    raise InputError(
      f"CREMA-D: {len(pointers)} files, {pointers[0].name} first, are Git LFS "
      "pointers, not media. Run `git lfs pull` in the clone."
    )
  if not clips:
    raise layout_error("CREMA-D", LAYOUTS, files)
  remarks += [
    Remark(path.name, "dropped: Git LFS pointer, not the file")
    for path in pointers
  ]
  return clips, remarks


def _choose_splits(
  actors: set[str], split_actors: str | None
) -> dict[str, str]:
  """Actor -> split; the default may name actors that have no files."""
  if split_actors is None:
    return parse_split_actors(_DEFAULT_SPLIT, digits=4)
  split_of = parse_split_actors(split_actors, digits=4)
  check_actors(split_of, actors)
  return split_of


def _utterance(
  clip: str, paths: Mapping[str, Path], split: str
) -> tuple[Utterance, list[Remark]]:
  """Makes one utterance; without a wav file its voice is the video's sound."""
  actor, sentence, emotion, _ = clip.split("_")
  media = {suffix: Media(path) for suffix, path in paths.items()}
  video = media.get(".flv") or media.get(".mp4")
  audio, remarks = media.get(".wav") or video, []
  if clip == _SILENT:
    audio = None
    remarks.append(Remark(clip, "no audio: listed as silent"))
  elif ".wav" not in media:
    remarks.append(Remark(clip, "repaired: voice from the video"))
  utterance = Utterance(
    id=clip,
    split=split,
    text=_SENTENCES[sentence],
    speaker=actor,
    audio=audio,
    video=video,
    emotion=_EMOTIONS[emotion],
  )
  return utterance, remarks


def load(raw: Path, split_actors: str | None = None) -> Corpus:
  """Reads a folder of CREMA-D files, at any depth.

  Args:
    raw: a clone of the repository, or any folder with its files.
    split_actors: "train=1001-1063,validation=1064-1077,test=1078-1091",
      which is the default.

  Raises:
    InputError: no such files, or actors without a split.
  """
  clips, remarks = _find_clips(SourceFiles(raw))
  split_of = _choose_splits({clip[:4] for clip in clips}, split_actors)
  utterances = []
  for clip, paths in sorted(clips.items()):
    if clip[:4] not in split_of:
      remarks.append(Remark(clip, "dropped: actor in no split"))
      continue
    utterance, odd = _utterance(clip, paths, split_of[clip[:4]])
    utterances.append(utterance)
    remarks += odd
  if any(each.video for each in utterances):
    remarks += [
      Remark(each.id, "no video: no file")
      for each in utterances
      if each.video is None
    ]
  counts = Counter(suffix for paths in clips.values() for suffix in paths)
  note = f"{len(clips)} of {CLIPS} clips; files: {dict(sorted(counts.items()))}"
  return Corpus("cremad", tuple(utterances), CREMAD, (note,), tuple(remarks))
