"""Tests of the frame-embedding network."""

import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  Backbone,
  embed_frames,
  find_weights,
  hash_file,
  load_backbone,
  prepare_frames,
)


@pytest.fixture(scope="module")
def backbone():
  import torch

  torch.set_num_threads(1)
  weights = find_weights(DEFAULT_BACKBONE, None)
  return load_backbone(DEFAULT_BACKBONE, weights, 96)


def _pictures(count: int) -> np.ndarray:
  generator = np.random.default_rng(0)
  return generator.integers(0, 256, (count, 120, 90, 3), dtype=np.uint8)


def test_default_weights_are_the_published_ones():
  # The first eight digits are part of the published file name.
  digest = hash_file(find_weights(DEFAULT_BACKBONE, None))
  assert digest.startswith("57934424")


def test_embeddings(backbone):
  pictures = _pictures(3)
  found = embed_frames(pictures, backbone)
  assert found.shape == (3, 1280)
  assert found.dtype == np.float16
  # After ReLU6 and a mean.
  assert found.min() >= 0
  assert found.max() <= 6
  # Batch norm is frozen: a frame's embedding knows nothing of the others.
  # The tolerance is float16's step at 4.
  alone = embed_frames(pictures[1:2], backbone)
  np.testing.assert_allclose(alone[0], found[1], atol=4e-3)
  assert np.abs(found[0] - found[1]).max() > 0.1


def test_embeddings_are_those_before_the_classifier(backbone):
  """The classifier on top gives the published network's own answer."""
  import torch
  from efficientnet_lite_pytorch import EfficientNet

  weights = find_weights(DEFAULT_BACKBONE, None)
  whole = EfficientNet.from_name("efficientnet-lite0", image_size=96).eval()
  whole.load_state_dict(torch.load(weights, weights_only=True))
  pictures = torch.from_numpy(prepare_frames(_pictures(2), backbone))
  with torch.inference_mode():
    expected = whole(pictures)
    embedded = torch.from_numpy(embed_frames(_pictures(2), backbone)).float()
    found = whole._fc(embedded)
  # float16 features through 1280 weights of about 0.05.
  np.testing.assert_allclose(found, expected, atol=0.02)


def test_prepare_resizes_and_normalises():
  plain = Backbone(None, (0.5, 0.25, 0.0), (0.5, 0.5, 2.0), 8, "cpu")
  pictures = np.full((1, 20, 10, 3), 255, np.uint8)
  found = prepare_frames(pictures, plain)
  assert found.shape == (1, 3, 8, 8)
  np.testing.assert_array_equal(
    found[0].mean(axis=(1, 2)), np.float32([1.0, 1.5, 0.5])
  )


def test_nothing_is_downloaded_or_guessed(tmp_path):
  with pytest.raises(InputError, match="needs --backbone_weights"):
    find_weights("timm:tf_efficientnet_b0", None)
  with pytest.raises(InputError, match="Unknown backbone"):
    find_weights("resnet", None)
  with pytest.raises(InputError, match="No weights file"):
    find_weights(DEFAULT_BACKBONE, tmp_path / "gone.pt")


def test_wrong_weights_are_refused(tmp_path):
  import torch

  path = tmp_path / "weights.pt"
  torch.save({"_conv_stem.weight": torch.zeros(1)}, path)
  with pytest.raises(InputError, match="does not fit the backbone"):
    load_backbone(DEFAULT_BACKBONE, path, 96)
  # A pickled module could run code; it is never unpickled.
  torch.save(torch.nn.Linear(1, 1), path)
  with pytest.raises(InputError, match="not a plain state dict"):
    load_backbone(DEFAULT_BACKBONE, path, 96)


def test_timm_backbone_takes_a_state_dict_with_a_classifier(tmp_path):
  timm = pytest.importorskip("timm")
  import torch

  torch.manual_seed(0)
  whole = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()
  path = tmp_path / "weights.pt"
  torch.save(whole.state_dict(), path)
  loaded = load_backbone("timm:tf_efficientnet_b0", path, 64)
  found = embed_frames(_pictures(2), loaded)
  pictures = torch.from_numpy(prepare_frames(_pictures(2), loaded))
  with torch.inference_mode():
    expected = whole.forward_head(
      whole.forward_features(pictures), pre_logits=True
    )
  assert found.shape == (2, 1280)
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
  with pytest.raises(InputError, match="a record holds 1280"):
    load_backbone("timm:mobilenetv3_small_050", path, 64)
  with pytest.raises(InputError, match="timm knows no model"):
    load_backbone("timm:efficientnet_b00", path, 64)
