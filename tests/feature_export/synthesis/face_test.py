import av
import numpy as np
import pytest

from feature_export.synthesis import face

_PERSON = face.Person((224, 172, 132), (40, 28, 22), 0.5, 1.0, False)


def _film(expression: str, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
  generator = np.random.default_rng(seed)
  return np.stack(list(face.film(expression, _PERSON, seconds, generator)))


def test_frames():
  frames = _film("smile", seconds=1.3)
  assert frames.shape == (13, 112, 112, 3)
  assert frames.dtype == np.uint8
  assert len(_film("blank", seconds=0.01)) == 1


def test_same_generator_same_film():
  np.testing.assert_array_equal(_film("grief"), _film("grief"))
  assert not np.array_equal(_film("grief"), _film("grief", seed=1))


@pytest.mark.parametrize("expression", face.EXPRESSIONS)
def test_expressions_differ_in_every_frame(expression):
  for other in set(face.EXPRESSIONS) - {expression}:
    # The same seed: same background, place and phase; only the look differs.
    difference = _film(expression).astype(float) - _film(other)
    assert np.abs(difference).mean(axis=(1, 2, 3)).min() > 2


def test_frown_is_flushed_and_grief_has_tears():
  def share(frames, hue):
    red, green, blue = (frames[..., i].astype(int) for i in range(3))
    return {
      "red": (red - green > 80).mean(),
      "blue": ((blue > 200) & (red < 150)).mean(),
    }[hue]

  # Seed 3: a wall and things that are neither red nor blue.
  blank = _film("blank", seed=3)
  assert share(_film("frown", seed=3), "red") > share(blank, "red") + 0.1
  assert share(_film("grief", seed=3), "blue") > share(blank, "blue")


def test_mp4_gives_the_frames_back(tmp_path):
  frames = _film("smile")
  face.write_mp4(tmp_path / "a.mp4", iter(frames))
  with av.open(str(tmp_path / "a.mp4")) as file:
    assert float(file.streams.video[0].average_rate) == 10
    decoded = [each.to_ndarray(format="rgb24") for each in file.decode(video=0)]
  assert len(decoded) == len(frames)
  # Lossy, and colours at half resolution: a few grey levels on average.
  assert np.abs(np.stack(decoded).astype(float) - frames).mean() < 6
