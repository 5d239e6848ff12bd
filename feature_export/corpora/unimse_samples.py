"""The UniMSE authors' sample files: words, features and label in one tuple.

((words | None, visual[32, 64], acoustic[157, 64], text, vlen, alen), label,
id), in lists; train and dev files hold all four corpora one after the other.
The third field is `video_clip` (MOSI, MOSEI), the *speaker* (MELD), or the
utterance's name (IEMOCAP). A train label is
"polarity,score,MELD emotion,IEMOCAP emotion", of which only the field that
the corpus annotates is taken: the others were completed, some from test
labels, some wrongly (see docs/checking.md). A dev or test label is the bare
score or emotion. The context of a text is in the text; which dialogue it is of,
IEMOCAP's ids alone tell.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from feature_export.corpora.pickles import to_text
from feature_export.corpora.schemes import MELD, POLARITIES
from feature_export.corpora.stored import FeatureCleaner
from feature_export.corpora.utterance import Remark, Utterance
from feature_export.errors import InputError, list_faults

IEMOCAP_WORDS = {
  "hap": "joy",
  "sad": "sadness",
  "neu": "neutral",
  "fru": "frustrated",
  "ang": "anger",
  "exc": "excited",
}
# Agreed labels outside the six classes of the task.
_OUTSIDE = ("sur", "fea", "oth", "dis", "surprise", "fear", "other", "disgust")
_FILE = re.compile(
  r".*?(moseldmp|mosei|mosi|meld|iemocap).*?_(train|dev|valid|test)_.*\.pkl"
)
_SPLITS = {
  "train": "train",
  "dev": "validation",
  "valid": "validation",
  "test": "test",
}
_IEMOCAP_ID = re.compile(r"Ses0[1-5][MF]_\w+_[MF]\w\w\d")
_IEMOCAP_TURN = re.compile(r"(Ses0[1-5][MF]_\w+)_([MF])(\d{3})")
_CLIP_ID = re.compile(r".+_\d+")
_MARK = "</s>"
ORDER_NOTE = (
  "turns of a dialogue are in about their order: ids number those of each "
  "speaker alone"
)


def match_sample_file(path: Path) -> tuple[str, str] | None:
  """The corpus ("moseldmp": all four) and split that a file's name says."""
  match = _FILE.fullmatch(path.name)
  return (match[1], _SPLITS[match[2]]) if match else None


@cache
def _mosi_videos() -> frozenset[str]:
  """MOSI's 93 videos; MOSEI, whose ids look alike, shares none."""
  path = Path(__file__).with_name("mosi_folds.json")
  folds = json.loads(path.read_text(encoding="utf-8"))
  return frozenset(video for fold in folds.values() for video in fold)


def corpus_of(name: str) -> str:
  """The corpus of a sample of a merged file, by its third field."""
  if _IEMOCAP_ID.fullmatch(name):
    return "iemocap"
  if _CLIP_ID.fullmatch(name):
    mosi = name.rpartition("_")[0] in _mosi_videos()
    return "mosi" if mosi else "mosei"
  return "meld"


def _own_label(label: object, corpus: str) -> dict:
  """What the corpus itself annotates, as fields of an utterance.

  Raises:
    ValueError: neither four fields, nor a bare score or emotion.
  """
  fields = [each.strip() for each in to_text(label).split(",")]
  if len(fields) not in (1, 4):
    raise ValueError(f"label {label!r}: expected one or four fields")
  if corpus in ("mosi", "mosei"):
    return {"intensity": float(fields[1] if len(fields) == 4 else fields[0])}
  position = {"meld": 2, "iemocap": 3}[corpus] if len(fields) == 4 else 0
  emotion = fields[position].lower()
  if corpus == "iemocap":
    return {"emotion": IEMOCAP_WORDS.get(emotion, emotion)}
  # MELD's own Sentiment column; IEMOCAP's polarity is partly another row's.
  polarity = fields[0].lower() if len(fields) == 4 else ""
  own = {"emotion": emotion}
  return {**own, "polarity": polarity} if polarity in POLARITIES else own


def _without_speaker(text: str, speaker: str) -> str:
  """The words of a turn, before which the authors put its speaker."""
  named = speaker and text.startswith(speaker + " ")
  return text[len(speaker) + 1 :].strip() if named else text


def _split_context(utterance: Utterance) -> Utterance | None:
  """Splits the text "before </s> text </s> after"; None: of another form.

  The authors ran the turns of either side together: one text each way, whose
  speakers are not told.
  """
  parts = [part.strip() for part in utterance.text.split(_MARK)]
  if len(parts) != 3:
    return None
  before, own, after = parts
  return replace(
    utterance,
    text=_without_speaker(own, utterance.speaker),
    before=(before,) if before else (),
    after=(after,) if after else (),
    before_speakers=("",) if before else (),
    after_speakers=("",) if after else (),
  )


