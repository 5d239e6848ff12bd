"""Tests of the frame-embedding network."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  describe_network,
  embed_pictures,
  find_weights,
  load_backbone,
  normalise_pictures,
  resize_picture,
)
from feature_export.features.onnx_engine import check_engine
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.files import hash_file

SETTINGS = VideoSettings(
  DEFAULT_BACKBONE, "", 96, **describe_network(DEFAULT_BACKBONE)
)


@pytest.fixture(scope="module")
def backbone():
  import torch

  torch.set_num_threads(1)
  weights = find_weights(DEFAULT_BACKBONE, None)
  return load_backbone(SETTINGS, weights, "cpu")


def _pictures(count: int, side: int = 96) -> np.ndarray:
  generator = np.random.default_rng(0)
  return generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_default_weights_are_the_published_ones():
  # The first eight digits are part of the published file name.
  digest = hash_file(find_weights(DEFAULT_BACKBONE, None))
  assert digest.startswith("57934424")


def test_pictures_come_in_the_scale_that_the_network_was_trained_with():
  """Of real pictures its first norm sees about the variance it has stored."""
  import torch
  from efficientnet_lite_pytorch import EfficientNet
  from sklearn.datasets import load_sample_images

  network = EfficientNet.from_name("efficientnet-lite0", image_size=96).eval()
  weights = find_weights(DEFAULT_BACKBONE, None)
  network.load_state_dict(torch.load(weights, weights_only=True))
  pictures = [resize_picture(x, 96) for x in load_sample_images().images]
  stem = torch.nn.Sequential(network._conv_stem)
  norm = network._bn0
  used = norm.running_var > 1e-6

  def seen(settings: VideoSettings) -> float:
    scaled = normalise_pictures(np.stack(pictures), settings)
    with torch.inference_mode():
      variance = stem(torch.from_numpy(scaled)).var((0, 2, 3))
    return float((variance / norm.running_var)[used].log().mean().exp())

  assert 0.5 < seen(SETTINGS) < 1.5
  assert seen(VideoSettings(DEFAULT_BACKBONE, "", 96)) > 2


def test_embeddings(backbone):
  pictures = _pictures(3)
  found = embed_pictures(pictures, SETTINGS, backbone)
  assert found.shape == (3, 1280)
  assert found.dtype == np.float16
  # After ReLU6 and a mean.
  assert found.min() >= 0
  assert found.max() <= 6
  # Batch norm is frozen: a frame's embedding knows nothing of the others.
  # The tolerance is float16's step at 4.
  alone = embed_pictures(pictures[1:2], SETTINGS, backbone)
  np.testing.assert_allclose(alone[0], found[1], atol=4e-3)
  assert np.abs(found[0] - found[1]).max() > 0.1


def test_embeddings_are_those_before_the_classifier(backbone):
  """The classifier on top gives the published network's own answer."""
  import torch
  from efficientnet_lite_pytorch import EfficientNet

  weights = find_weights(DEFAULT_BACKBONE, None)
  whole = EfficientNet.from_name("efficientnet-lite0", image_size=96).eval()
  whole.load_state_dict(torch.load(weights, weights_only=True))
  pictures = torch.from_numpy(normalise_pictures(_pictures(2), SETTINGS))
  with torch.inference_mode():
    expected = whole(pictures)
    embedded = torch.from_numpy(
      embed_pictures(_pictures(2), SETTINGS, backbone)
    ).float()
    found = whole._fc(embedded)
  # float16 features through 1280 weights of about 0.05.
  np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("side", [96, 75])
def test_a_faster_network_gives_the_values_of_the_published_one(side):
  """Folded norms and padding in the kernels, at even and at odd sizes."""
  import torch
  from efficientnet_lite_pytorch import EfficientNet

  weights = find_weights(DEFAULT_BACKBONE, None)
  whole = EfficientNet.from_name("efficientnet-lite0", image_size=side).eval()
  whole.load_state_dict(torch.load(weights, weights_only=True))
  settings = VideoSettings(DEFAULT_BACKBONE, "", side)
  loaded = load_backbone(settings, weights, "cpu")
  pictures = torch.from_numpy(normalise_pictures(_pictures(5, side), SETTINGS))
  with torch.inference_mode():
    expected = whole.extract_features(pictures).mean(dim=(2, 3))
    found = loaded.features(pictures)
  # Values are up to 6; sums of some hundred products in another order.
  np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", [DEFAULT_BACKBONE, "timm:tf_efficientnet_b0"])
