"""The recurrent part of an LSTM and its gradient, on any device."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models import recurrence_gpu

# Of one pass, for the gradient: gates float32[A, B, 4 W], after their
# activations, and cells float32[A, B, W], after each step.
Trace = tuple[jax.Array, jax.Array]


@jax.custom_vjp
def recur(
  projected: jax.Array, mask: jax.Array, kernel: jax.Array
) -> jax.Array:
  """The recurrent part of an LSTM; gates in the order i, f, g (cell), o.

  The backward pass is written out: the loop then yields the gradient of the
  gates alone, and the kernel's is one product afterwards. jax's own would
  add up a kernel-sized gradient at every step. On a GPU each of the two loops
  is one kernel (`recurrence_gpu`), where the shapes allow.

  Args:
    projected: float32[A, B, 4 W], the inputs' part of the gates.
    mask: bool[A, B]; state and cell stand still where False.
    kernel: float32[W, 4 W].

  Returns:
    float32[A, B, W], the state after each step.
  """
  return _forward(projected, mask, kernel)[0]


def _forward(*inputs: jax.Array) -> tuple[jax.Array, Trace]:
  return _on_device(scan, recurrence_gpu.scan, *inputs)


def _backward(*inputs: jax.Array | Trace) -> jax.Array:
  return _on_device(scan_back, recurrence_gpu.scan_back, *inputs)


def _on_device(loop: Callable, one_kernel: Callable, *inputs):
  """What the loop makes of the inputs, the LSTM's kernel the last of them."""
  if not recurrence_gpu.fits(inputs[-1]):
    return loop(*inputs)
  return jax.lax.platform_dependent(*inputs, cuda=one_kernel, default=loop)


def scan(
  projected: jax.Array, mask: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, Trace]:
  """The states after each step, as of `recur`, and the trace."""

  def step(carry, inputs):
    hidden, cell = carry
    frame, valid = inputs
    i, f, g, o = jnp.split(frame + hidden @ kernel, 4, axis=-1)
    i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
    cell = jnp.where(valid, f * cell + i * g, cell)
    hidden = jnp.where(valid, o * jnp.tanh(cell), hidden)
    gates = jnp.concatenate([i, f, g, o], axis=-1)
    return (hidden, cell), (hidden, (gates, cell))

  zeros = jnp.zeros((projected.shape[1], kernel.shape[0]), projected.dtype)
  return jax.lax.scan(step, (zeros, zeros), (projected, mask[..., None]))[1]


def scan_back(
  d_states: jax.Array, trace: Trace, mask: jax.Array, kernel: jax.Array
) -> jax.Array:
  """The gradient of the gates before their activations, float32[A, B, 4 W].

  Args:
    d_states: float32[A, B, W], of the states.
    trace: of `scan`.
    mask: as of `recur`.
    kernel: as of `recur`.
  """
  gates, cells = trace

  def step(carry, inputs):
    d_hidden, d_cell = carry
    d_state, own, bent, cell, valid = inputs
    i, f, g, o = jnp.split(own, 4, axis=-1)
    d_hidden = d_hidden + d_state
    d_out = jnp.where(valid, d_hidden, 0.0)
    d_new = jnp.where(valid, d_cell, 0.0) + d_out * o * (1 - bent**2)
    d_gates = jnp.concatenate(
      [
        d_new * g * i * (1 - i),
        d_new * cell * f * (1 - f),
        d_new * i * (1 - g**2),
        d_out * bent * o * (1 - o),
      ],
      axis=-1,
    )
    d_hidden = jnp.where(valid, 0.0, d_hidden) + d_gates @ kernel.T
    return (d_hidden, jnp.where(valid, 0.0, d_cell) + d_new * f), d_gates

  zeros = jnp.zeros_like(d_states[0])
  inputs = (d_states, gates, jnp.tanh(cells), before(cells), mask[..., None])
  return jax.lax.scan(step, (zeros, zeros), inputs, reverse=True)[1]


def before(values: jax.Array) -> jax.Array:
  """What stood before each step, [A, B, W]: zeros at the first."""
  return jnp.concatenate([jnp.zeros_like(values[:1]), values[:-1]])


def _recur_forward(projected, mask, kernel):
  states, trace = _forward(projected, mask, kernel)
  return states, (states, trace, mask, kernel)


def _recur_backward(saved, d_states):
  states, trace, mask, kernel = saved
  d_gates = _backward(d_states, trace, mask, kernel)
  return d_gates, None, jnp.einsum("ABW,ABG->WG", before(states), d_gates)


recur.defvjp(_recur_forward, _recur_backward)
