"""Every system learns what no modality tells alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.unimse_jax.rivals.systems_test import (
  EXAMPLES,
  NAMES,
  SIZES,
  WIDTH,
  make_system,
  memory_of,
)
from unimse_jax.rivals.streams import TEXT, Stream

COUNT = 128  # utterances


@functools.cache
def two_signs(seed: int) -> tuple[dict[str, Stream], np.ndarray]:
  """Utterances whose class is the product of a sign in text and one in voice.

  Neither sign alone tells anything of the class.
  """
  rng = np.random.default_rng(seed)
  signs = rng.choice([-1.0, 1.0], (COUNT, 2))
  streams = {}
  for column, name in enumerate((TEXT, "audio")):
    lengths = rng.integers(2, 5, COUNT)
    frames = 0.1 * rng.standard_normal((COUNT, 4, SIZES[name]))
    frames[..., 0] += signs[:, column, None]
    streams[name] = Stream(
      jnp.asarray(frames, jnp.float32),
      jnp.asarray(np.arange(4) < lengths[:, None]),
    )
  return streams, signs.prod(axis=1) > 0


def accuracy_after_training(name: str, names: tuple[str, ...]) -> float:
  """Of new utterances, after 120 steps on the same 128, with a linear head."""
  system = make_system(name)
  (streams, classes), (unseen, expected) = two_signs(0), two_signs(1)
  streams = {each: streams[each] for each in names}
  unseen = {each: unseen[each] for each in names}
  batch = {
    "intensity": jnp.where(classes, 1.0, -1.0),
    "intensity_weight": jnp.ones(COUNT),
    "example": jnp.arange(COUNT, dtype=jnp.int32) % EXAMPLES,
  }
  optimizer = optax.adam(1e-2)
  memory = memory_of(name, streams)
  rngs = {"dropout": jax.random.key(0)}

  def loss(params, memory):
    fused, memory = system.apply(
      {"params": params["system"]} | memory,
      streams,
      batch,
      False,
      rngs=rngs,
      mutable="memory",
    )
    logits = fused.vector @ params["head"]
    losses = optax.sigmoid_binary_cross_entropy(logits, classes)
    return losses.mean() + sum(fused.auxiliary.values()), memory

  def step(carry, _):
    params, state, memory = carry
    gradient, memory = jax.grad(loss, has_aux=True)(params, memory)
    updates, state = optimizer.update(gradient, state)
    return (optax.apply_updates(params, updates), state, memory), None

  @jax.jit
  def unseen_logits():
    params = system.init(jax.random.key(1), streams, {}, True)
    head = 0.3 * (-1.0) ** jnp.arange(WIDTH)
    params = {"system": params["params"], "head": head}
    carry = (params, optimizer.init(params), memory)
    params = jax.lax.scan(step, carry, length=120)[0][0]
    variables = {"params": params["system"]}
    return system.apply(variables, unseen, {}, True).vector @ params["head"]

  logits = unseen_logits()
  assert np.isfinite(logits).all()
  return float(np.mean((logits > 0) == expected))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_two_modalities_tell_together(name):
  assert accuracy_after_training(name, (TEXT, "audio")) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_text_alone_does_not_tell_it(name):
  assert accuracy_after_training(name, (TEXT,)) < 0.7
