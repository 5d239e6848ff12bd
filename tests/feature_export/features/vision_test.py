"""Embeddings of CLIP, DINOv2 and timm's networks are those libraries' own."""

import numpy as np
import pytest
import torch
import transformers

from feature_export.errors import InputError
from feature_export.extraction.flags import FeatureOptions, build_settings
from feature_export.features.efficientnet import (
  describe_network,
  embed_pictures,
  find_weights,
  load_backbone,
)
from feature_export.features.settings import VideoSettings
from feature_export.features.weights import hash_weights

SIDE = 28
_SHAPE = {
  "hidden_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "image_size": SIDE,
  "patch_size": 14,
}


def pictures(count: int, side: int = SIDE) -> np.ndarray:
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (count, side, side, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=["clip", "dinov2"])
def saved(request, tmp_path_factory):
  """(kind, folder) of a tiny model of random weights, as transformers saves."""
  folder = tmp_path_factory.mktemp(request.param)
  torch.manual_seed(0)
  if request.param == "clip":
    config = transformers.CLIPVisionConfig(
      **_SHAPE, intermediate_size=24, projection_dim=12
    )
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    processor = transformers.CLIPImageProcessor(
      size={"shortest_edge": SIDE}, crop_size=SIDE
    )
  else:
    config = transformers.Dinov2Config(**_SHAPE)
    transformers.Dinov2Model(config).save_pretrained(folder)
    processor = transformers.BitImageProcessor(
      size={"shortest_edge": SIDE},
      crop_size=SIDE,
      image_mean=[0.485, 0.456, 0.406],
      image_std=[0.229, 0.224, 0.225],
    )
  processor.save_pretrained(folder)
  return request.param, folder


def test_embeddings_are_transformers_own(saved):
  kind, folder = saved
  settings = VideoSettings(kind, "", SIDE, **describe_network(kind, folder))
  backbone = load_backbone(settings, folder, "cpu")
  given = pictures(3)
  found = embed_pictures(given, settings, backbone)
  processor = transformers.AutoImageProcessor.from_pretrained(folder)
  inputs = processor([*given], return_tensors="pt").pixel_values
  with torch.no_grad():
    if kind == "clip":
      model = transformers.CLIPVisionModelWithProjection.from_pretrained(folder)
      expected = model.eval()(pixel_values=inputs).image_embeds
    else:
      model = transformers.Dinov2Model.from_pretrained(folder)
      expected = model.eval()(pixel_values=inputs).pooler_output
  assert found.shape == (3, settings.dimension)
  assert settings.dimension == (12 if kind == "clip" else 16)
  np.testing.assert_allclose(found, expected.numpy(), rtol=2e-3, atol=2e-3)


def test_settings_hold_the_models_hash(saved):
  kind, folder = saved
  assert find_weights(kind, folder) == folder
  first = hash_weights(folder)
  assert first == hash_weights(folder)
  options = FeatureOptions(
    backbone=kind, backbone_weights=folder, image_size=SIDE, faces="none"
  )
  settings = build_settings(options, "cpu")
  assert settings.video.weights_sha256 == first
  assert settings.video.backbone == kind


def test_a_model_needs_its_folder(saved, tmp_path):
  kind, folder = saved
  for given in (None, tmp_path / "gone", folder / "config.json"):
    with pytest.raises(InputError, match="--backbone_weights FOLDER"):
      find_weights(kind, given)
  other = "dinov2" if kind == "clip" else "clip"
  with pytest.raises(InputError, match=f"expected a {other} model"):
    describe_network(other, folder)
  with pytest.raises(InputError, match="safetensors"):
    hash_weights(tmp_path)


def test_a_model_without_part_of_its_weights_is_refused(tmp_path):
  """Its projection would be drawn at random, in each process anew."""
  config = transformers.CLIPVisionConfig(
    **_SHAPE, intermediate_size=24, projection_dim=12
  )
  transformers.CLIPVisionModel(config).save_pretrained(tmp_path)
  transformers.CLIPImageProcessor(
    size={"shortest_edge": SIDE}, crop_size=SIDE
  ).save_pretrained(tmp_path)
  described = describe_network("clip", tmp_path)
  settings = VideoSettings("clip", "", SIDE, **described)
  with pytest.raises(InputError, match=r"found none for visual_projection"):
    load_backbone(settings, tmp_path, "cpu")


def test_clip_refuses_another_size(saved):
  kind, folder = saved
  if kind == "clip":
    settings = VideoSettings(kind, "", 42, **describe_network(kind, folder))
    with pytest.raises(InputError, match=f"--image_size {SIDE}"):
      load_backbone(settings, folder, "cpu")
  else:  # its positions are interpolated
    settings = VideoSettings(kind, "", 42, **describe_network(kind, folder))
    backbone = load_backbone(settings, folder, "cpu")
    assert embed_pictures(pictures(1, 42), settings, backbone).shape == (1, 16)


@pytest.mark.parametrize(
  ("name", "side"),
  [
    ("resnet18", 64),
    ("vit_tiny_patch16_224", 96),
    ("mobilenetv3_small_100", 64),
  ],
)
def test_any_network_of_timm_is_timms_own(name, side, tmp_path):
  import timm

  torch.manual_seed(0)
  size = {"img_size": side} if name.startswith("vit") else {}
  network = timm.create_model(name, pretrained=False, num_classes=7, **size)
  path = tmp_path / "weights.pt"
  torch.save(network.state_dict(), path)
  settings = VideoSettings(
    f"timm:{name}", "", side, **describe_network(f"timm:{name}")
  )
  backbone = load_backbone(settings, path, "cpu")
  given = pictures(2, side)
  found = embed_pictures(given, settings, backbone)
  scaled = given.astype(np.float32) / 255
  normal = (scaled - np.float32(settings.mean)) / np.float32(settings.std)
  network.reset_classifier(0)
  with torch.no_grad():
    expected = network.eval()(torch.tensor(normal.transpose(0, 3, 1, 2)))
  assert found.shape == (2, settings.dimension)
  np.testing.assert_allclose(found, expected.numpy(), rtol=2e-3, atol=2e-3)
