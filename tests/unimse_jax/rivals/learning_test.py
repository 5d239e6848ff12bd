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
  start,
  vector,
)
from unimse_jax.rivals.streams import TEXT, Stream


@functools.cache
def two_signs(count: int, seed: int) -> tuple[dict[str, Stream], np.ndarray]:
  """Utterances whose class is the product of a sign in text and one in voice.

  Neither sign alone tells anything of the class.
  """
  rng = np.random.default_rng(seed)
  signs = rng.choice([-1.0, 1.0], (count, 2))
  streams = {}
  for column, name in enumerate((TEXT, "audio")):
    lengths = rng.integers(2, 5, count)
    frames = 0.1 * rng.standard_normal((count, 4, SIZES[name]))
    frames[..., 0] += signs[:, column, None]
    streams[name] = Stream(
      jnp.asarray(frames, jnp.float32),
      jnp.asarray(np.arange(4) < lengths[:, None]),
    )
  return streams, signs.prod(axis=1) > 0


def accuracy_after_training(name: str, names: tuple[str, ...]) -> float:
  """Of new utterances, after 200 steps on the same 128, with a linear head."""
  system = make_system(name)
  streams, classes = two_signs(128, seed=0)
  streams = {each: streams[each] for each in names}
  batch = {
    "intensity": jnp.where(classes, 1.0, -1.0),
    "intensity_weight": jnp.ones(128),
    "example": jnp.arange(128, dtype=jnp.int32) % EXAMPLES,
  }
  variables = start(name, streams)
  params = {"system": variables.pop("params")}
  params["head"] = jnp.zeros(WIDTH).at[::2].set(0.3).at[1::2].set(-0.3)
  optimizer = optax.adam(1e-2)

  def loss(params):
    fused, _ = system.apply(
      {"params": params["system"], **variables},
      streams,
      batch,
      False,
      rngs={"dropout": jax.random.key(0)},
      mutable="memory",
    )
    logits = fused.vector @ params["head"]
    losses = optax.sigmoid_binary_cross_entropy(logits, classes)
    return losses.mean() + sum(fused.auxiliary.values())

  def step(carry, _):
    params, state = carry
    updates, state = optimizer.update(jax.grad(loss)(params), state)
    return (optax.apply_updates(params, updates), state), None

  @jax.jit
  def train(params):
    carry = (params, optimizer.init(params))
    return jax.lax.scan(step, carry, length=200)[0][0]

  params = train(params)
  streams, classes = two_signs(128, seed=1)
  streams = {each: streams[each] for each in names}
  found = vector(name, {"params": params["system"]}, streams) @ params["head"]
  return float(np.mean((found > 0) == classes))


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_two_modalities_tell_together(name):
  assert accuracy_after_training(name, (TEXT, "audio")) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_text_alone_does_not_tell_it(name):
  assert accuracy_after_training(name, (TEXT,)) < 0.7
