"""The labels that Self-MM makes, against NumPy."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.self_mm import SelfMM, relative_distance, shifted_label
from unimse_jax.rivals.streams import TEXT, Stream

KEPT = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0], [50.0, 50.0]])
LABELS = jnp.array([2.0, 0.5, -1.0, 0.0])  # centres: (2, 0) and (0, 4)


def test_the_distance_is_relative_to_the_positive_centre():
  found = relative_distance(jnp.array([[2.0, 1.0], [0.0, 2.0]]), KEPT, LABELS)
  # Squares 1 and 13; 8 and 4. The root of the width leaves the ratio as it is.
  np.testing.assert_allclose(found, [12, -0.5], rtol=1e-6)


def test_without_one_of_the_centres_there_is_no_distance():
  found = relative_distance(KEPT, KEPT, jnp.abs(LABELS))
  np.testing.assert_array_equal(found, [0, 0, 0, 0])


@pytest.mark.parametrize(
  ("label", "of_fusion", "of_modality", "expected"),
  [
    (1.0, 0.5, 0.5, 1.0),  # as near as the fusion: the same label
    (1.0, 0.5, 0.25, 0.625),  # y + (-0.25 / 2) (1 + 0.5) / 0.5
    (-2.0, -0.5, 0.25, -0.125),  # y + (0.75 / 2) (-2 - 0.5) / -0.5
    (1.0, 0.5, 9.0, 3.0),  # no farther than the score goes
    (1.0, 0.0, 9.0, 1.0),  # nothing to compare with
  ],
)
def test_a_label_is_shifted_by_the_difference(
  label, of_fusion, of_modality, expected
):
  found = shifted_label(
    jnp.array(label), jnp.array(of_fusion), jnp.array(of_modality)
  )
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def _visit(params, kept, streams, batch):
  system = SelfMM(width=6, dropout=0.0)
  return system.apply(
    {"params": params, "memory": kept}, streams, batch, False, mutable="memory"
  )


def test_labels_start_as_the_annotation_and_move_from_the_second_visit(fill):
  rng = np.random.default_rng(0)
  frames = jnp.asarray(rng.standard_normal((4, 3, 2)), jnp.float32)
  streams = {TEXT: Stream(frames, jnp.ones((4, 3), bool))}
  label = np.array([2.0, -1.0, 1.0, 3.0])
  batch = {
    "intensity": jnp.asarray(label),
    "intensity_weight": jnp.array([1.0, 1.0, 1.0, 0.0]),
    "example": jnp.array([4, 0, 2, 1], jnp.int32),
  }
  params = fill(SelfMM(width=6, dropout=0.0), streams, batch, True, scale=1.0)
  kept = SelfMM.memory(SimpleNamespace(width=6, modalities=()), examples=5)
  fused, first = _visit(params, kept, streams, batch)
  first = first["memory"]
  # Example 3 is not in the batch, and example 1 is not annotated.
  np.testing.assert_array_equal(first["visits"], [1, 0, 1, 0, 1])
  np.testing.assert_array_equal(first["text_labels"], [-1, 0, 1, 0, 2])
  assert fused.auxiliary["modalities"] == 0

  def distance(name):
    vectors = np.asarray(first[f"{name}_vectors"], np.float64)[[4, 0, 2]]
    centres = vectors[[0, 2]].mean(0), vectors[1]
    near, far = (((vectors - each) ** 2).sum(1) for each in centres)
    return (far - near) / (near + 1e-8 * 2**0.5)

  of_fusion, of_text, y = distance("fusion"), distance("text"), label[:3]
  shifted = y + (of_text - of_fusion) / 2 * (y + of_fusion) / of_fusion
  expected = y / 3 + 2 / 3 * np.clip(shifted, -3, 3)
  _, second = _visit(params, first, streams, batch)
  second = second["memory"]
  found = np.asarray(second["text_labels"])
  np.testing.assert_allclose(found[[4, 0, 2]], expected, rtol=1e-4)
  np.testing.assert_array_equal(second["visits"], [2, 0, 2, 0, 2])
  fused, _ = _visit(params, second, streams, batch)
  hidden = params["text_head"]
  predicted = second["text_vectors"] @ hidden["kernel"] + hidden["bias"]
  error = np.abs(np.asarray(predicted)[[4, 0, 2], 0] - expected)
  weight = np.tanh(np.abs(expected - y))
  np.testing.assert_allclose(
    fused.auxiliary["modalities"], (weight * error).mean(), rtol=1e-4
  )
  assert jax.tree.map(jnp.shape, second) == jax.tree.map(jnp.shape, kept)
