"""Eq. 5 against NumPy, and sums that do not depend on the parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.config import LossConfig
from unimse_jax.models import UniMSEOutput
from unimse_jax.models.contrastive import info_nce
from unimse_jax.training import losses

_CONFIG = LossConfig(
  alpha=0.5,
  beta=0.25,
  temperature=0.1,
  normalize=True,
  count_positive_twice=False,
  contrastive_units="nats",
  absent="left_out",
  completed_weight=1.0,
)


def make_output(layers: int = 2, seed: int = 0) -> UniMSEOutput:
  rng = np.random.default_rng(seed)

  def draw(*shape) -> jax.Array:
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)

  return UniMSEOutput(
    logits=draw(4, 5, 40),
    anchors=tuple(draw(4, 7) for _ in range(layers)),
    keys={"audio": draw(4, 7), "video": draw(4, 7)},
    present={
      "audio": jnp.array([True, True, True, False]),
      "video": jnp.array([False, True, True, True]),
    },
  )


def test_nll_is_the_sum_over_real_target_tokens(make_batch):
  output, batch = make_output(), make_batch()
  value, right = losses.nll(output, batch)
  expected, hits = 0.0, 0
  logits = np.asarray(output.logits, np.float64)
  for row, place in zip(*np.nonzero(batch["loss_weights"]), strict=True):
    token = batch["decoder_target_tokens"][row, place]
    scores = logits[row, place]
    expected += np.log(np.exp(scores).sum()) - scores[token]
    hits += scores.argmax() == token
  assert value == pytest.approx(expected, rel=1e-5)  # float32 sums
  assert right == hits


def test_weights_count_tokens_and_rows_with_the_modality(make_batch):
  batch = make_batch()
  found = losses.weights(batch)
  assert found["nll"] == batch["loss_weights"].sum()
  assert found["audio"] == 3
  assert found["video"] == 3
  nothing = {name: np.zeros_like(array) for name, array in batch.items()}
  assert set(map(float, losses.weights(nothing).values())) == {1.0}


def test_a_guess_at_the_pairs_costs_one_in_units_of_chance(make_batch):
  """D9: whatever the number of layers and of candidates."""
  batch = make_batch()
  config = dataclasses.replace(_CONFIG, contrastive_units="chance")
  for layers in (1, 2):
    output = make_output(layers)
    same = jax.tree.map(jnp.ones_like, (output.anchors, output.keys))
    output = output.replace(anchors=same[0], keys=same[1])
    _, parts = losses.total(output, batch, losses.weights(batch), config)
    for name in ("audio", "video"):
      # All similarities are equal; float32.
      assert parts[f"contrastive_{name}"] == pytest.approx(1.0, rel=1e-5)


def test_a_guess_costs_one_in_a_batch_of_two_parts_too(make_batch):
  """Each part has half of the rows and of the candidates."""
  batch, output = make_batch(), make_output()
  config = dataclasses.replace(_CONFIG, contrastive_units="chance")
  same = jax.tree.map(jnp.ones_like, (output.anchors, output.keys))
  output = output.replace(anchors=same[0], keys=same[1])
  divisors = {name: 2 * value for name, value in losses.weights(batch).items()}
  _, parts = losses.total(output, batch, divisors, config)
  for name in ("audio", "video"):
    # All similarities are equal; float32.
    assert parts[f"contrastive_{name}"] == pytest.approx(0.5, rel=1e-5)


def test_equation_5(make_batch):
  output, batch = make_output(), make_batch()
  loss, parts = losses.total(output, batch, losses.weights(batch), _CONFIG)
  contrastive = {
    name: sum(
      info_nce(anchors, output.keys[name], output.present[name], 0.1)
      for anchors in output.anchors
    )
    / 3
    for name in ("audio", "video")
  }
  for name, value in contrastive.items():
    assert parts[f"contrastive_{name}"] == pytest.approx(float(value), rel=1e-5)
  task = losses.nll(output, batch)[0] / batch["loss_weights"].sum()
  expected = task + 0.5 * contrastive["audio"] + 0.25 * contrastive["video"]
  assert loss == pytest.approx(float(expected), rel=1e-5)
  assert parts["loss"] == loss


def test_without_modalities_the_task_is_all(make_batch):
  output = dataclasses.replace(make_output(0), keys={}, present={})
  batch = make_batch()
  loss, parts = losses.total(output, batch, losses.weights(batch), _CONFIG)
  assert loss == parts["nll"]
  assert set(parts) == {"loss", "nll", "token_accuracy"}


def test_heads_add_their_weighted_losses(make_batch):
  """The same batch and output with heads and without."""
  batch, output = make_batch(), make_output()
  batch |= {
    "emotion_moods": np.array([0, 1, 1, 0], np.int32),
    "emotion_moods_weight": np.array([1.0, 1.0, 2.0, 0.0], np.float32),
  }
  scores = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), "float32")
  config = dataclasses.replace(_CONFIG, heads=0.5)
  with_heads = losses.WrittenLabels(config, ("moods",))
  loss, parts = with_heads.total(
    output.replace(scores={"moods": scores}), batch, with_heads.divisors(batch)
  )
  plain = losses.WrittenLabels(config)
  without, others = plain.total(output, batch, plain.divisors(batch))
  log_p = np.asarray(jax.nn.log_softmax(scores), np.float64)
  expected = -(log_p[0, 0] + log_p[1, 1] + 2 * log_p[2, 1]) / 4
  assert parts["task_moods"] == pytest.approx(expected, rel=1e-5)
  assert loss == pytest.approx(float(without) + 0.5 * expected, rel=1e-5)
  assert parts["loss"] == loss
  assert parts.keys() == others.keys() | {"task_moods"}


def test_a_scheme_named_as_a_modality_divides_nothing_of_the_modalitys(
  make_batch,
):
  batch = make_batch() | {"emotion_audio_weight": np.ones(4, np.float32)}
  plain = losses.WrittenLabels(_CONFIG).divisors(batch)
  found = losses.WrittenLabels(_CONFIG, ("audio",)).divisors(batch)
  assert found["audio"] == plain["audio"] == 3
  assert found["task_audio"] == 4
