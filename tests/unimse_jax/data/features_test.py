"""The transform of frames against NumPy and scikit-learn."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from unimse_jax.config import DataConfig
from unimse_jax.data import features
from unimse_jax.data.features import FeatureTransform

_WIDTHS = {"audio": 3, "video": 6}


@pytest.fixture(scope="module")
def utterances() -> list[dict[str, np.ndarray]]:
  rng = np.random.default_rng(0)
  mixing = rng.standard_normal((6, 6)) * [5, 3, 1, 0.5, 0.1, 0.1]
  found = []
  for number in range(30):
    audio = rng.standard_normal((number % 4, 3)) * [1, 10, 0.1] - [70, 0, 3]
    video = rng.standard_normal((number % 5, 6)) @ mixing.T + 2
    found.append(
      {"audio": audio.astype(np.float16), "video": video.astype(np.float16)}
    )
  return found


def stacked(utterances, name: str) -> np.ndarray:
  return np.concatenate([each[name] for each in utterances]).astype(np.float64)


def test_audio_is_standardised_dimension_by_dimension(utterances):
  transform = features.fit(utterances, _WIDTHS, 4)
  frames = stacked(utterances, "audio")
  out = transform("audio", frames)
  assert out.dtype == np.float32
  expected = (frames - frames.mean(0)) / frames.std(0)
  # float32 around -70 dB keeps six digits of the difference.
  np.testing.assert_allclose(out, expected, atol=1e-3)


def test_video_components_are_those_of_scikit_learn(utterances):
  from sklearn.decomposition import PCA

  transform = features.fit(utterances, _WIDTHS, 4)
  frames = stacked(utterances, "video")
  oracle = PCA(n_components=4, svd_solver="full").fit(frames)
  ours, theirs = transform.components["video"], oracle.components_.T
  # The same directions up to sign, in the same order.
  cosines = np.abs((ours * theirs).sum(0))
  np.testing.assert_allclose(cosines, 1, atol=1e-5)
  # One scale for all, so that strong components stay the stronger.
  variances = frames.shape[0] - 1
  variances = oracle.explained_variance_ * variances / frames.shape[0]
  out = transform("video", frames)
  np.testing.assert_allclose(
    out.std(0), np.sqrt(variances / variances.mean()), rtol=1e-4
  )
  assert transform.width("video") == 4


def test_without_components_the_video_keeps_its_dimensions(utterances):
  transform = features.fit(utterances, _WIDTHS, 0)
  assert transform.components["video"] is None
  assert transform.width("video") == 6
  out = transform("video", stacked(utterances, "video"))
  np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
  np.testing.assert_allclose(out.std(0), 1, atol=1e-4)


def test_more_components_than_dimensions_are_all_of_them(utterances):
  assert features.fit(utterances, _WIDTHS, 64).width("video") == 6


@pytest.mark.parametrize("components", [0, 4])
def test_a_modality_that_is_nowhere_gets_a_harmless_transform(components):
  empty = {name: np.zeros((0, width)) for name, width in _WIDTHS.items()}
  transform = features.fit([empty] * 3, _WIDTHS, components)
  for name in _WIDTHS:
    out = transform(name, np.zeros((0, _WIDTHS[name]), np.float16))
    assert out.shape == (0, transform.width(name))
    np.testing.assert_array_equal(transform.scale[name], 1)
    np.testing.assert_array_equal(transform.mean[name], 0)


def test_a_constant_dimension_is_not_blown_up():
  frames = {"audio": np.full((9, 3), -100.0), "video": np.ones((9, 6))}
  transform = features.fit([frames], _WIDTHS, 0)
  np.testing.assert_allclose(transform("audio", frames["audio"]), 0, atol=1e-4)


@pytest.mark.parametrize("components", [0, 4])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_features_of_any_unit_come_on_one_scale(utterances, components, unit):
  """Those of other tools may be tiny."""
  scaled = [
    {name: unit * array.astype(np.float64) for name, array in each.items()}
    for each in utterances
  ]
  found = features.fit(scaled, _WIDTHS, components)
  expected = features.fit(utterances, _WIDTHS, components)
  for name in _WIDTHS:
    np.testing.assert_allclose(
      found(name, stacked(scaled, name)),
      expected(name, stacked(utterances, name)),
      rtol=1e-4,
      atol=1e-4,
    )


def test_fitting_twice_is_the_same_to_the_bit(utterances):
  first = features.fit(utterances, _WIDTHS, 4)
  second = features.fit(utterances, _WIDTHS, 4)
  np.testing.assert_array_equal(
    first.components["video"], second.components["video"]
  )


@pytest.mark.parametrize("components", [0, 4])
def test_a_saved_transform_comes_back(utterances, tmp_path, components):
  transform = features.fit(utterances, _WIDTHS, components)
  path = tmp_path / "features.npz"
  transform.save(path)
  assert list(tmp_path.iterdir()) == [path]  # no scratch file
  loaded = FeatureTransform.load(path)
  for name in _WIDTHS:
    frames = stacked(utterances, name)
    np.testing.assert_array_equal(loaded(name, frames), transform(name, frames))
    assert loaded.width(name) == transform.width(name)


@pytest.fixture
def data(tiny_config) -> Callable[..., DataConfig]:
  """The tiny config's data section, changed in these fields."""

  def make(**changes) -> DataConfig:
    return dataclasses.replace(tiny_config().data, **changes)

  return make


