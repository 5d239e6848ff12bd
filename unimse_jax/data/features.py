"""Puts the frames of voice and face on a scale that an LSTM can read (D41).

Everything is measured on training utterances, once, and kept in the workdir:
the same transform serves validation, test and prediction.
"""

import dataclasses
import io
import pathlib
from collections.abc import Iterable

import numpy as np

from unimse_jax.config import DataConfig
from unimse_jax.files import write_atomically

# More utterances do not change a mean or 64 principal components visibly.
SAMPLE = 4000
# Of the mean square; a smaller variance is that of a constant, rounded.
_LEAST_VARIANCE = 1e-10


def as_read(
  frames: dict[str, np.ndarray], config: DataConfig
) -> dict[str, np.ndarray]:
  """The frames that the model reads of a clip, not yet scaled.

  Args:
    frames: {"audio": float[A, 64] in dB, "video": float[V, D]}, as exported.
    config: the level of the voice, how many frames are read, and what becomes
      of a clip that has more.
  """
  audio, video = frames["audio"], frames["video"]
  if config.audio_level == "clip" and len(audio):
    # Takes the gain of the recording away.
    audio = audio.astype(np.float32)
    audio = audio - audio.mean()
  if config.audio_stride > 1:
    audio = pool(audio, -(-len(audio) // config.audio_stride))
  limits = {"audio": config.audio_frames, "video": config.video_frames}
  read = {"audio": audio, "video": video}
  for name, limit in limits.items():
    if len(read[name]) > limit:
      read[name] = (
        pool(read[name], limit)
        if config.long_clips == "pool"
        else read[name][:limit]
      )
  return read


def pool(frames: np.ndarray, count: int) -> np.ndarray:
  """A clip in fewer frames, each the mean over an equal part of it.

  A frame that lies in two parts counts in both, by the share of it in each.

  Args:
    frames: float[A, N].
    count: number of frames wanted, at most A.

  Returns:
    float32[count, N].
  """
  if count == len(frames):
    return frames.astype(np.float32)
  edges = np.linspace(0, len(frames), count + 1)
  whole = np.minimum(edges.astype(np.int64), len(frames) - 1)
  values = frames.astype(np.float64)
  before = np.cumsum(values, axis=0) - values  # the sum of earlier frames
  sums = before[whole] + (edges - whole)[:, None] * values[whole]
  return (np.diff(sums, axis=0) * (count / len(frames))).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class FeatureTransform:
  """x -> ((x - mean) @ components) / scale, per modality.

  Attributes:
    mean: modality -> float32[N].
    components: modality -> float32[N, M], or None for the identity.
    scale: modality -> float32[M]; one number for all principal components, so
      that strong ones stay stronger than weak ones.
  """

  mean: dict[str, np.ndarray]
  components: dict[str, np.ndarray | None]
  scale: dict[str, np.ndarray]

  def __call__(self, modality: str, frames: np.ndarray) -> np.ndarray:
    """float[A, N] -> float32[A, M]."""
    x = frames.astype(np.float32) - self.mean[modality]
    if self.components[modality] is not None:
      x = x @ self.components[modality]
    return x / self.scale[modality]

  def width(self, modality: str) -> int:
    """M."""
    return len(self.scale[modality])

  def save(self, path: pathlib.Path) -> None:
    """Writes an .npz that appears whole or not at all."""
    arrays = {}
    for part in ("mean", "components", "scale"):
      for modality, array in getattr(self, part).items():
        if array is not None:
          arrays[f"{part}/{modality}"] = array
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_atomically(path, content.getvalue())

  @classmethod
  def load(cls, path: pathlib.Path) -> "FeatureTransform":
    content = io.BytesIO(path.read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
      stored = {name: arrays[name] for name in arrays.files}
    modalities = [name.split("/")[1] for name in stored if name[:4] == "mean"]

    def part(name: str) -> dict:
      return {each: stored.get(f"{name}/{each}") for each in modalities}

    return cls(part("mean"), part("components"), part("scale"))


def fit(
  frames: Iterable[dict[str, np.ndarray]],
  widths: dict[str, int],
  video_components: int,
) -> FeatureTransform:
  """Measures a transform.

  Args:
    frames: {"audio", "video"} of training utterances; absent ones are empty.
    widths: modality -> N.
    video_components: M of the video's PCA; 0 keeps its dimensions.

  Returns:
    The transform; a modality without a single frame gets mean 0, scale 1.
  """
  components = {"audio": 0, "video": video_components}
  sums = {name: _Moments(width) for name, width in widths.items()}
  for utterance in frames:
    for name, moments in sums.items():
      moments.add(utterance[name].astype(np.float64), components[name] > 0)
  parts = {
    name: moments.result(components[name]) for name, moments in sums.items()
  }
  mean, matrices, scale = (
    {name: part[index] for name, part in parts.items()} for index in range(3)
  )
  return FeatureTransform(mean, matrices, scale)


class _Moments:
  """Running sums of frames, and of their products where a PCA is wanted."""

  def __init__(self, width: int):
    self.count = 0
    self.total = np.zeros(width)
    self.squares = np.zeros(width)
    self.products: np.ndarray | None = None

  def add(self, frames: np.ndarray, with_products: bool) -> None:
    self.count += len(frames)
    self.total += frames.sum(0)
    self.squares += np.square(frames).sum(0)
    if with_products:
      if self.products is None:
        self.products = np.zeros((len(self.total),) * 2)
      self.products += frames.T @ frames

  def result(
    self, components: int
  ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Mean, components or None, and scale."""
    count = max(self.count, 1)
    mean, power = self.total / count, self.squares / count
    matrix = None
    if components:
      products = self.products
      if products is None:
        products = np.zeros((len(mean),) * 2)
      matrix, variance = _principal(
        products / count - np.outer(mean, mean), components
      )
      variance = np.full(matrix.shape[1], variance.mean())
      power = power.mean()
    else:
      variance = power - np.square(mean)
    # Constant dimensions, or none at all, keep a scale of one.
    constant = variance <= _LEAST_VARIANCE * power
    scale = np.sqrt(np.where(constant, 1.0, variance))
    if matrix is not None:
      matrix = matrix.astype(np.float32)
    return mean.astype(np.float32), matrix, scale.astype(np.float32)


def _principal(
  covariance: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """The leading eigenvectors [N, M], signs fixed, and their variances."""
  values, vectors = np.linalg.eigh(covariance)
  count = min(count, len(values))
  vectors = vectors[:, ::-1][:, :count]
  largest = np.abs(vectors).argmax(0)
  signs = np.sign(vectors[largest, np.arange(count)])
  return vectors * np.where(signs == 0, 1, signs), values[::-1][:count]
