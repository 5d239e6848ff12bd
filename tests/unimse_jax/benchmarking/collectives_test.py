"""What is sent, read from the text of compiled programs."""

import jax
import jax.numpy as jnp

from unimse_jax.benchmarking.collectives import Traffic, count_traffic
from unimse_jax.parallel import sharding
from unimse_jax.parallel.mesh import make_mesh

# In the form that XLA prints for a TPU, with layouts and tiles.
_TEXT = """
%all-reduce-scatter.5 (input: f32[8,8]) -> f32[4,8] {
  %inside = f32[8,8]{1,0:T(8,128)} all-reduce(%input), replica_groups=[4,2]<=[8], to_apply=%add
}

ENTRY %main (x: f32[8,4]) -> f32[8] {
  %sum = f32[8,4]{1,0:T(8,128)} all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
  %start = bf16[16]{0:T(128)(2,1)S(1)} all-reduce-start(%y), replica_groups=[1,8]<=[8], to_apply=%add
  %done = bf16[16]{0:T(128)(2,1)S(1)} all-reduce-done(%start)
  %gather = (bf16[4]{0}, bf16[32]{0}) all-gather-start(%z), replica_groups=[1,8]<=[8], dimensions={0}
  %scatter = f32[2]{0} reduce-scatter(%w), replica_groups={{0,1},{2,3},{4,5},{6,7}}, dimensions={0}
  %pass = (f32[4]{0:S(1)}, f32[4]{0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%q), source_target_pairs={{0,1}}
  %swap = (s32[2,3]{1,0}, pred[24]{0}) all-to-all(%a, %b), replica_groups={}
  %axis = bf16[8]{0} all-gather(%v), replica_groups=mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'a','b':(2)2}, dimensions={0}
  %f = f32[8]{0} fusion(%all-gather.2), kind=kLoop, calls=%all-reduce.3
"""  # noqa: E501


def test_each_kind_is_counted_with_what_a_ring_makes_a_device_send():
  assert count_traffic(_TEXT, devices=8) == {
    # 7/8 of 64 bytes, and 3/4 of 16 in groups of 2 x 2.
    "all-gather": Traffic(2, 68.0),
    # Twice 3/4 of 128 bytes and twice 7/8 of 32.
    "all-reduce": Traffic(2, 248.0),
    # 24 + 24 bytes, 7/8 of them to others.
    "all-to-all": Traffic(1, 42.0),
    "collective-permute": Traffic(1, 16.0),
    # 8 and 128 bytes for the one other device of the pair.
    "reduce-scatter": Traffic(2, 136.0),
  }


def test_an_operation_that_runs_beside_others_counts_once():
  line = (
    "  %a = f32[8]{0} all-reduce(%x), channel_id=3, replica_groups=[1,8]<=[8]"
  )
  other = line.replace("channel_id=3", "channel_id=13")
  text = "\n".join([line, line.replace("%a", "%b"), other])
  assert count_traffic(text, devices=8) == {"all-reduce": Traffic(2, 112.0)}


def test_a_program_on_one_device_sends_nothing():
  text = jax.jit(jnp.sin).lower(jnp.zeros(4)).compile().as_text()
  assert count_traffic(text, devices=1) == {}


def test_a_gradient_is_summed_over_eight_devices():
  mesh = make_mesh()
  weights = jax.ShapeDtypeStruct(
    (16, 4), jnp.float32, sharding=sharding.replicated(mesh)
  )
  rows = jax.ShapeDtypeStruct(
    (24, 16), jnp.float32, sharding=sharding.batch_sharding(mesh)
  )
  gradient = jax.jit(jax.grad(lambda w, x: jnp.sum(jnp.tanh(x @ w))))
  text = gradient.lower(weights, rows).compile().as_text()
  # 16 x 4 numbers of 4 bytes, twice 7/8 of them.
  expected = {"all-reduce": Traffic(1, 448.0)}
  assert count_traffic(text, devices=8) == expected
