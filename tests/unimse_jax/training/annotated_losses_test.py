"""Means over what was annotated, whatever the parts of a batch."""

import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals import RivalOutput
from unimse_jax.training.annotated_losses import Annotated

_OBJECTIVE = Annotated(("intensity", "moods"))


def make_batch() -> dict[str, np.ndarray]:
  return {
    "encoder_mask": np.array([[True], [True], [True], [False]]),
    "intensity": np.array([1.0, -2.0, 0.0, 0.0], np.float32),
    "intensity_weight": np.array([1.0, 1.0, 0.0, 0.0], np.float32),
    "emotion_moods": np.array([0, 1, 1, 0], np.int32),
    "emotion_moods_weight": np.array([0.0, 3.0, 1.0, 0.0], np.float32),
  }


def make_output(**auxiliary: float) -> RivalOutput:
  scores = {
    "intensity": jnp.array([[1.5], [0.0], [9.0], [9.0]]),
    "moods": jnp.array([[9.0, 0.0], [0.0, 0.0], [1.0, 2.0], [5.0, 0.0]]),
  }
  return RivalOutput(
    scores=scores,
    vector=jnp.zeros((4, 2)),
    auxiliary={name: jnp.asarray(value) for name, value in auxiliary.items()},
  )


def test_each_task_is_a_mean_over_what_was_annotated():
  batch = make_batch()
  divisors = _OBJECTIVE.divisors(batch)
  loss, parts = _OBJECTIVE.total(make_output(own=0.5), batch, divisors)
  assert parts["task_intensity"] == pytest.approx((0.5 + 2.0) / 2)
  log_p = np.log([0.5, 1 / (1 + np.exp(-1.0))])
  expected = -(3 * log_p[0] + log_p[1]) / 4
  assert parts["task_moods"] == pytest.approx(expected, rel=1e-6)  # float32
  assert parts["own_own"] == 0.5
  assert parts["loss"] == loss
  assert loss == pytest.approx(1.25 + expected + 0.5, rel=1e-6)


def test_a_batch_without_any_annotation_has_no_loss():
  batch = {name: np.zeros_like(each) for name, each in make_batch().items()}
  loss, _ = _OBJECTIVE.total(make_output(), batch, _OBJECTIVE.divisors(batch))
  assert loss == 0
