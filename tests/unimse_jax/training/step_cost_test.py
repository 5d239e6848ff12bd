"""What a training costs, in figures that do not depend on the machine.

Who changes them for the better puts the new figures here; who doubles one will
be told.
"""

import collections

import jax
import pytest

from configs import base, demo
from unimse_jax.benchmarking import programs
from unimse_jax.config import validate

# Of each stack, for layers are alike.
_LAYERS = {
  "t5": {"encoder_layers": 1, "decoder_layers": 1},
  "model": {"pmf_layers": 1},
}


def lowered_step(config_file):
  values = config_file.get_config()
  values.update(_LAYERS)
  config = validate(values.to_dict())
  program = programs.usual_step(config, jax.devices()[:1])
  return program, program.function.lower(*program.arguments)


def test_operations_and_shapes_of_the_default_step():
  program, lowered = lowered_step(base)
  _, batch, _ = program.arguments
  assert {name: array.shape for name, array in batch.items()} == {
    "encoder_input_tokens": (96, 160),
    "encoder_mask": (96, 160),
    "segment_ids": (96, 160),
    "packed_places": (1, 28, 208),
    "unpacked_places": (1, 96, 160),
    "decoder_input_tokens": (96, 12),
    "decoder_target_tokens": (96, 12),
    "loss_weights": (96, 12),
    "audio": (96, 157, 64),
    "audio_mask": (96, 157),
    "video": (96, 32, 64),
    "video_mask": (96, 32),
  }
  # Before XLA's own passes.
  flops = lowered.cost_analysis()["flops"]
  assert flops == pytest.approx(577.9e9, rel=0.05)


def test_operations_and_memory_of_a_small_step():
  """Compiled: what XLA fuses is not read and written in between.

  The bounds leave room for another version of XLA.
  """
  _, lowered = lowered_step(demo)
  compiled = lowered.compile()
  cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
  assert cost["flops"] == pytest.approx(2.329e9, rel=0.1)
  assert cost["bytes accessed"] == pytest.approx(305e6, rel=0.25)
  assert memory.temp_size_in_bytes == pytest.approx(29.6e6, rel=0.25)
  # Parameters and two moments of 0.6 M numbers, and the batch.
  assert memory.argument_size_in_bytes == 8_796_872
  assert memory.alias_size_in_bytes > 0.8 * memory.argument_size_in_bytes


def test_a_training_compiles_each_of_its_functions_once(straight, compilations):
  del straight  # 8 steps in 2 epochs, 2 evaluations, 3 saves
  counts = collections.Counter(compilations)
  for name in ("train_step", "_decode", "make"):
    assert counts[f"jit({name})"] == 1, counts
  # With what makes the keys, the state and the first parameters.
  assert counts.total() <= 7, counts
