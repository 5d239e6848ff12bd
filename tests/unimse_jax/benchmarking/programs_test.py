"""What is compiled is what a training runs."""

import collections
import re

import jax
import pytest

from configs import base, demo
from unimse_jax.benchmarking import programs, synthetic
from unimse_jax.config import validate
from unimse_jax.errors import InputError
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.batch_order import BatchOrder


def small(config_file, **sections):
  values = config_file.get_config()
  t5 = {"width": 16, "head_width": 8, "heads": 2, "hidden": 16}
  t5 |= {"encoder_layers": 1, "decoder_layers": 1}
  for changes in ({"t5": t5, "model": {"pmf_layers": 1}}, sections):
    values.update(changes)
  return validate(values.to_dict())


def shapes_of_training(config, devices) -> collections.Counter:
  """(rows of the encoder, their length, S) of the batches that a run plans."""
  order = BatchOrder(
    synthetic.text_lengths(config.text, config.seed),
    synthetic.row_corpora(),
    config,
    config_mesh(config, devices),
  )
  return collections.Counter(
    (*order.shape(plan), plan.length) for plan in order.epoch(0)
  )


def shape_of(program) -> tuple[int, int, int]:
  _, batch, _ = program.arguments
  groups, rows, length = batch["packed_places"].shape
  return groups * rows, length, batch["encoder_input_tokens"].shape[1]


@pytest.mark.parametrize("count", [1, 8])
def test_both_shapes_of_the_train_step_are_those_of_a_training(count):
  config, devices = small(base), jax.devices()[:count]
  usual = programs.usual_step(config, devices)
  longest = programs.longest_step(config, devices)
  shapes = shapes_of_training(config, devices)
  assert len(shapes) == 2
  assert [shape for shape, _ in shapes.most_common()] == [
    shape_of(usual),
    shape_of(longest),
  ]
  assert shape_of(longest)[2] == 512
  often = shapes.most_common(1)[0][1]
  rows, length, _ = shape_of(usual)
  assert usual.name == (
    f"train step, 96 texts in {rows} x {length} tokens, {often} of "
    f"{shapes.total()} batches"
  )


def test_a_config_of_short_texts_has_one_shape():
  config = small(demo)
  usual = programs.usual_step(config, jax.devices()[:1])
  assert usual.name == programs.longest_step(config, jax.devices()[:1]).name
  # 67 % of the rows that one text a row would take.
  assert shape_of(usual) == (21, 32, 32)


def test_texts_are_not_packed_where_a_training_would_not():
  config = small(demo, model={"contrastive_pooling": "include_padding"})
  program = programs.usual_step(config, jax.devices()[:1])
  assert "packed_places" not in program.arguments[1]
  assert "32 texts in 32 x 32 tokens" in program.name


def test_microbatches_are_packed_each_by_itself():
  config = small(demo, train={"microbatches": 2})
  program = programs.usual_step(config, jax.devices()[:1])
  assert program.name.endswith("batches, in 2 parts")
  assert program.arguments[1]["packed_places"].shape[0] == 2


def test_arguments_on_a_device_are_its_part_of_them():
  config = small(demo, parallel={"fsdp": 2})
  one = programs.usual_step(small(demo), jax.devices()[:1])
  two = programs.usual_step(config, jax.devices()[:2])

  def size(tree) -> int:
    return sum(
      leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)
    )

  assert one.argument_bytes() == size(one.arguments)
  table = one.arguments[0].params["t5"]["shared"]["embedding"]
  assert size(two.arguments) > two.argument_bytes()
  # Half of the largest array, and of its two moments, is elsewhere.
  assert one.argument_bytes() - two.argument_bytes() > 3 * size(table) / 2


def test_a_batch_that_cannot_be_shared_is_refused():
  with pytest.raises(InputError, match="multiple of 8"):
    programs.usual_step(small(demo, train={"batch_size": 12}), jax.devices())


def test_decoding_has_one_text_a_row():
  batch = programs.decoding(small(demo), jax.devices()).arguments[4]
  assert batch["encoder_input_tokens"].shape == (96, 32)
  assert "packed_places" not in batch
  assert {each.shape[0] for each in batch.values()} == {96}


def test_decoding_reads_parameters_that_fsdp_does_not_split():
  config = small(demo, parallel={"fsdp": 8})
  params = programs.decoding(config, jax.devices()).arguments[3]
  table = params["t5"]["shared"]["embedding"]
  assert table.sharding.shard_shape(table.shape) == table.shape


def test_no_gradient_is_scattered_in_bfloat16_or_into_two_rows():
  """On an H200 the one into two rows took 23 of a step's 48 ms."""
  step = programs.usual_step(small(base), jax.devices()[:1])
  text = step.function.lower(*step.arguments).as_text()
  pattern = r'"stablehlo\.scatter".*?\}\) : \(tensor<(\d+)x[^>]*x(\w+)>'
  found = re.findall(pattern, text, re.DOTALL)
  assert "f32" in {kind for _, kind in found}
  assert "bf16" in text and "bf16" not in {kind for _, kind in found}
  assert min(int(rows) for rows, _ in found) > 2
