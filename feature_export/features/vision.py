"""Frame embeddings by CLIP or DINOv2, models as transformers saves them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from feature_export.errors import InputError
from feature_export.features import model_folders

if TYPE_CHECKING:
  import torch

# Backbone -> model_type of config.json.
KINDS = {"clip": ("clip", "clip_vision_model"), "dinov2": ("dinov2",)}


def describe_model(kind: str, folder: Path) -> dict[str, object]:
  """The fields of `VideoSettings` that the model decides.

  Raises:
    InputError: another kind of model, or one that does not say how pictures
      are normalised.
  """
  from transformers import AutoConfig, AutoImageProcessor

  try:
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    processor = AutoImageProcessor.from_pretrained(
      folder, local_files_only=True
    )
  except (OSError, ValueError) as error:
    raise InputError(
      f"{folder}: expected config.json and preprocessor_config.json of a "
      f"{kind} model, found: {error}"
    ) from error
  if config.model_type not in KINDS[kind]:
    raise InputError(
      f"{folder}: expected a {kind} model, found {config.model_type}. Correct "
      "--backbone or --backbone_weights."
    )
  width = config.hidden_size if kind == "dinov2" else config.projection_dim
  return {
    "dimension": width,
    "mean": tuple(processor.image_mean),
    "std": tuple(processor.image_std),
  }


def load_features(
  kind: str, folder: Path, image_size: int, device: str
) -> Callable[["torch.Tensor"], "torch.Tensor"]:
  """The model as float32[V, 3, S, S] -> float32[V, D].

  CLIP gives its picture embedding, before it is made a unit vector; DINOv2 the
  normalised class token.

  Raises:
    InputError: the model reads pictures of another size, or lacks weights.
  """
  import torch
  from transformers import CLIPVisionModelWithProjection, Dinov2Model

  model_class = (
    Dinov2Model if kind == "dinov2" else CLIPVisionModelWithProjection
  )
  model, report = model_class.from_pretrained(
    folder, local_files_only=True, output_loading_info=True
  )
  model_folders.check_complete(
    f"Face network {folder}",
    report["missing_keys"],
    "all weights of its model",
    "Give one that was saved whole.",
  )
  if kind == "clip":
    side = model.config.image_size
    if side != image_size:
      raise InputError(
        f"{folder}: expected --image_size {side}, which its positions are made "
        f"for, found {image_size}"
      )
  model = model.eval().to(device, dtype=torch.float32)

  def features(pictures: "torch.Tensor") -> "torch.Tensor":
    output = model(pixel_values=pictures)
    return output.pooler_output if kind == "dinov2" else output.image_embeds

  return features
