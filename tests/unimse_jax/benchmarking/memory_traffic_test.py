"""What a program moves, read from its text."""

import jax
import jax.numpy as jnp

from unimse_jax.benchmarking.memory_traffic import count_moved_bytes

# In the form that XLA prints for a TPU, with layouts and tiles.
_TEXT = """
HloModule jit_step, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%fused (p: f32[64]) -> f32[64] {
  %p = f32[64]{0:T(128)} parameter(0)
  ROOT %inside = f32[64]{0:T(128)} negate(%p)
}

%body (state: (s32[], f32[16])) -> (s32[], f32[16]) {
  %state = (s32[]{:T(128)}, f32[16]{0:T(128)}) parameter(0)
  %part = f32[16]{0:T(128)} get-tuple-element(%state), index=1
  ROOT %twice = f32[16]{0:T(128)} add(%part, %part)
}

ENTRY %main (x: f32[64], y: bf16[64]) -> f32[64] {
  %x = f32[64]{0:T(128)} parameter(0)
  %y = bf16[64]{0:T(256)(2,1)} parameter(1)
  %z = f32[64]{0:T(128)S(1)} fusion(%x, %y), kind=kLoop, calls=%fused
  %w = f32[64]{0:T(128)} fusion(%z), kind=kLoop, calls=%fused
  %copy-start.1 = (bf16[64]{0:T(256)(2,1)S(1)}, bf16[64]{0:T(256)(2,1)}, u32[]{:S(2)}) copy-start(%y)
  %copy-done.1 = bf16[64]{0:T(256)(2,1)S(1)} copy-done(%copy-start.1)
  %slice-start.1 = ((f32[64]{0:T(128)}), f32[4]{0:T(128)S(1)}, s32[]{:T(128)}) slice-start(%x)
  %loop = (s32[], f32[16]{0}) while(%start), condition=%until, body=%body
  ROOT %end = (f32[64]{0:T(128)}, pred[]{:T(128)}) custom-call(%w, /*index=1*/%z), custom_call_target="f(x)"
}
"""  # noqa: E501


def test_what_stays_on_the_chip_is_not_moved():
  moved = {
    "z": 256 + 128,  # x and y; the result stays
    "w": 256,
    "copy": 128,  # y
    "slice": 16,  # the part of x
    "body": 3 * 64,
    "end": 256 + 256 + 1,
  }
  assert count_moved_bytes(_TEXT) == sum(moved.values())


def test_without_memory_on_the_chip_all_is_moved():
  x = jnp.zeros((32, 32))
  text = jax.jit(jnp.matmul).lower(x, x).compile().as_text()
  assert count_moved_bytes(text) == 3 * 4 * 32 * 32
