"""Which rows a step reads, in which shape, and how they are packed."""

import numpy as np
import pytest

from unimse_jax.data.dialogues import Dialogues
from unimse_jax.errors import InputError
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.training.batch_order import BatchOrder


def order_of(config, lengths, devices: int = 1) -> BatchOrder:
  corpora = ["films"] * len(lengths)
  return BatchOrder(lengths, corpora, config, make_mesh(devices=devices))


def test_the_order_follows_from_the_step_alone(tiny_config):
  config, lengths = tiny_config(), [10] * 42
  order = order_of(config, lengths)
  assert order.steps_per_epoch == 4
  plans = [order.plan(step) for step in range(12)]
  resumed = order_of(config, lengths)
  for step in (11, 3, 7):
    assert resumed.plan(step) == plans[step]
    again = resumed.layout(resumed.plan(step))
    for name, places in order.layout(plans[step]).items():
      np.testing.assert_array_equal(again[name], places)


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_the_same_rows_meet_on_any_number_of_devices(tiny_config, devices):
  lengths = np.random.default_rng(0).integers(1, 65, 42)
  one, many = (
    order_of(tiny_config(), lengths, count) for count in (1, devices)
  )
  for step in range(8):
    assert sorted(many.plan(step).rows) == sorted(one.plan(step).rows)


def test_every_token_of_a_batch_stands_somewhere(tiny_config):
  """Twelve texts, two devices, three parts: six groups of two texts."""
  config = tiny_config({"train.microbatches": 3})
  lengths = np.random.default_rng(0).integers(1, 31, 36)
  order = order_of(config, lengths, devices=2)
  plan = order.plan(0)
  layout = order.layout(plan)
  rows, room = plan.packed
  assert rows == 1 and room >= plan.length == 64
  assert order.shape(plan) == (6, room)
  assert layout["packed_places"].shape == (6, 1, room)
  assert layout["unpacked_places"].shape == (6, 2, 64)
  real = (layout["packed_places"] < 2 * 64).sum()
  assert real == lengths[list(plan.rows)].sum()
  assert order.real_tokens([plan]) == real / (6 * room)


def test_what_padding_makes_is_not_packed(tiny_config):
  config = tiny_config({"model.contrastive_pooling": "include_padding"})
  order = order_of(config, [10] * 42)
  plan = order.plan(0)
  assert plan.packed is None
  assert order.layout(plan) == {}
  assert order.shape(plan) == (12, 64)
  assert order.real_tokens([plan]) == len(plan.rows) * 10 / (12 * 64)


def test_corpora_of_dialogues_come_equally_often(tiny_config):
  config = tiny_config({"rival.system": "cogmen", "data.temperature": 2.0})
  dialogues = Dialogues(((0, 1), (2,)), (0, 1, 0))
  with pytest.raises(InputError, match="data.temperature: expected 1"):
    BatchOrder(
      [3, 4, 5], ["films"] * 3, config, make_mesh(devices=1), dialogues
    )
