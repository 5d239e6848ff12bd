"""What every importer makes: utterances, and a corpus of them.

Importers open no media; they only say where they are. Every corpus must pass
`validate` before anything is extracted.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from feature_export.corpora.schemes import POLARITIES, EmotionScheme
from feature_export.errors import InputError, list_faults

SPLITS = ("train", "validation", "test")
MODALITIES = ("audio", "video")
INTENSITY_LIMIT = 3.0  # the scale of MOSI and MOSEI, [-3, 3]
CONTEXT_TURNS = 8  # stored on either side; the training config uses fewer


REGIONS = ("", "left", "right")


@dataclass(frozen=True)
class Media:
  """A stretch of a media file.

  Attributes:
    path: the file; a video file may serve as audio.
    start: seconds; None: from the beginning.
    end: seconds; None: to the end.
    region: "left" or "right": that half of the picture; "": all of it.
  """

  path: Path
  start: float | None = None
  end: float | None = None
  region: str = ""


@dataclass(frozen=True, eq=False)
class Stored:
  """Features that the corpus itself brings: no media file is opened.

  Attributes:
    values: float[L, D], valid rows only (no padding), in the order of time.
  """

  values: np.ndarray


@dataclass(frozen=True)
class StoredSettings:
  """What the dataset's metadata say of a corpus that brings its features.

  Attributes:
    source: kind of file, such as "mmsa_aligned".
    files: file name -> sha256.
    audio_dimension: D of every `Stored` audio.
    video_dimension: D of every `Stored` video.
    nonfinite: replacement of NaN and infinite values: "zero", "mean" or
      "refuse" (there were none).
  """

  source: str
  files: dict[str, str]
  audio_dimension: int
  video_dimension: int
  nonfinite: str = "zero"


@dataclass(frozen=True)
class Remark:
  """One utterance or file of the source that was not taken as it is.

  Attributes:
    id: utterance or file, as the source names it.
    kind: a few words that are the same in equal cases, such as "dropped: no
      clip", so that the report can count them.
    detail: particulars of this case.
  """

  id: str
  kind: str
  detail: str = ""


@dataclass(frozen=True)
class Utterance:
  """One utterance, with whatever its corpus annotates.

  Attributes:
    id: unique in the corpus, over all splits.
    split: "train", "validation" or "test".
    text: words said.
    dialogue: conversation that it is a turn of; "": none.
    turn: number that orders the turns of a dialogue; there may be gaps.
    speaker: name; "": unknown.
    audio: file that holds the voice, or its features; None: no voice.
    video: file that shows the face, or its features; None: no face.
    polarity: "negative", "neutral", "positive" or "" (not annotated).
    intensity: sentiment in [-3, 3], or None (not annotated).
    emotion: a class of the corpus's scheme, or "" (not annotated).
    before, after: texts of the turns around it, nearest first; empty until
      `with_contexts` has seen the whole corpus.
    before_speakers, after_speakers: their speakers, as many as texts.
    own_context: whether these four are the source's, so that `with_contexts`
      leaves them as they are, empty ones too.
  """

  id: str
  split: str
  text: str
  dialogue: str = ""
  turn: int = 0
  speaker: str = ""
  audio: Media | Stored | None = None
  video: Media | Stored | None = None
  polarity: str = ""
  intensity: float | None = None
  emotion: str = ""
  before: tuple[str, ...] = ()
  after: tuple[str, ...] = ()
  before_speakers: tuple[str, ...] = ()
  after_speakers: tuple[str, ...] = ()
  own_context: bool = False

  @property
  def labelled(self) -> bool:
    """Whether anything is annotated; otherwise it only serves as context."""
    return bool(self.polarity or self.emotion) or self.intensity is not None


@dataclass(frozen=True)
class Corpus:
  """A named set of utterances, in corpus order.

  Attributes:
    name: lower-case letters, digits and underscores; names the dataset.
    utterances: all utterances, unlabelled turns included.
    scheme: emotion scheme; None: no emotion is annotated.
    notes: sentences about the corpus as a whole, for the export's report.
    remarks: every single utterance that was left out, repaired or doubted.
    stored: origin of `Stored` features; None: features are to be extracted.
  """

  name: str
  utterances: tuple[Utterance, ...]
  scheme: EmotionScheme | None
  notes: tuple[str, ...] = ()
  remarks: tuple[Remark, ...] = ()
  stored: StoredSettings | None = None


def polarity_of_intensity(intensity: float) -> str:
  """The polarity of a sentiment score: its sign, 0 being neutral."""
  if intensity == 0:
    return "neutral"
  return "positive" if intensity > 0 else "negative"


def resolve_polarity(
  polarity: str,
  intensity: float | None,
  emotion: str,
  scheme: EmotionScheme | None,
) -> str:
  """The gold polarity, else the sign of the intensity, else the scheme's."""
  if polarity:
    return polarity
  if intensity is not None:
    return polarity_of_intensity(intensity)
  return scheme.polarity.get(emotion, "") if scheme else ""


