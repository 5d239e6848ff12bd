"""A packed batch is the same batch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.data import packing as data_packing
from unimse_jax.models import packing
from unimse_jax.training import signal as training_signal


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("room", [9, 16])
def test_unpacking_undoes_packing(make_batch, pack, devices, room):
  batch = pack(make_batch(rows=8 * devices), devices=devices, room=room)
  layout = packing.of_batch(batch)
  mask, tokens = batch["encoder_mask"], batch["encoder_input_tokens"]
  rows = np.asarray(layout.pack(tokens))
  assert rows.shape == (devices * layout.places.shape[1], room)
  assert len(rows) < len(tokens)
  np.testing.assert_array_equal(layout.unpack(rows), tokens * mask)
  # Every token is there once.
  np.testing.assert_array_equal(np.sort(rows[rows > 0]), np.sort(tokens[mask]))
  np.testing.assert_array_equal(
    layout.sample(rows, 4), (tokens * mask)[:, [0, 4, 8]]
  )


def test_a_token_sees_the_valid_tokens_of_its_own_text_alone():
  """Texts of 2 and 3 tokens in a row; the middle one of the last is hidden."""
  groups = data_packing.group_rows(2, 1, 1)
  arrays = data_packing.arrays(np.array([2, 3]), 4, groups, (1, 6))
  mask = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
  bias = packing.of_batch(arrays).bias(mask)
  assert bias.shape == (1, 1, 6, 6)
  assert (np.asarray(bias[0, 0]) == 0).astype(int).tolist() == [
    [1, 0, 1, 0, 0, 0],
    [1, 0, 1, 0, 0, 0],
    [1, 0, 1, 0, 0, 0],
    [0, 0, 0, 1, 1, 0],
    [0, 0, 0, 1, 1, 0],
    [0, 0, 0, 0, 0, 0],
  ]


def test_the_gradient_of_moving_is_jaxs_own(make_batch, pack):
  batch = pack(make_batch(rows=8))
  layout = packing.of_batch(batch)
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.standard_normal((8, 9, 3)), jnp.float32)

  def loss(x, move):
    return jnp.sum(jnp.sin(move(x)) * jnp.cos(move(x * 2)))

  def plain(x):
    filled = jnp.concatenate([x.reshape(-1, 3), jnp.zeros((1, 3))])
    return filled[layout.places[0]]

  np.testing.assert_allclose(
    jax.grad(loss)(x, layout.pack), jax.grad(loss)(x, plain), rtol=1e-6
  )
  mask = jnp.asarray(batch["encoder_mask"])[..., None]
  np.testing.assert_array_equal(
    jax.grad(lambda x: jnp.sum(layout.unpack(layout.pack(x))))(x),
    jnp.broadcast_to(mask, x.shape).astype(jnp.float32),
  )


def assert_same(found, expected) -> None:
  """Equal to 1e-5 of a leaf's largest number: sums over other shapes."""
  assert jax.tree.structure(found) == jax.tree.structure(expected)

  def check(a, b):
    limit = 1e-5 * max(float(np.abs(b).max(initial=0)), 1e-3)
    np.testing.assert_allclose(a, b, rtol=0, atol=limit)

  jax.tree.map(check, jax.device_get(found), jax.device_get(expected))


@pytest.mark.parametrize(
  "changes",
  [
    {},
    {"pmf_place": "cross_attention", "adapter_heads": 2, "gated": True}
    | {"marking": "slice_encoder", "contrastive_kernel": 3, "tied": False},
    {"pmf_place": "parallel", "contrastive_layers": "pre_block", "lstm": "bi"},
    {"pmf_units": "none", "adapter_residual": "text", "adapter_norm": True}
    | {"contrastive_anchor": "window", "contrastive_keys": "shared"}
    | {"zeroed_modalities": ("video",), "segment_units": "none"},
    {"pmf_layers": 2, "contrastive_layers": "last_only"}
    | {"marking": "eos_marks", "absent": "as_zeros"},
    {"pmf_decoder": False, "contrastive_decoder": True}
    | {"modalities": ("audio",)},
    {"pmf": False},
    {"modalities": (), "contrastive": False},
  ],
  ids=lambda changes: ",".join(changes) or "default",
)
def test_outputs_and_gradients_are_those_of_a_text_a_row(
  tiny_model, tiny_t5, make_batch, fill, pack, changes
):
  # Four buckets: positions that went on from text to text would show.
  shape = {"relative_buckets": 4, "relative_max_distance": 8}
  shape |= {key: changes[key] for key in ("gated", "tied") if key in changes}
  t5 = dataclasses.replace(tiny_t5, **shape)
  rest = {key: changes[key] for key in changes if key not in shape}
  model, batch = tiny_model(t5=t5, **rest), make_batch(rows=8)
  params = fill(model, batch)

  def loss(params, batch):
    output, kept = model.apply(
      {"params": params}, batch, mutable=["signal", "intermediates"]
    )
    # What stands at padding no loss reads.
    logits = output.logits * batch["loss_weights"][..., None]
    fused = kept["intermediates"]["last_fused"][0]
    fused = fused * batch["encoder_mask"][..., None]
    read = (logits, output.anchors, output.keys)
    value = sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(read))
    sums = training_signal.add_up(kept, batch)
    return value, (read, fused, sums)

  compute = jax.jit(jax.grad(loss, has_aux=True))
  assert_same(compute(params, pack(batch, room=16)), compute(params, batch))


def test_hidden_words_stay_hidden(tiny_model, tiny_t5, make_batch, fill, pack):
  """The rows whose text, voice and face are dropped are the same ones."""
  t5 = dataclasses.replace(tiny_t5, dropout=0.0)
  model = tiny_model(
    t5=t5, modality_dropout=0.0, drop_text=0.5, drop_modality=0.5
  )
  batch = make_batch(rows=8)
  params = fill(model, batch)

  @jax.jit
  def logits(batch, key):
    output = model.apply(
      {"params": params}, batch, False, rngs={"dropout": key}
    )
    return output.logits * batch["loss_weights"][..., None]

  keys = [jax.random.key(number) for number in range(3)]
  expected = [logits(batch, key) for key in keys]
  assert np.abs(expected[0] - expected[1]).max() > 0.1
  assert_same([logits(pack(batch), key) for key in keys], expected)


def test_decoding_reads_a_text_a_row(tiny_model, make_batch, fill, pack):
  model, batch = tiny_model(), make_batch(rows=8)
  params = {"params": fill(model, batch)}
  expected = model.apply(params, batch, method="encode")
  found = model.apply(params, pack(batch), method="encode")
  jax.tree.map(np.testing.assert_array_equal, found, expected)
