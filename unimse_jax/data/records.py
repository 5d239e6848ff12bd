"""Random access to the TFRecords of one corpus.

A TFRecord frames each record as

  uint64 length | uint32 crc | length bytes | uint32 crc

so one pass over a shard gives the place of every record, its texts, and the
shard's sha256; audio and video are read when a batch needs them. The parser
is tensorflow-datasets' own NumPy one: tensorflow itself is never imported.
Numbers that are not finite are refused here: scores and gradients would be
computed of them without a word.
"""

import dataclasses
import hashlib
import pathlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from unimse_cli import storage
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError
from unimse_jax.files import read_json
from unimse_jax.labels import INTENSITY_RANGE, UniversalLabel

SPLITS = ("train", "validation", "test")
MODALITIES = ("audio", "video")
_SHOWN_FAULTS = 5
_ADVICE = "export the corpus again with --overwrite"
_HEADER = struct.Struct("<Q4x")  # length, its crc
_FOOTER = 4  # crc of the payload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record(Utterance):
  """An exported utterance without its frames, which stay on disk.

  Attributes:
    id: name that is unique in its corpus.
    number: place in its corpus and split, by which its frames are read.
    dialogue: name of its dialogue; "": none.
    turn: place in the dialogue.
    polarity, intensity, emotion: what the corpus annotates; "" and None where
      it does not.
    audio_frames, video_frames: how many frames lie on disk; 0: absent.
    label: label that the model learns to write; None outside of a mixture.
  """

  id: str
  number: int = 0
  dialogue: str = ""
  turn: int = 0
  polarity: str = ""
  intensity: float | None = None
  emotion: str = ""
  audio_frames: int = 0
  video_frames: int = 0
  label: UniversalLabel | None = None

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
  """Where the payload of a record lies; offset and length in bytes."""

  shard: pathlib.Path
  offset: int
  length: int


class _Audio(TypedDict):
  mels: int


class _Video(TypedDict):
  dimension: int


class _Scheme(TypedDict):
  name: str
  classes: dict[str, str]


class _Shard(TypedDict):
  sha256: str


class _Metadata(TypedDict):
  """What is read of metadata.json; the exporter writes more."""

  emotion_scheme: _Scheme | None
  audio: _Audio
  video: _Video
  settings_sha256: str
  shards: dict[str, _Shard]


class CorpusRecords:
  """One exported corpus: metadata, texts in memory, frames on disk.

  Attributes:
    name: the corpus's name.
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
    self.metadata = _read_metadata(self.directory)
    self._features = _features(self.directory)
    self._widths = {
      "audio": self.metadata["audio"]["mels"],
      "video": self.metadata["video"]["dimension"],
    }
    self._places: dict[str, list[_Place]] = {}
    self.texts: dict[str, list[Record]] = {}
    faults: list[str] = []
    for split in SPLITS:
      self._places[split], self.texts[split] = self._index(split, faults)
    self._refuse(faults)

  def _index(
    self, split: str, faults: list[str]
  ) -> tuple[list[_Place], list[Record]]:
    """Places and texts of a split's records; adds to the faults."""
    places, texts = [], []
    start = f"{self.name}-{split}.tfrecord-"
    # The metadata's list, not the folder's: a lost shard must not go unseen.
    for name in sorted(self.metadata["shards"]):
      if not name.startswith(start):
        continue
      shard = self.directory / name
      data = self._read_shard(shard)
      for place in _frames(shard, data):
        payload = data[place.offset : place.offset + place.length]
        record, frames = self._parse(payload, shard)
        faults += self._find_faults(split, record, frames)
        texts.append(dataclasses.replace(record, number=len(places)))
        places.append(place)
    return places, texts

  def _read_shard(self, shard: pathlib.Path) -> bytes:
    """The bytes of a shard that is whole."""
    data = shard.read_bytes() if shard.is_file() else b""
    expected = self.metadata["shards"][shard.name]["sha256"]
    if hashlib.sha256(data).hexdigest() != expected:
      raise InputError(
        f"Dataset {self.name}: expected the sha256 of its metadata.json for "
        f"{shard}, found "
        + ("another one" if shard.is_file() else "no such file")
        + f": it is damaged, lost or was replaced; {_ADVICE}"
      )
    return data

  def _parse(
    self, payload: bytes, shard: pathlib.Path
  ) -> tuple[Record, dict[str, np.ndarray]]:
    """A record and its frames."""
    try:
      stored = self._features.deserialize_example_np(payload)
      frames = {name: np.asarray(stored[name]) for name in MODALITIES}
      return _record(stored, self.name), frames
    # The parser of TensorFlow Datasets raises what it meets.
    except Exception as error:
      raise _damaged(
        self.directory / "features.json",
        f"another form than that of the records in {shard.name} ({error})",
      ) from error

  def _find_faults(
    self, split: str, record: Record, frames: Mapping[str, np.ndarray]
  ) -> Iterator[str]:
    """Yields what is wrong with the numbers of a record."""
    name = f"{split}/{record.id}"
    for modality, width in self._widths.items():
      values = frames[modality]
      if values.dtype.kind != "f" or values.shape != (len(values), width):
        yield (
          f"{name}: {modality} {values.dtype}{[*values.shape]} instead of "
          f"float16[L, {width}]"
        )
      elif broken := int((~np.isfinite(values)).any(1).sum()):
        yield (
          f"{name}: {modality} with NaN or infinity in {broken} of "
          f"{len(values)} frames"
        )
    low, high = INTENSITY_RANGE
    # Written so that NaN is a fault too.
    if record.intensity is not None and not low <= record.intensity <= high:
      yield f"{name}: intensity {record.intensity}"

  def _refuse(self, faults: list[str]) -> None:
    """Raises one error for all faults, if there are any."""
    if not faults:
      return
    shown = faults[:_SHOWN_FAULTS]
    more = ["..."] * (len(faults) > len(shown))
    raise InputError(
      f"Dataset {self.name}: expected finite frames and intensities from -3 to "
      f"3, found {len(faults)} fault(s):\n  "
      + "\n  ".join([*shown, *more])
      + f"\nMend or leave out these clips and {_ADVICE}."
    )

  def frames(self, split: str, number: int) -> dict[str, np.ndarray]:
    """{"audio": float16[A, 64], "video": float16[V, D]} of one record.

    Raises:
      InputError: the shard was changed since it was opened, and its numbers
        are not finite or its form is another.
    """
    place = self._places[split][number]
    with place.shard.open("rb") as file:
      file.seek(place.offset)
      record, frames = self._parse(file.read(place.length), place.shard)
    self._refuse([*self._find_faults(split, record, frames)])
    return frames

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
  return _newest(storage.fetch(f"{data_dir}/{name}"), data_dir, name)