def with_contexts(
  utterances: Iterable[Utterance], limit: int = CONTEXT_TURNS
) -> list[Utterance]:
  """The utterances with the turns around each (paper, Eq. 1).

  Neighbours are counted by position and not by turn number, because published
  numbers have gaps. Turns without labels are context too. Turns of equal
  numbers keep the given order.

  Args:
    utterances: all utterances of a corpus, with unique ids.
    limit: largest number of turns on either side.

  Returns:
    The utterances in their order; one without a dialogue, or with a context of
    its own, is as it was.
  """
  known = {utterance.id: utterance for utterance in utterances}
  dialogues = defaultdict(list)
  for utterance in known.values():
    if utterance.dialogue:
      dialogues[utterance.dialogue].append(utterance)
  for turns in dialogues.values():
    turns.sort(key=lambda utterance: utterance.turn)
    for position, utterance in enumerate(turns):
      if utterance.own_context:
        continue
      before = turns[max(0, position - limit) : position][::-1]
      after = turns[position + 1 : position + 1 + limit]
      known[utterance.id] = replace(
        utterance,
        before=tuple(other.text for other in before),
        after=tuple(other.text for other in after),
        before_speakers=tuple(other.speaker for other in before),
        after_speakers=tuple(other.speaker for other in after),
      )
  return list(known.values())


def _label_faults(
  utterance: Utterance, scheme: EmotionScheme | None
) -> Iterable[tuple[str, str]]:
  """Yields (kind, fault) for the labels of one utterance."""
  if utterance.emotion and (
    scheme is None or utterance.emotion not in scheme.classes
  ):
    allowed = ", ".join(scheme.classes) if scheme else "none: give --scheme"
    yield (
      f"emotion outside the scheme (its classes: {allowed})",
      f"{utterance.id}: {utterance.emotion!r}",
    )
  if utterance.polarity not in (*POLARITIES, ""):
    yield (
      f"polarity not one of {', '.join(POLARITIES)}",
      f"{utterance.id}: {utterance.polarity!r}",
    )
  intensity = utterance.intensity
  if intensity is None:
    return
  if math.isnan(intensity) or abs(intensity) > INTENSITY_LIMIT:
    yield ("intensity outside [-3, 3]", f"{utterance.id}: {intensity}")
  elif (
    utterance.polarity in POLARITIES
    and utterance.polarity != polarity_of_intensity(intensity)
  ):
    yield (
      "polarity contradicts the sign of the intensity",
      f"{utterance.id}: {utterance.polarity} and {intensity}",
    )


def _identity_faults(
  utterances: Iterable[Utterance],
) -> Iterable[tuple[str, str]]:
  """Yields (kind, fault) for ids, splits and dialogues over the corpus."""
  split_of_id: dict[str, str] = {}
  splits_of_dialogue: dict[str, list[str]] = {}
  for utterance in utterances:
    if not utterance.id:
      yield ("empty id", f"text {utterance.text!r}")
    if utterance.split not in SPLITS:
      yield (
        f"split not one of {', '.join(SPLITS)}",
        f"{utterance.id}: {utterance.split!r}",
      )
    known = split_of_id.setdefault(utterance.id, "")
    if known and known != utterance.split:
      yield (
        "the same id in two splits",
        f"{utterance.id}: {known} and {utterance.split}",
      )
    elif known:
      yield ("duplicate id", f"{utterance.id} in {known}")
    split_of_id[utterance.id] = known or utterance.split
    if utterance.dialogue:
      splits = splits_of_dialogue.setdefault(utterance.dialogue, [])
      if utterance.split not in splits:
        splits.append(utterance.split)
  for dialogue, splits in splits_of_dialogue.items():
    if len(splits) > 1:
      yield ("dialogue in two splits", f"{dialogue}: {' and '.join(splits)}")


def _split_faults(corpus: Corpus) -> Iterable[tuple[str, str]]:
  """Yields (kind, fault) for the splits that training needs and that lack."""
  labelled = {each.split for each in corpus.utterances if each.labelled}
  for split in ("train", "validation"):
    if split not in labelled:
      yield (
        "split without a labelled utterance (training needs train and "
        "validation)",
        split,
      )


def validate(corpus: Corpus) -> None:
  """Checks a whole corpus.

  Raises:
    InputError: any faults; it names every kind, its number of cases and the
      first ten of them.
  """
  kinds = defaultdict(list)
  for kind, fault in _identity_faults(corpus.utterances):
    kinds[kind].append(fault)
  for utterance in corpus.utterances:
    for kind, fault in _label_faults(utterance, corpus.scheme):
      kinds[kind].append(fault)
  for kind, fault in _split_faults(corpus):
    kinds[kind].append(fault)
  if kinds:
    raise InputError(
      f"Corpus {corpus.name!r} cannot be exported as it is:\n"
      + "\n".join(list_faults(kind, each) for kind, each in kinds.items())
      + "\nCorrect the source files and run the command again."
    )
