"""Heads against NumPy, and the same in training, in packed rows and alone."""

import jax
import numpy as np
import pytest

_TARGETS = (("intensity", 1), ("moods", 3))


@pytest.fixture(scope="module")
def model(tiny_model):
  return tiny_model(targets=_TARGETS)


@pytest.fixture(scope="module")
def batch(make_batch):
  return make_batch()


@pytest.fixture(scope="module")
def params(model, batch, fill):
  return fill(model, batch)


@pytest.fixture(scope="module")
def scores(model, params, batch):
  return jax.jit(model.apply)({"params": params}, batch).scores


def test_they_are_linear_in_the_mean_of_the_utterances_own_tokens(
  model, params, batch, scores
):
  encoded = model.apply({"params": params}, batch, method="encode")
  own = batch["encoder_mask"] & (batch["segment_ids"] == 1)
  assert own.any(1).all(), "no row of the batch is without a token of its own"
  assert (own != batch["encoder_mask"]).any()
  means = [
    row[mask].mean(0)
    for row, mask in zip(np.asarray(encoded.text), own, strict=True)
  ]
  for name, size in _TARGETS:
    head = params["heads"][name]
    expected = np.array(means) @ head["kernel"] + head["bias"]
    assert scores[name].shape == (len(own), size)
    # Two programs, float32.
    np.testing.assert_allclose(scores[name], expected, rtol=2e-5, atol=2e-6)


def test_what_is_read_of_encoded_rows_is_what_was_trained(
  model, params, batch, scores
):
  def read(batch):
    encoded = model.apply({"params": params}, batch, method="encode")
    return model.apply({"params": params}, encoded, batch, method="read_heads")

  found = jax.jit(read)(batch)
  for name, values in scores.items():
    np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


def test_texts_that_share_a_row_have_the_same_scores(
  model, params, batch, scores, pack
):
  packed = jax.jit(model.apply)({"params": params}, pack(batch)).scores
  for name, values in scores.items():
    np.testing.assert_allclose(packed[name], values, rtol=1e-4, atol=1e-5)


def test_they_hear_the_voice(model, params, batch, scores):
  louder = {**batch, "audio": batch["audio"] + batch["audio_mask"][..., None]}
  found = jax.jit(model.apply)({"params": params}, louder).scores
  present = batch["audio_mask"].any(1)
  changed = np.abs(np.asarray(found["moods"] - scores["moods"])).max(1)
  assert (changed[present] > 1e-4).all()
  assert (changed[~present] == 0).all()


def test_without_targets_there_are_none(tiny_model, batch):
  model = tiny_model()
  shapes = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
  assert not [name for name in shapes if "head" in name]