def test_onnx_runtime_gives_the_same_values(name, tmp_path):
  pytest.importorskip("onnx")
  pytest.importorskip("onnxruntime")
  import torch

  weights = find_weights(DEFAULT_BACKBONE, None)
  if name != DEFAULT_BACKBONE:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    weights = tmp_path / "weights.pt"
    torch.save(timm.create_model(name[5:]).state_dict(), weights)
  settings = VideoSettings(name, "", 75, **describe_network(name))
  loaded = load_backbone(settings, weights, "cpu")
  engine = dataclasses.replace(settings, engine="onnxruntime")
  compiled = load_backbone(engine, weights, "auto")
  pictures = _pictures(5, 75)
  expected = embed_pictures(pictures, settings, loaded)
  found = embed_pictures(pictures, engine, compiled)
  # Values are up to 6: a step of float16 is 0.004 there.
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
  assert (found == expected).mean() > 0.97


def test_an_engine_that_cannot_run_is_refused(monkeypatch):
  with pytest.raises(InputError, match="cpu or auto, found cuda"):
    check_engine("onnxruntime", "cuda", False)
  with pytest.raises(InputError, match="found clip or dinov2"):
    check_engine("onnxruntime", "cpu", True)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match=r"onnx and onnxruntime: pip install"):
    check_engine("onnxruntime", "cpu", False)
  check_engine("torch", "cuda", True)


def test_an_engine_is_in_the_settings_and_only_there_where_it_is_chosen():
  engine = dataclasses.replace(SETTINGS, engine="onnxruntime")
  described = [
    ExtractionSettings(AudioSettings(), each).describe()["video"]
    for each in (SETTINGS, engine)
  ]
  assert "engine" not in described[0]
  assert described[1] == {**described[0], "engine": "onnxruntime"}


def test_pictures_are_resized_and_normalised():
  plain = VideoSettings("", "", mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 2.0))
  picture = resize_picture(np.full((20, 10, 3), 255, np.uint8), 8)
  found = normalise_pictures(picture[None], plain)
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
    load_backbone(SETTINGS, path)


def test_timm_backbone_takes_a_state_dict_with_a_classifier(tmp_path):
  timm = pytest.importorskip("timm")
  import torch

  torch.manual_seed(0)
  whole = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()
  path = tmp_path / "weights.pt"
  torch.save(whole.state_dict(), path)
  name = "timm:tf_efficientnet_b0"
  settings = VideoSettings(name, "", 64, **describe_network(name))
  loaded = load_backbone(settings, path, "cpu")
  found = embed_pictures(_pictures(6, 64), settings, loaded)
  pictures = torch.from_numpy(normalise_pictures(_pictures(6, 64), settings))
  with torch.inference_mode():
    expected = whole.forward_head(
      whole.forward_features(pictures), pre_logits=True
    )
  assert found.shape == (6, 1280)
  # Norms folded into convolutions round differently; then float16.
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
  with pytest.raises(InputError, match="timm knows no model"):
    describe_network("timm:efficientnet_b00")
  # A wider network says so, and the records follow.
  assert describe_network("timm:tf_efficientnet_b2")["dimension"] == 1408


@pytest.mark.parametrize("wrapped", [False, True])
def test_hsemotion_s_pickled_module(tmp_path, wrapped):
  """A whole module whose classes the installed timm does not have."""
  timm = pytest.importorskip("timm")
  import sys
  import types

  import torch

  torch.manual_seed(0)
  whole = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()
  assert len(whole.state_dict()) == 360
  if wrapped:  # as HSEmotion's: Sequential(Linear)
    whole.classifier = torch.nn.Sequential(whole.classifier)
  # As timm 0.4.5 called it; the module is gone when the file is read.
  old = types.ModuleType("timm.models.layers.conv2d_same")
  old.Conv2dSame = type(
    "Conv2dSame", (torch.nn.Conv2d,), {"__module__": old.__name__}
  )
  whole.conv_stem.__class__ = old.Conv2dSame
  path = tmp_path / "enet_b0_8_best_afew.pt"
  sys.modules[old.__name__] = old
  try:
    torch.save(whole, path)
  finally:
    del sys.modules[old.__name__]
  settings = VideoSettings("hsemotion", "", 64, **describe_network("hsemotion"))
  found = embed_pictures(
    _pictures(2, 64), settings, load_backbone(settings, path, "cpu")
  )
  whole.conv_stem.__class__ = timm.layers.Conv2dSame
  pictures = torch.from_numpy(normalise_pictures(_pictures(2, 64), settings))
  with torch.inference_mode():
    expected = whole.forward_head(
      whole.forward_features(pictures), pre_logits=True
    )
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


class _Evil:
  def __reduce__(self):
    import os

    return os.system, ("touch /tmp/unimse_jax_was_here",)


def test_a_pickle_that_would_run_something_is_refused_by_name(tmp_path):
  import torch

  path = tmp_path / "evil.pt"
  torch.save({"a": torch.zeros(1), "b": _Evil()}, path)
  with pytest.raises(InputError, match=r"refused: it names (posix|nt)\.system"):
    load_backbone(SETTINGS, path)