def read_metadata(data_dir: str, name: str) -> _Metadata:
  """What the exporter wrote of a corpus's newest version, read where it lies.

  Raises:
    InputError: as `find`.
  """
  folder = storage.user_path(f"{data_dir}/{name}")
  return _read_metadata(_newest(folder, data_dir, name))


def _newest(folder: pathlib.Path, data_dir: str, name: str) -> pathlib.Path:
  versions = sorted(
    path.parent
    for path in folder.glob("*/metadata.json")
    if "shards" in _read_json(path, dict[str, Any])
  )
  if not versions:
    raise InputError(
      f"Dataset {name!r}: expected {data_dir}/{name}/<version>/ "
      "with TFRecords and metadata.json, found none. Make it with its "
      "importer, or from a manifest of your own, with\n"
      f"      python -m feature_export.export --corpus {name} --raw PATH "
      f"--out {data_dir}\n"
      f"      python -m feature_export.export --corpus manifest --name {name} "
      f"--raw MANIFEST --out {data_dir}"
    )
  return versions[-1]


def _read_metadata(directory: pathlib.Path) -> _Metadata:
  return _read_json(directory / "metadata.json", _Metadata)


def _read_json(path: pathlib.Path, kind: Any) -> dict[str, Any]:
  """The description of a dataset, or what is wrong with it."""
  try:
    return read_json(path, _ADVICE, kind)
  except InputError as error:
    raise InputError(f"Dataset {path.parent.parent.name}: {error}") from error


# What a record holds (docs/architecture.md).
_FIELDS = (
  *("id", "dialogue", "turn", "speaker", "text", "before", "after"),
  *("before_speakers", "after_speakers", "audio", "video"),
  *("polarity", "intensity", "has_intensity", "emotion"),
)


def _features(directory: pathlib.Path) -> Any:
  import tensorflow_datasets as tfds

  path = directory / "features.json"
  _read_json(path, dict[str, Any])
  try:
    features = tfds.features.FeaturesDict.from_config(str(directory))
    absent = [name for name in _FIELDS if name not in features]
  # TensorFlow Datasets raises what its parser does.
  except Exception as error:
    raise _damaged(path, str(error)) from error
  if absent:
    raise _damaged(path, f"none of {', '.join(absent)}")
  return features


def _damaged(path: pathlib.Path, found: str) -> InputError:
  return InputError(
    f"Dataset {path.parent.parent.name}: expected the description of its "
    f"records in {path}, found {found}: {_ADVICE}"
  )


def _frames(shard: pathlib.Path, data: bytes) -> Iterator[_Place]:
  """Yields the place of each record of a shard."""
  offset = 0
  while offset < len(data):
    (length,) = _HEADER.unpack_from(data, offset)
    offset += _HEADER.size
    yield _Place(shard, offset, length)
    offset += length + _FOOTER


def _record(record: dict, corpus: str) -> Record:
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
