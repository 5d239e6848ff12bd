"""The loops of `recurrence` as one kernel each, for NVIDIA GPUs.

As a loop of XLA every frame costs the start of several kernels, which takes
far longer than what they compute. Here a kernel goes through all frames of
some rows, keeps their state in registers, and reads a frame while it computes
the one before. XLA cannot split a kernel: each of several GPUs gets and
computes all rows of the batch, and keeps those that are its own. Within a
machine that is still faster than the loop, between machines it may not be.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

_WARPS = 4  # 2 take twice as long, 8 no less
_ROWS = 16  # of a kernel; a matrix unit takes no fewer
_WIDTHS = (16, 32, 64)  # larger ones do not leave room for the weights
_GATES = 4
_AMPERE = 8.0  # compute capability; earlier GPUs have no room for a kernel


def fits(kernel: jax.Array) -> bool:
  """Whether an LSTM of this width should be one kernel on the GPUs here."""
  return (
    kernel.shape[0] in _WIDTHS
    and kernel.dtype == jnp.float32
    and jax.process_count() == 1
    and all(map(_runs_triton, jax.local_devices()))
  )


def _runs_triton(device: jax.Device) -> bool:
  """True of what is no NVIDIA GPU, too: it takes the loop anyway."""
  capability = getattr(device, "compute_capability", "")
  return not capability[:1].isdigit() or float(capability) >= _AMPERE


def scan(
  projected: jax.Array,
  mask: jax.Array,
  kernel: jax.Array,
  *,
  interpret: bool = False,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """As `recurrence.scan`; `interpret` runs it on a CPU, for tests."""
  width = kernel.shape[0]
  states, gates, cells = _run(
    _forward,
    (projected,),
    mask,
    kernel,
    (width, _GATES * width, width),
    interpret,
  )
  return states, (gates, cells)


def scan_back(
  d_states: jax.Array,
  trace: tuple[jax.Array, jax.Array],
  mask: jax.Array,
  kernel: jax.Array,
  *,
  interpret: bool = False,
) -> jax.Array:
  """As `recurrence.scan_back`."""
  (d_gates,) = _run(
    _backward,
    (d_states, *trace),
    mask,
    kernel.T,
    (kernel.shape[1],),
    interpret,
  )
  return d_gates


def _run(
  body: Callable[..., None],
  arrays: tuple[jax.Array, ...],
  mask: jax.Array,
  kernel: jax.Array,
  widths: tuple[int, ...],
  interpret: bool,
) -> list[jax.Array]:
  """Arrays float32[A, B, width], one for each of `widths`."""
  frames, rows = mask.shape
  missing = -rows % _ROWS
  whole = rows + missing
  if missing:
    pad = functools.partial(jnp.pad, pad_width=((0, 0), (0, missing), (0, 0)))
    arrays = tuple(pad(array) for array in arrays)
    mask = jnp.pad(mask, ((0, 0), (0, missing)))
  found = pl.pallas_call(
    body,
    grid=(whole // _ROWS,),
    out_shape=[
      jax.ShapeDtypeStruct((frames, whole, width), jnp.float32)
      for width in widths
    ],
    compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=2),
    interpret=interpret,
  )(*arrays, mask.astype(jnp.int32), kernel)
  return [array[:, :rows] for array in found]


def _own_rows() -> pl.Slice:
  return pl.ds(pl.program_id(0) * _ROWS, _ROWS)


def _parts(width: int) -> list[pl.Slice]:
  """Where each gate stands among the four."""
  return [pl.ds(number * width, width) for number in range(_GATES)]


def _forward(projected, mask, kernel, states, gates, cells) -> None:
  frames, width = projected.shape[0], kernel.shape[0]
  rows, parts = _own_rows(), _parts(width)
  weights = [kernel[:, part] for part in parts]

  def read(frame):
    return mask[frame, rows], [projected[frame, rows, part] for part in parts]

  def step(frame, carry):
    hidden, cell, (valid, read_before) = carry
    following = read(jnp.minimum(frame + 1, frames - 1))
    i, f, g, o = (
      value + jnp.dot(hidden, weight)
      for value, weight in zip(read_before, weights, strict=True)
    )
    i, f, g, o = _sigmoid(i), _sigmoid(f), _tanh(g), _sigmoid(o)
    valid = (valid > 0)[:, None]
    cell = jnp.where(valid, f * cell + i * g, cell)
    hidden = jnp.where(valid, o * _tanh(cell), hidden)
    for part, value in zip(parts, (i, f, g, o), strict=True):
      gates[frame, rows, part] = value
    cells[frame, rows, :] = cell
    states[frame, rows, :] = hidden
    return hidden, cell, following

  zeros = jnp.zeros((_ROWS, width), jnp.float32)
  jax.lax.fori_loop(0, frames, step, (zeros, zeros, read(0)))


def _backward(d_states, gates, cells, mask, transposed, d_gates) -> None:
  frames, width = d_states.shape[0], transposed.shape[1]
  rows, parts = _own_rows(), _parts(width)
  weights = [transposed[part, :] for part in parts]

  def read(frame):
    return (
      mask[frame, rows],
      [gates[frame, rows, part] for part in parts],
      cells[frame, rows, :],
      d_states[frame, rows, :],
    )

  def step(number, carry):
    frame = frames - 1 - number
    d_hidden, d_cell, (valid, (i, f, g, o), cell, d_state) = carry
    following = read(jnp.maximum(frame - 1, 0))
    bent = _tanh(cell)
    before = jnp.where(frame > 0, following[2], 0.0)
    valid = (valid > 0)[:, None]
    d_hidden = d_hidden + d_state
    d_out = jnp.where(valid, d_hidden, 0.0)
    d_new = jnp.where(valid, d_cell, 0.0) + d_out * o * (1 - bent * bent)
    own = (
      d_new * g * i * (1 - i),
      d_new * before * f * (1 - f),
      d_new * i * (1 - g * g),
      d_out * bent * o * (1 - o),
    )
    d_hidden = jnp.where(valid, 0.0, d_hidden)
    for part, weight, value in zip(parts, weights, own, strict=True):
      d_gates[frame, rows, part] = value
      d_hidden = d_hidden + jnp.dot(value, weight)
    return d_hidden, jnp.where(valid, 0.0, d_cell) + d_new * f, following

  zeros = jnp.zeros((_ROWS, width), jnp.float32)
  jax.lax.fori_loop(0, frames, step, (zeros, zeros, read(frames - 1)))


def _sigmoid(x: jax.Array) -> jax.Array:
  return 1 / (1 + jnp.exp(-x))


def _tanh(x: jax.Array) -> jax.Array:
  """Of float32, to 1e-7 (near 0 too, where it is a difference)."""
  return 2 * _sigmoid(2 * x) - 1
