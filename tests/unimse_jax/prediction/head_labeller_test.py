"""What the heads say becomes what UniMSE would have written."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from unimse_jax.config import DecodingConfig
from unimse_jax.labels import EmotionScheme, LabelSchema, LabelText
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.prediction.head_labeller import HeadLabeller
from unimse_jax.rivals import RivalOutput

_MOODS = EmotionScheme("moods", {"joy": "positive", "anger": "negative"})
# By name it is before the other, in a label behind it.
_ACTS = EmotionScheme("acts", {"praise": "positive", "blame": "negative"})


class Stub(nn.Module):
  """Scores that stand in the batch."""

  names: tuple[str, ...]

  def __call__(self, batch):
    scores = {name: batch[name] for name in self.names}
    return RivalOutput(scores, batch["vector"], {})


def label(scores: dict, intensity: bool, probabilities: bool = True) -> list:
  schemes = tuple(each for each in (_MOODS, _ACTS) if each.name in scores)
  schema = LabelSchema(intensity, schemes)
  labeller = HeadLabeller(
    Stub(tuple(scores)),
    LabelText(schema),
    DecodingConfig(batch_size=3),
    make_mesh(devices=1),
  )
  assert labeller.batch_size == 3
  batch = {name: np.float32(each) for name, each in scores.items()}
  batch["vector"] = np.float32([[1, 2], [3, 4], [0, 0]])
  (found,) = labeller.label({}, [(batch, 2)], probabilities)
  return found


def test_fields_text_and_probabilities():
  scores = {
    "intensity": [[-1.25], [7.0], [0.0]],
    "moods": [[0.0, jnp.log(3.0)], [1.0, 0.0], [0.0, 0.0]],
  }
  first, second = label(scores, intensity=True)
  assert first.output == "negative, -1.25, anger"
  assert first.parsed.fields == {
    "polarity": "negative",
    "intensity": -1.25,
    "moods": "anger",
  }
  assert first.probabilities["moods"] == pytest.approx(
    {"joy": 0.25, "anger": 0.75}, rel=1e-6
  )
  np.testing.assert_array_equal(first.embedding, [1, 2])
  assert second.intensity == 3.0  # the end of the scale
  assert not first.parsed.malformed


def test_without_an_intensity_the_emotion_gives_the_polarity():
  moods = [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
  first, second = label({"moods": moods}, intensity=False)
  assert (first.polarity, second.polarity) == ("negative", "positive")
  assert first.output == "negative, anger"


def test_the_first_emotion_of_the_label_gives_the_polarity():
  anger, praise = [[0.0, 1.0]] * 3, [[1.0, 0.0]] * 3
  first, _ = label({"moods": anger, "acts": praise}, intensity=False)
  assert first.output == "negative, anger, praise"


def test_probabilities_are_left_out_where_nobody_asks():
  scores = {"intensity": [[0.0], [1.0], [0.0]]}
  first, _ = label(scores, intensity=True, probabilities=False)
  assert first.probabilities == {}
  assert first.embedding is None
  assert first.polarity == "neutral"