def test_clip_level_takes_the_gain_of_the_recording_away(utterances, data):
  frames = next(each for each in utterances if len(each["audio"]) > 1)
  louder = {**frames, "audio": frames["audio"].astype(np.float32) + 6}
  clip = data(audio_level="clip")
  near, far = (
    features.as_read(each, clip)["audio"] for each in (louder, frames)
  )
  # float16 around -70 dB has a step of 1/16 dB, and the mean of it less.
  np.testing.assert_allclose(near, far, atol=1e-3)
  assert abs(near.mean()) < 1e-4
  same = features.as_read(frames, data(audio_level="absolute"))["audio"]
  np.testing.assert_array_equal(same, frames["audio"])
  absent = {"audio": np.zeros((0, 3)), "video": frames["video"]}
  assert features.as_read(absent, clip)["audio"].shape == (0, 3)


def test_pooled_frames_are_means_over_equal_parts():
  frames = np.array([[0.0], [3.0], [6.0]], np.float16)
  # Parts of 1.5 frames: the middle one belongs to both by half.
  np.testing.assert_array_equal(features.pool(frames, 2), [[1.0], [5.0]])
  np.testing.assert_array_equal(features.pool(frames, 1), [[3.0]])
  np.testing.assert_array_equal(features.pool(frames, 3), frames)


@pytest.mark.parametrize("length", [158, 300, 313, 10_000])
def test_pooling_keeps_the_mean_and_the_time_of_every_frame(length):
  ramp = np.linspace(-80, 0, length)[:, None] * [1, 2]
  found = features.pool(ramp, 157)
  assert found.dtype == np.float32
  # The mean over a part of a straight line is its value in the middle.
  step = 80 / (length - 1)
  middles = (np.arange(157) + 0.5) * length / 157 - 0.5
  inside = slice(1, -1)  # the outer frames have no neighbour to lean on
  np.testing.assert_allclose(
    found[inside, 0], -80 + step * middles[inside], atol=step / 4
  )
  # float32 of numbers up to 160.
  np.testing.assert_allclose(found.mean(0), ramp.mean(0), atol=1e-4)


@pytest.mark.parametrize(
  ("changes", "audio", "video"),
  [
    ({"long_clips": "cut"}, [0, 1, 2, 3], [0, 1, 2]),
    # Parts of 2.5 frames: (0 + 1 + 2 / 2) / 2.5, and so on.
    ({"long_clips": "pool"}, [0.8, 3.2, 5.8, 8.2], [0.5, 2.5, 4.5]),
    ({"long_clips": "cut", "audio_stride": 2}, [0.5, 2.5, 4.5, 6.5], [0, 1, 2]),
    ({"long_clips": "pool", "audio_stride": 5}, [2.0, 7.0], [0.5, 2.5, 4.5]),
  ],
)
def test_long_clips_are_cut_or_averaged(data, changes, audio, video):
  """Ten frames of voice and six of face, of which four and three are read."""
  frames = {
    "audio": np.arange(10.0)[:, None],
    "video": np.arange(6.0)[:, None],
  }
  found = features.as_read(frames, data(**changes))
  np.testing.assert_allclose(found["audio"][:, 0], audio, rtol=1e-6)
  np.testing.assert_allclose(found["video"][:, 0], video, rtol=1e-6)