def _place_in_dialogue(name: str, corpus: str) -> tuple[str, int]:
  """The dialogue and turn that a sample's id tells; ("", 0): it tells none.

  An IEMOCAP id counts the turns of each speaker alone. The two counts are
  interleaved, F first: about the true order, which no sample file holds. MELD's
  samples have no id, only a speaker.
  """
  match = _IEMOCAP_TURN.fullmatch(name) if corpus == "iemocap" else None
  if match is None:
    return "", 0
  return match[1], 2 * int(match[3]) + "FM".index(match[2])


class SampleReader:
  """Collects the utterances of several sample files, corpus by corpus."""

  def __init__(self, nonfinite: str):
    self._nonfinite = nonfinite
    self.utterances: dict[str, list[Utterance]] = {}
    self.cleaners: dict[str, FeatureCleaner] = {}
    self.files: dict[str, list[Path]] = {}

  def add(self, path: Path, content: object, corpus: str, split: str) -> None:
    """Reads one file.

    Raises:
      InputError: not a list of sample tuples, with every row's fault.
    """
    if not isinstance(content, Sequence) or isinstance(content, (str, bytes)):
      raise InputError(
        f"{path}: expected a list of UniMSE's sample tuples, found "
        f"{type(content).__name__}."
      )
    counts, faults = Counter(), []
    for row, sample in enumerate(content):
      try:
        (_, video, audio, text, _, _), label, third = sample
      except (TypeError, ValueError):
        faults.append(f"sample {row}: not ((6 fields), label, id)")
        continue
      third = to_text(third)
      owner = corpus_of(third) if corpus == "moseldmp" else corpus
      try:
        own = _own_label(label, owner)
      except ValueError as error:
        faults.append(f"sample {row}: {error}")
        continue
      name = third
      if owner == "meld":
        # A speaker is no id; the place in the file is.
        name = f"{split}/{counts[owner]}"
      counts[owner] += 1
      given = (each for each in (text, sample[0][0]) if each is not None)
      words = next((each for each in given if len(each)), "")
      utterance = Utterance(
        *(name, split, to_text(words), *_place_in_dialogue(third, owner)),
        speaker=third if owner == "meld" else "",
        own_context=True,
      )
      self._add_one(utterance, owner, path, own, audio, video)
    if faults:
      raise InputError(list_faults(f"{path} has faults", faults))

  def _add_one(
    self,
    utterance: Utterance,
    corpus: str,
    path: Path,
    own: dict,
    audio: object,
    video: object,
  ) -> None:
    """Adds one sample, or a remark of why it is left out."""
    cleaner = self.cleaners.setdefault(corpus, FeatureCleaner(self._nonfinite))
    utterances = self.utterances.setdefault(corpus, [])
    files = self.files.setdefault(corpus, [])
    if path not in files:
      files.append(path)
    emotion = own.get("emotion", "")
    if corpus == "iemocap" and emotion in _OUTSIDE:
      cleaner.remarks.append(
        Remark(utterance.id, "left out: not one of six classes", emotion)
      )
      return
    arrays = {
      modality: cleaner.clean(utterance.id, modality, values)
      for modality, values in (("audio", audio), ("video", video))
    }
    utterance = replace(utterance, **own, **arrays)
    if _MARK not in utterance.text:
      own_text = _without_speaker(utterance.text, utterance.speaker)
      utterances.append(replace(utterance, text=own_text))
      return
    divided = _split_context(utterance)
    if divided is None:
      text = utterance.text
      cleaner.remarks.append(
        Remark(
          utterance.id,
          "context not split from the text",
          f"{text.count(_MARK)} marks",
        )
      )
      plain = " ".join(text.replace(_MARK, " ").split())
      divided = replace(utterance, text=plain)
    utterances.append(divided)


def leave_out_unknown_polarity(
  utterances: Iterable[Utterance],
) -> tuple[list[Utterance], list[Remark]]:
  """Takes the label off MELD's surprises that do not say which kind they are.

  Dev and test files have the emotion alone, and a surprise may be positive or
  negative. Without a polarity there is no universal label, so such an utterance
  would keep the whole corpus from being labelled.
  """
  kept, remarks = [], []
  for each in utterances:
    if (
      each.emotion and not each.polarity and not MELD.polarity.get(each.emotion)
    ):
      kind = "left out: polarity unknown"
      remarks.append(Remark(each.id, kind, each.emotion))
      each = replace(each, emotion="")
    kept.append(each)
  return kept, remarks
