"""Joins real words, real voices and drawn faces that show one emotion.

Each clip has a sentence of MELD, a clip of RAVDESS and a face drawn as the
demo's, all three of the same of six emotions; nothing else ties them
together. Sentences keep MELD's splits and voices are split by actor, so no
sentence and no voice is in two splits. The faces are hard on purpose: fear is
drawn as surprise is, disgust as anger is, and pixels are noisy. With --lying a
share of the clips has one modality that shows another emotion than the label.

  python tests/benchmarks/joined_corpus.py --meld MELD --ravdess RAVDESS \
      --out raw/joined [--lying 0.35]
  python -m feature_export.export --corpus manifest --name joined \
      --raw raw/joined --out data/joined --faces none --frames 4 \
      --image_size 96
  python -m feature_export.universal_labels --data data/joined \
      --corpora joined --out data/joined/universal_labels.jsonl \
      --sentences
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feature_export.corpora.actor_splits import parse_split_actors
from feature_export.corpora.schemes import MELD
from feature_export.synthesis import face
from feature_export.synthesis.affect import PATTERNS

# Emotion -> its number in the names of RAVDESS's files.
VOICES = {
  "joy": "03",
  "sadness": "04",
  "anger": "05",
  "fear": "06",
  "disgust": "07",
  "surprise": "08",
}
SENTENCES = {"train": "train", "validation": "dev", "test": "test"}
# Clips of an emotion at most; MELD has fewer of fear and disgust.
MOST = {"train": 250, "validation": 50, "test": 100}
MODALITIES = ("text", "audio", "video")
SECONDS = 0.4  # of a face: the exporter takes four frames


def read_sentences(meld: Path, split: str) -> dict[str, list[dict]]:
  """Emotion -> the rows of a split's label file, in order."""
  found = {emotion: [] for emotion in VOICES}
  path = meld / f"{SENTENCES[split]}_sent_emo.csv"
  with path.open(encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file):
      if row["Emotion"] in found:
        found[row["Emotion"]].append(row)
  return found


def read_voices(ravdess: Path, actors: set[str]) -> dict[str, list[Path]]:
  """Emotion -> the clips of some actors."""
  paths = sorted(ravdess.glob("Actor_*/*.wav"))
  found = {}
  for emotion, code in VOICES.items():
    found[emotion] = [
      path
      for path in paths
      if path.stem.split("-")[2] == code and path.stem[-2:] in actors
    ]
  return found


def shown(
  emotion: str, lying: float, generator: np.random.Generator
) -> dict[str, str]:
  """Modality -> the emotion that it shows."""
  showing = dict.fromkeys(MODALITIES, emotion)
  if generator.uniform() < lying:
    others = [each for each in VOICES if each != emotion]
    liar = MODALITIES[generator.integers(len(MODALITIES))]
    showing[liar] = others[generator.integers(len(others))]
  return showing


def noisy_film(
  emotion: str, noise: float, generator: np.random.Generator
) -> Iterator[np.ndarray]:
  """Frames uint8[112, 112, 3] of a new face, with noise of that deviation."""
  person = face.draw_person(generator)
  expression = PATTERNS[emotion].expression
  for frame in face.film(expression, person, SECONDS, generator):
    noisy = frame + generator.normal(0.0, noise, frame.shape)
    yield np.clip(noisy, 0, 255).astype(np.uint8)


def write_split(
  split: str,
  sentences: dict[str, list[dict]],
  voices: dict[str, list[Path]],
  options: argparse.Namespace,
) -> Iterator[dict]:
  """Yields the manifest's rows of a split and draws their faces."""
  generator = np.random.default_rng([options.seed, *split.encode()])
  for emotion, own in sentences.items():
    for number in range(min(MOST[split], len(own))):
      showing = shown(emotion, options.lying, generator)
      said = sentences[showing["text"]]
      spoken = voices[showing["audio"]]
      video = options.out / "video" / f"{split}_{emotion}_{number:03d}.mp4"
      film = noisy_film(showing["video"], options.noise, generator)
      face.write_mp4(video, film)
      # In order where the text tells the truth: every sentence comes once.
      lies = showing["text"] != emotion
      row = said[generator.integers(len(said)) if lies else number]
      yield {
        "id": f"{split}/{emotion}_{number:03d}",
        "split": split,
        "text": row["Utterance"],
        "audio": str(spoken[generator.integers(len(spoken))].resolve()),
        "video": str(video.relative_to(options.out)),
        "polarity": own[number]["Sentiment"],
        "emotion": emotion,
      }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--meld", type=Path, required=True)
  parser.add_argument("--ravdess", type=Path, required=True)
  parser.add_argument("--out", type=Path, required=True)
  parser.add_argument("--lying", type=float, default=0.0)
  parser.add_argument("--noise", type=float, default=60.0, help="of 255")
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument(
    "--split_actors", default="train=01-12,validation=13-14,test=15-16"
  )
  options = parser.parse_args()
  (options.out / "video").mkdir(parents=True)
  split_of = parse_split_actors(options.split_actors)
  rows = []
  for split in SENTENCES:
    actors = {actor for actor, own in split_of.items() if own == split}
    sentences = read_sentences(options.meld, split)
    voices = read_voices(options.ravdess, actors)
    rows += write_split(split, sentences, voices, options)
  manifest = "".join(json.dumps(row) + "\n" for row in rows)
  (options.out / "manifest.jsonl").write_text(manifest, "utf-8")
  classes = {emotion: MELD.polarity[emotion] for emotion in VOICES}
  scheme = json.dumps({"name": "joined", "classes": classes})
  (options.out / "scheme.json").write_text(scheme, "utf-8")
  print(f"{len(rows)} clips: {options.out}")


if __name__ == "__main__":
  main()
