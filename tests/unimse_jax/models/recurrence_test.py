"""The LSTM's loops against jax's own gradient, and as one kernel each."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models import recurrence, recurrence_gpu
from unimse_jax.models.recurrence import recur


def inputs(frames: int, rows: int, width: int) -> tuple[jax.Array, ...]:
  """Gates, a mask with rows of all lengths and a hole, and a kernel."""
  rng = np.random.default_rng(0)
  projected = rng.standard_normal((frames, rows, 4 * width))
  kernel = 0.5 * rng.standard_normal((width, 4 * width)) / width**0.5
  lengths = np.arange(rows) % (frames + 1)
  lengths[0] = frames
  mask = np.arange(frames)[:, None] < lengths
  mask[2, 0] = False  # a hole
  return (
    jnp.asarray(projected, jnp.float32),
    jnp.asarray(mask),
    jnp.asarray(kernel, jnp.float32),
  )


def plain(projected, mask, kernel):
  """The recurrence, its gradient left to jax."""

  def step(carry, inputs):
    hidden, cell = carry
    gates = jnp.split(inputs[0] + hidden @ kernel, 4, axis=-1)
    i, f, o = (jax.nn.sigmoid(gates[place]) for place in (0, 1, 3))
    new = f * cell + i * jnp.tanh(gates[2])
    hidden = jnp.where(inputs[1], o * jnp.tanh(new), hidden)
    return (hidden, jnp.where(inputs[1], new, cell)), hidden

  zeros = jnp.zeros((projected.shape[1], kernel.shape[0]))
  return jax.lax.scan(step, (zeros, zeros), (projected, mask[..., None]))[1]


# Of width 16, a kernel of its own on a GPU; of width 3, the loop everywhere.
@pytest.mark.parametrize("width", [3, 16])
@pytest.mark.parametrize("rows", [5, 21])
def test_states_and_gradients_are_those_of_jax(width, rows):
  projected, mask, kernel = inputs(7, rows, width)
  rng = np.random.default_rng(1)
  weights = rng.standard_normal((7, rows, width)).astype(np.float32)

  def loss(function):
    def total(projected, kernel):
      states = function(projected, mask, kernel)
      return (weights * states).sum() + jnp.square(states[-1]).sum(), states

    return jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))

  found, states = loss(recur)(projected, kernel)
  expected, expected_states = loss(plain)(projected, kernel)
  np.testing.assert_allclose(states, expected_states, rtol=0, atol=1e-6)
  for one, other in zip(found, expected, strict=True):
    # Sums of up to 147 float32 terms, added up in another order.
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
  assert not np.asarray(found[0])[~np.asarray(mask)].any()


@pytest.mark.parametrize("rows", [5, 16, 21])
@pytest.mark.parametrize("width", [16, 64])
def test_the_kernels_compute_what_the_loops_do(rows, width):
  projected, mask, kernel = inputs(7, rows, width)
  d_states = jnp.asarray(
    np.random.default_rng(1).standard_normal((7, rows, width)), jnp.float32
  )
  expected = recurrence.scan(projected, mask, kernel)
  found = recurrence_gpu.scan(projected, mask, kernel, interpret=True)
  jax.tree.map(
    lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6),
    found,
    expected,
  )
  trace = expected[1]
  np.testing.assert_allclose(
    recurrence_gpu.scan_back(d_states, trace, mask, kernel, interpret=True),
    recurrence.scan_back(d_states, trace, mask, kernel),
    rtol=1e-5,
    atol=1e-6,
  )


@pytest.mark.parametrize(("width", "kernels"), [(64, 2), (48, 0), (128, 0)])
def test_a_gpu_gets_one_kernel_for_each_direction(width, kernels):
  projected, mask, kernel = inputs(7, 5, width)

  def total(projected, kernel):
    return recur(projected, mask, kernel).sum()

  traced = jax.jit(jax.grad(total, argnums=(0, 1))).trace(projected, kernel)
  assert str(traced.jaxpr).count("= pallas_call[") == kernels
  program = traced.lower(lowering_platforms=("cpu",)).as_text()
  assert "triton" not in program and "stablehlo.while" in program


@pytest.mark.parametrize(
  ("capabilities", "processes", "expected"),
  [
    ((None,), 1, True),  # a CPU: its program takes the loop whatever is said
    (("8.6", "9.0"), 1, True),
    (("10.0",), 1, True),
    (("gfx942",), 1, True),
    (("7.5",), 1, False),
    (("9.0", "7.0"), 1, False),
    (("9.0",), 2, False),
  ],
)
def test_a_kernel_is_for_the_gpus_that_can_and_should_run_it(
  capabilities, processes, expected, monkeypatch
):
  devices = [
    types.SimpleNamespace(**({"compute_capability": each} if each else {}))
    for each in capabilities
  ]
  monkeypatch.setattr(jax, "local_devices", lambda: devices)
  monkeypatch.setattr(jax, "process_count", lambda: processes)
  assert recurrence_gpu.fits(jnp.zeros((64, 256))) is expected
  assert not recurrence_gpu.fits(jnp.zeros((65, 260)))
