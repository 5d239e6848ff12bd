"""Four demo corpora, made as raw media and read back by manifests.

Modelled on MOSI and MOSEI (monologues with intensities), MELD and IEMOCAP
(dialogues with emotions of two schemes). All four draw from one table of
affects, so that joint training and label completion can work; about half of
the sentences say nothing about the feeling, so that voice and face matter.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from feature_export.corpora import manifest
from feature_export.corpora.schemes import IEMOCAP, MELD, EmotionScheme
from feature_export.corpora.utterance import Corpus
from feature_export.errors import InputError
from feature_export.processes import without_main_module
from feature_export.synthesis import face, phrases, voice
from feature_export.synthesis.affect import Affect, draw_affect

# Part of the marker: raise it whenever the same seed gives other media.
GENERATOR_VERSION = 1
MARKER_FILE = "generated.json"
MIN_CLIPS = 100  # below, a split may lack a whole dialogue

_PARTIAL = ".demo_partial"
_PROCESSES = 2
_SPLIT_SHARES = {"validation": 0.1, "test": 0.2}  # the rest is train
_DIALOGUE_TURNS = (5, 9)  # from, up to but without
_REPLY_SHARE = 0.3  # of the turns that an unlabelled reply follows


@dataclass(frozen=True)
class _Plan:
  """What one corpus is made of.

  Attributes:
    name: corpus name.
    share: share of all clips, 0 to 1.
    scheme: emotion scheme; None: the corpus has intensities instead.
    weights: emotion -> relative frequency.
    speakers: number of people in one dialogue.
  """

  name: str
  share: float
  scheme: EmotionScheme | None
  weights: dict[str, float]
  speakers: int


# No surprise here: nothing in a clip shows whether it is a pleasant one, so a
# model could not learn its intensity.
_SENTIMENT = {
  "neutral": 1.0,
  "joy": 2.0,
  "excited": 2.0,
  "anger": 1.2,
  "frustrated": 1.2,
  "disgust": 0.8,
  "sadness": 0.8,
  "fear": 0.8,
}
# Neutral is the largest class of MELD; here only by a little.
_MELD = {name: 1.5 if name == "neutral" else 1.0 for name in MELD.classes}
_IEMOCAP = dict.fromkeys(IEMOCAP.classes, 1.0)

_PLANS = (
  _Plan("demo_mosi", 0.20, None, _SENTIMENT, 1),
  _Plan("demo_mosei", 0.24, None, _SENTIMENT, 1),
  _Plan("demo_meld", 0.28, MELD, _MELD, 2),
  _Plan("demo_iemocap", 0.28, IEMOCAP, _IEMOCAP, 2),
)


@dataclass(frozen=True)
class _Clip:
  """All that a process needs to draw and voice one clip."""

  stem: str
  text: str
  affect: Affect
  speaker: voice.Speaker
  person: face.Person
  seed: tuple[int, ...]


def _split_counts(clips: int) -> dict[str, int]:
  held_out = {
    split: max(_DIALOGUE_TURNS[0], round(share * clips))
    for split, share in _SPLIT_SHARES.items()
  }
  return {"train": clips - sum(held_out.values()), **held_out}


def _corpus_counts(clips: int) -> list[int]:
  """Clips per corpus; they sum to `clips`."""
  counts = [round(plan.share * clips) for plan in _PLANS[:-1]]
  return [*counts, clips - sum(counts)]


def _dialogue_lengths(
  clips: int, generator: np.random.Generator
) -> Iterator[int]:
  """Yields the number of turns of each dialogue of a split, at least five."""
  least = _DIALOGUE_TURNS[0]
  while clips:
    turns = int(generator.integers(*_DIALOGUE_TURNS))
    # What is left over must still be a whole dialogue, or nothing.
    turns = turns if clips - turns >= least else clips
    yield turns
    clips -= turns


def _quota(
  plan: _Plan, clips: int, generator: np.random.Generator
) -> list[str]:
  """Emotions of a split in the planned proportions, in random order.

  They are shuffled over the whole split, so a turn's emotion tells nothing
  about the next turn's.
  """
  names = list(plan.weights)
  edges = np.cumsum([0.0, *plan.weights.values()])
  edges = np.round(edges / edges[-1] * clips).astype(int)
  emotions = np.repeat(names, np.diff(edges))
  return [str(name) for name in generator.permutation(emotions)]


def _labels(plan: _Plan, affect: Affect) -> dict:
  """The labels that a corpus of this kind annotates."""
  if plan.scheme is None:
    return {"intensity": affect.intensity}
  if plan.scheme is MELD:
    return {"polarity": affect.polarity, "emotion": affect.emotion}
  return {"emotion": affect.emotion}


def _turn(split: str, dialogue: str, turn: int, who: int) -> dict:
  """The keys of a manifest row that place it in its dialogue."""
  return {
    "split": split,
    "dialogue": f"{split}/{dialogue}",
    "turn": turn,
    "speaker": f"{dialogue}{'AB'[who]}",
  }


def _write_dialogue(
  plan: _Plan,
  split: str,
  dialogue: str,
  emotions: list[str],
  generator: np.random.Generator,
) -> Iterator[tuple[dict, _Clip | None]]:
  """Yields the rows of a dialogue, each with its clip (None: text only).

  Whether a sentence names its feeling is drawn without looking at the emotion.
  """
  cast = [
    (voice.draw_speaker(generator), face.draw_person(generator))
    for _ in range(plan.speakers)
  ]
  turn = 0
  for index, emotion in enumerate(emotions):
    affect = draw_affect(emotion, generator)
    if generator.uniform() < 0.5:
      text = phrases.explicit_sentence(emotion, generator)
    else:
      text = phrases.ambiguous_sentence(generator)
    stem = f"{split}_{dialogue}_{index:02d}"
    # In a conversation the speakers alternate, also around the replies.
    row = {
      "id": f"{split}/{dialogue}_{index:02d}",
      **_turn(split, dialogue, turn, turn % plan.speakers),
      "text": text,
      "audio": f"audio/{stem}.wav",
      "video": f"video/{stem}.mp4",
      **_labels(plan, affect),
    }
    seed = tuple(int(part) for part in generator.integers(2**31, size=2))
    yield row, _Clip(stem, text, affect, *cast[turn % plan.speakers], seed)
    turn += 1
    if plan.speakers > 1 and generator.uniform() < _REPLY_SHARE:
      reply = {
        "id": f"{row['id']}_reply",
        **_turn(split, dialogue, turn, turn % plan.speakers),
        "text": phrases.reply(generator),
      }
      yield reply, None
      turn += 1


def _write_corpus(
  plan: _Plan, clips: int, generator: np.random.Generator
) -> Iterator[tuple[dict, _Clip | None]]:
  """Yields all rows of a corpus, split by split."""
  for split, count in _split_counts(clips).items():
    emotions = _quota(plan, count, generator)
    start = 0
    for number, turns in enumerate(_dialogue_lengths(count, generator)):
      part = emotions[start : start + turns]
      yield from _write_dialogue(
        plan, split, f"dia{number:02d}", part, generator
      )
      start += turns


def _make_media(folder: Path, clip: _Clip) -> None:
  """Writes the wav and the mp4 of one clip.

  All chance comes from the clip's own seed, so the files do not depend on which
  process makes them, or when.
  """
  generator = np.random.default_rng(clip.seed)
  affect = clip.affect
  seconds = voice.duration(clip.text, affect.arousal)
  sound = voice.speak(affect, clip.speaker, seconds, generator)
  voice.write_wav(folder / "audio" / f"{clip.stem}.wav", sound)
  frames = face.film(affect.expression, clip.person, seconds, generator)
  face.write_mp4(folder / "video" / f"{clip.stem}.mp4", frames)


def _scheme_file(scheme: EmotionScheme) -> str:
  content = {"name": scheme.name, "classes": scheme.polarity}
  return json.dumps(content, indent=2) + "\n"


def _marker(seed: int, clips: int) -> dict:
  return {"version": GENERATOR_VERSION, "seed": seed, "clips": clips}


def _generate(folder: Path, seed: int, clips: int) -> None:
  """Makes all four manifest folders below an empty folder."""
  from tqdm import tqdm

  jobs = []
  for plan, count in zip(_PLANS, _corpus_counts(clips), strict=True):
    # Named, not numbered: a corpus keeps its media when another changes.
    generator = np.random.default_rng([seed, *plan.name.encode()])
    root = folder / plan.name
    for media in ("audio", "video"):
      (root / media).mkdir(parents=True)
    rows = []
    for row, clip in _write_corpus(plan, count, generator):
      rows.append(json.dumps(row) + "\n")
      if clip is not None:
        jobs.append((root, clip))
    (root / manifest.MANIFEST_FILE).write_text("".join(rows), "utf-8")
    if plan.scheme is not None:
      scheme = _scheme_file(plan.scheme)
      (root / manifest.SCHEME_FILE).write_text(scheme, "utf-8")
    marker = json.dumps(_marker(seed, clips)) + "\n"
    (root / MARKER_FILE).write_text(marker, "utf-8")
  # Spawned, because a fork of a process with running threads may hang.
  context = get_context("spawn")
  with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
    with without_main_module():
      made = pool.map(_make_media, *zip(*jobs, strict=True), chunksize=16)
    for _ in tqdm(
      made, "drawing the demo", len(jobs), unit="clip", disable=None
    ):
      pass


def _is_complete(folder: Path, seed: int, clips: int) -> bool:
  """Whether a corpus folder exists and was made with these settings.

  Raises:
    InputError: a folder of that name which this generator has not made.
  """
  if not folder.exists():
    return False
  marker = folder / MARKER_FILE
  if not marker.is_file():
    raise InputError(
      f"Expected {folder} to be absent or made by the demo generator; found a "
      f"folder without {MARKER_FILE}. Choose another --raw, or remove it."
    )
  try:
    return json.loads(marker.read_text("utf-8")) == _marker(seed, clips)
  except ValueError:
    return False


def load(raw: Path, seed: int = 0, clips: int = 1200) -> list[Corpus]:
  """Loads the four demo corpora, making their media first if need be.

  The same seed and number of clips give the same files, byte for byte.

  Args:
    raw: folder that holds (or gets) demo_mosi, demo_mosei, demo_meld and
      demo_iemocap, each a manifest folder.
    seed: random seed of all texts, labels and media.
    clips: number of labelled clips in all four together; 70 % train, 10 %
      validation, 20 % test.

  Raises:
    InputError: too few clips, a negative seed, or a folder in the way.
  """
  if clips < MIN_CLIPS or seed < 0:
    raise InputError(
      f"Expected at least {MIN_CLIPS} demo clips and a seed of at least 0, "
      f"found {clips} clips and seed {seed}. Correct the options."
    )
  folders = [raw / plan.name for plan in _PLANS]
  # A list: looks at all four, and may raise, before anything is written.
  complete = [_is_complete(folder, seed, clips) for folder in folders]
  if not all(complete):
    partial = raw / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _generate(partial, seed, clips)
    for folder in folders:
      if folder.exists():
        shutil.rmtree(folder)
      # Each folder appears at once, with its marker inside.
      os.replace(partial / folder.name, folder)
    partial.rmdir()
  return [manifest.load(folder, folder.name, None) for folder in folders]
