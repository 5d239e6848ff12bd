"""Times training and decoding on synthetic batches; needs no files.

python -m unimse_jax.benchmark --config configs/base.py [--steps 20]
    [--warmup 3] [--output FILE.json] [--config.train.batch_size=8 ...]
python -m unimse_jax.benchmark --config tests/peers/t5_small.py --peer torch
    [--part lstm]
python -m unimse_jax.benchmark --config tests/peers/t5_small.py --peer generate
python -m unimse_jax.benchmark --config configs/base.py --goals
    [--only training --only scaling] [--output FILE.json]
"""

import json
import pathlib
from typing import Any

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line, program_cache
from unimse_jax.benchmarking import goals
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.parallel import launch

_CONFIG = command_line.define_config()
_STEPS = flags.DEFINE_integer(
  "steps", 20, "Timed steps of each padded length.", lower_bound=1
)
_WARMUP = flags.DEFINE_integer(
  "warmup", 3, "Steps before those.", lower_bound=0
)
_OUTPUT = flags.DEFINE_string(
  "output",
  None,
  "Where to write the figures; --goals goes on with what the file holds.",
)
_PEER = flags.DEFINE_enum(
  "peer",
  None,
  ["torch", "torch_compile", "torch_float32", "generate"],
  "Times training alone, beside the same model in torch on transformers' T5, "
  "eager, compiled, or eager in float32 whatever the config's type, taking "
  "turns; generate: greedy decoding, beside transformers' generate.",
)
_PART = flags.DEFINE_enum(
  "part",
  "train",
  ["train", "lstm"],
  "What is timed beside a peer: the training step, or its LSTMs.",
)
_GOALS = flags.DEFINE_bool(
  "goals",
  False,
  "Measures the goals for an accelerator one after another, each in a process "
  "of its own, and prints them as a table in Markdown.",
)
_ONLY = flags.DEFINE_multi_enum(
  "only", goals.TASKS, goals.TASKS, "Which of the goals to measure."
)


def main() -> int:
  config = command_line.read_config(_CONFIG)
  output = user_path(_OUTPUT.value) if _OUTPUT.value else None
  if output and (output.is_dir() or not output.parent.is_dir()):
    # Told before minutes of measuring, not after.
    raise InputError(
      f"--output: expected a file in a directory that exists, found {output}."
    )
  if _GOALS.value:
    return _measure_goals(config, output)
  launch.join()
  report, text = _measure_beside(config) if _PEER.value else _measure(config)
  from unimse_jax.parallel import multihost

  if multihost.is_first():
    print(text)
    if output:
      write_atomically(output, json.dumps(report, indent=2).encode())
  return 0


def _measure_goals(config: Config, output: pathlib.Path | None) -> int:
  """Status 1 where a goal could not be measured."""
  program_cache.enable()  # compiling is not what is timed
  found = goals.measure(
    config, _ONLY.value, _STEPS.value, _WARMUP.value, output
  )
  print(goals.format_found(found))
  return 1 if found.faults else 0


def _measure(config: Config) -> tuple[dict[str, Any], str]:
  """Figures of ours alone, and as text."""
  from unimse_jax.benchmarking import (
    prediction_speed,
    throughput,
    throughput_table,
  )

  report = throughput.measure(config, _STEPS.value, _WARMUP.value)
  report["prediction"] = _measure_prediction(config)
  size = report["decoding"]["batch_size"]
  tables = throughput_table.format_report(report)
  return report, "\n".join(
    [tables, prediction_speed.format_report(report["prediction"], size)]
  )


def _measure_beside(config: Config) -> tuple[dict[str, Any], str]:
  """Figures of ours and of a peer, and as text."""
  from unimse_jax.benchmarking import peers

  if _PEER.value == "generate":
    report = peers.measure_decoding(config, _STEPS.value)
    return report, peers.format_decoding(report)
  report = peers.measure(config, _PEER.value, _PART.value, _STEPS.value)
  return report, peers.format_report(report)


def _measure_prediction(config: Config) -> dict[str, dict[str, float]]:
  """Whole predictions, with random weights."""
  from unimse_jax.benchmarking import prediction_speed, workload
  from unimse_jax.pipeline.mesh import config_mesh

  mesh = config_mesh(config)
  model = workload.synthetic_model(config)
  params = workload.random_params(config, model, mesh)
  return prediction_speed.measure(
    config, model, params, mesh, _STEPS.value, _WARMUP.value
  )


if __name__ == "__main__":
  command_line.run(main, keep_programs=False)
