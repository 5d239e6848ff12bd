"""Random access to the TFRecords of one corpus.

A TFRecord frames each record as

  uint64 length | uint32 crc | length bytes | uint32 crc

so one pass over a shard gives the place of every record, its texts, and the
shard's sha256; audio and video are read when a batch needs them. The parser
is tensorflow-datasets' own NumPy one: tensorflow itself is never imported.
"""

import dataclasses
import hashlib
import json
import pathlib
import struct
from typing import Any

import numpy as np

from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError

SPLITS = ("train", "validation", "test")
_HEADER = struct.Struct("<Q4x")  # length, its crc
_FOOTER = 4  # crc of the payload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record(Utterance):
  """An exported utterance without its frames, which stay on disk.

  Attributes:
    id: name that is unique in its corpus.
    dialogue: name of its dialogue; "": none.
    turn: place in the dialogue.
    polarity, intensity, emotion: what the corpus annotates; "" and None where
      it does not.
    audio_frames, video_frames: how many frames lie on disk; 0: absent.
  """

  id: str
  dialogue: str = ""
  turn: int = 0
  polarity: str = ""
  intensity: float | None = None
  emotion: str = ""
  audio_frames: int = 0
  video_frames: int = 0

  @property
  def targets(self) -> dict[str, Any]:
    """The truth by field; None where the corpus does not annotate it."""
    return {
      "polarity": self.polarity or None,
      "intensity": self.intensity,
      "emotion": self.emotion or None,
    }


@dataclasses.dataclass(frozen=True)
class _Place:
  shard: pathlib.Path
  offset: int  # bytes, of the payload
  length: int  # bytes


class CorpusRecords:
  """One exported corpus: metadata, texts in memory, frames on disk.

  Attributes:
    name: of the corpus.
    metadata: the exporter's metadata.json.
    texts: split -> list[Record].
  """

  def __init__(self, data_dir: str, name: str):
    """Indexes DATA_DIR/<name>/<version>.

    Raises:
      InputError: missing, incomplete or damaged.
    """
    self.name = name
    self.directory = find(data_dir, name)
    self.metadata = _metadata(self.directory / "metadata.json")
    self._features = _features(self.directory)
    self._places: dict[str, list[_Place]] = {}
    self.texts: dict[str, list[Record]] = {}
    for split in SPLITS:
      self._places[split], self.texts[split] = self._index(split)

  def _index(self, split: str) -> tuple[list[_Place], list[Record]]:
    places, texts = [], []
    start = f"{self.name}-{split}.tfrecord-"
    # The metadata's list, not the folder's: a lost shard must not go unseen.
    for name in sorted(self.metadata["shards"]):
      if not name.startswith(start):
        continue
      shard = self.directory / name
      data = shard.read_bytes() if shard.is_file() else b""
      expected = self.metadata["shards"][name]["sha256"]
      if hashlib.sha256(data).hexdigest() != expected:
        raise InputError(
          f"Dataset {self.name}: expected the sha256 of its metadata.json for "
          f"{shard}, found "
          + ("another one" if shard.is_file() else "no such file")
          + ": it is damaged, lost or was replaced. Export the corpus again "
          "with --overwrite."
        )
      for place in _frames(shard, data):
        payload = data[place.offset : place.offset + place.length]
        places.append(place)
        stored = self._features.deserialize_example_np(payload)
        texts.append(_text(stored, self.name))
    return places, texts

  def frames(self, split: str, number: int) -> dict[str, np.ndarray]:
    """{"audio": float16[A, 64], "video": float16[V, D]} of one record."""
    place = self._places[split][number]
    with place.shard.open("rb") as file:
      file.seek(place.offset)
      record = self._features.deserialize_example_np(file.read(place.length))
    return {"audio": record["audio"], "video": record["video"]}

  @property
  def emotion_classes(self) -> tuple[str, ...]:
    scheme = self.metadata["emotion_scheme"]
    return tuple(scheme["classes"]) if scheme else ()

  @property
  def scheme_name(self) -> str:
    scheme = self.metadata["emotion_scheme"]
    return scheme["name"] if scheme else ""


def find(data_dir: str, name: str) -> pathlib.Path:
  """The newest complete version of a corpus.

  Raises:
    InputError: there is none; says where it looked and how to make it. Or
      its metadata.json is damaged.
  """
  versions = sorted(
    path.parent
    for path in pathlib.Path(data_dir).glob(f"{name}/*/metadata.json")
    if "shards" in _metadata(path)
  )
  if not versions:
    raise InputError(
      f"Dataset {name!r}: expected {pathlib.Path(data_dir) / name}/<version>/ "
      "with TFRecords and metadata.json, found none. Make it with its "
      "importer, or from a manifest of your own, with\n"
      f"      python -m feature_export.export --corpus {name} --raw PATH "
      f"--out {data_dir}\n"
      f"      python -m feature_export.export --corpus manifest --name {name} "
      f"--raw MANIFEST --out {data_dir}"
    )
  return versions[-1]


def _metadata(path: pathlib.Path) -> dict:
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except ValueError as error:
    raise _damaged(path, error) from error


def _features(directory: pathlib.Path):
  import tensorflow_datasets as tfds

  try:
    return tfds.features.FeaturesDict.from_config(str(directory))
  except (OSError, ValueError) as error:
    raise _damaged(directory / "features.json", error) from error


def _damaged(path: pathlib.Path, error: Exception) -> InputError:
  return InputError(
    f"Dataset {path.parent.parent.name}: expected the description of its "
    f"records in {path}, found {error}. Export the corpus again with "
    "--overwrite."
  )


def _frames(shard: pathlib.Path, data: bytes):
  """Yields the place of each record of a shard."""
  offset = 0
  while offset < len(data):
    (length,) = _HEADER.unpack_from(data, offset)
    offset += _HEADER.size
    yield _Place(shard, offset, length)
    offset += length + _FOOTER


def _text(record: dict, corpus: str) -> Record:
  def strings(name: str) -> tuple[str, ...]:
    return tuple(item.decode() for item in record[name])

  return Record(
    corpus=corpus,
    id=record["id"].decode(),
    dialogue=record["dialogue"].decode(),
    turn=int(record["turn"]),
    speaker=record["speaker"].decode(),
    text=record["text"].decode(),
    before=strings("before"),
    after=strings("after"),
    before_speakers=strings("before_speakers"),
    after_speakers=strings("after_speakers"),
    polarity=record["polarity"].decode(),
    intensity=float(record["intensity"]) if record["has_intensity"] else None,
    emotion=record["emotion"].decode(),
    audio_frames=len(record["audio"]),
    video_frames=len(record["video"]),
  )
