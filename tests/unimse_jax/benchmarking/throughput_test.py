"""The benchmark on a tiny model, and what it needs to be installed."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import scratch
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import throughput, throughput_table
from unimse_jax.benchmarking import workload as workload_lib
from unimse_jax.benchmarking.flops import Lengths, train_flops
from unimse_jax.benchmarking.throughput import Timed
from unimse_jax.data.batching import BatchPlan
from unimse_jax.data.tokenizer import EOS
from unimse_jax.errors import InputError
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.batch_order import BatchOrder

SMALL = {
  "text": {"max_tokens": 300},
  "tokenizer": {"vocab_size": 64},
  "data": {"buckets": (192, 300), "audio_frames": 3, "video_frames": 2},
  "t5": {"width": 8, "head_width": 4, "hidden": 8, "heads": 2}
  | {"encoder_layers": 1, "decoder_layers": 1},
  "model": {"pmf_layers": 1, "modality_width": 4, "adapter_width": 4},
  "train": {"batch_size": 8},
  "decoding": {"max_new_tokens": 6, "batch_size": 5},
  "parallel": {"devices": 1},
}


def tiny(**sections):
  values = scratch.get_config().to_dict()
  for changes in (SMALL, sections):
    for section, fields in changes.items():
      values[section].update(fields)
  return config_lib.validate(values)


@pytest.fixture(scope="module")
def measured():
  """A report, the decoded tokens, and the first train state."""
  seen = {}
  time_runs, train = throughput.time_runs, throughput._time_training

  def spy_runs(function, *arguments):
    seen["last"] = function()
    return time_runs(function, *arguments)

  def spy_training(*args):
    seen["state"] = args[3]
    return train(*args)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(throughput, "time_runs", spy_runs)
    patch.setattr(throughput, "_time_training", spy_training)
    report = throughput.measure(tiny(), steps=4, warmup=1)
  return report, seen["last"], seen["state"]


@pytest.fixture(scope="module")
def report(measured):
  return measured[0]


def test_the_report_is_json_and_adds_up(report):
  report = json.loads(json.dumps(report))
  assert report["device"]["count"] == 1
  buckets, overall = report["train"]["buckets"], report["train"]["overall"]
  # Most batches, the fullest, and those of the longest texts.
  assert [(row["shape"], row["steps_per_epoch"]) for row in buckets] == [
    *(("2 x 240", 3389), ("3 x 240", 713), ("4 x 508", 3))
  ]
  for row in buckets:
    times = row["step_seconds"]
    assert 0 < times["min"] <= times["p10"] <= times["median"] <= times["p90"]
    assert row["compile_seconds"] > 0 and row["planned_bytes"] > 0
    assert row["epoch_seconds"] == pytest.approx(
      row["steps_per_epoch"] * times["median"]
    )
    assert 0 < row["padding"] < 1
  for name in ("steps_per_epoch", "epoch_seconds"):
    assert overall[name] == pytest.approx(sum(row[name] for row in buckets))
  # Every utterance of the four train sets once.
  examples = overall["examples_per_second"] * overall["epoch_seconds"]
  assert examples == pytest.approx(1284 + 16326 + 9989 + 5237)
  assert overall["step_seconds"] == pytest.approx(
    overall["epoch_seconds"] / overall["steps_per_epoch"]
  )
  assert report["decoding"]["tokens"] == 7
  for name in throughput.WAYS:
    row = report["decoding"][name]
    rate = pytest.approx(5 / row["seconds"]["median"])
    assert row["examples_per_second"] == rate
    assert row["tokens_per_second"] / 7 == rate
  assert report["decoding"]["beam"]["beams"] == 4


def test_the_report_can_be_read(report):
  text = throughput_table.format_report(report)
  assert "scratch on 1 x cpu" in text
  for row in report["train"]["buckets"]:
    assert text.count(f"\n  {row['shape']} ") == 1
  assert max(map(len, text.splitlines())) < 160


def test_rates_are_those_of_real_tokens():
  config = tiny()
  model = workload_lib.synthetic_model(config)
  mesh = config_mesh(config)
  lengths = np.array([10, 20, 40])
  workload = workload_lib.Workload(
    [BatchPlan((0, 1), 24, (2, 30)), BatchPlan((2,), 48)],
    lengths,
    BatchOrder(lengths, ["a"] * 3, config, mesh),
  )
  timed = {
    (24, (2, 30)): Timed((1.0, 2.0, 9.0), 0.0, 0),
    (48, None): Timed((6.0,), 0.0, 0),
  }
  rates = throughput._rates(config, model, mesh, workload, timed)
  assert rates["epoch_seconds"] == 2 + 6  # medians
  assert rates["examples_per_second"] == 3 / 8
  # Labels: 8 to 12 tokens cut at 7 places.
  assert rates["tokens_per_second"] == (10 + 20 + 40 + 3 * 7) / 8
  # Two packed rows of 30; and eight texts in a row of 48 each.
  places = 2 * 30 + 8 * 7 + 8 * (48 + 7)
  assert rates["padding"] == pytest.approx(1 - (70 + 21) / places)
  flops = train_flops(
    model.config,
    Lengths(
      text=workload.lengths,
      label=7,
      frames={"audio": 3, "video": 2},
      batch=8,
    ),
    {"audio": 64, "video": 64},
  )
  assert rates["flops_per_second"] == pytest.approx(flops.sum() / 8)
  assert rates["share_of_peak"] is None  # a CPU


def test_decoding_is_timed_at_its_worst_case(measured):
  """No row may end early: the end of sequence cannot win."""
  tokens = np.asarray(measured[1])
  assert tokens.shape == (5, 7)
  assert not (tokens == EOS).any()


def test_the_old_state_is_donated(measured):
  assert all(leaf.is_deleted() for leaf in jax.tree.leaves(measured[2].params))


def test_a_batch_that_the_devices_cannot_share_is_refused():
  config = tiny(parallel={"devices": 3})
  with pytest.raises(InputError, match="multiple of 3 .* found 8"):
    throughput.measure(config)


def test_eight_devices_are_measured_together():
  config = tiny(
    parallel={"devices": 8, "fsdp": 2, "model": 2},
    text={"max_tokens": 48},
    data={"buckets": (48,), "modalities": ()},
  )
  report = throughput.measure(config, steps=1, warmup=0)
  assert report["device"]["count"] == 8
  assert report["decoding"]["batch_size"] == 8  # 5, rounded up to share


def test_a_bare_machine_is_enough():
  """Only jax, flax, optax, numpy, ml_collections and what they need."""
  program = """
import sys

NEEDED = {
  "jax", "jaxlib", "flax", "optax", "numpy", "ml_collections",
  "absl", "yaml", "msgpack", "rich", "markdown_it", "mdurl", "pygments",
  "typing_extensions", "ml_dtypes", "opt_einsum", "scipy",
  "unimse_jax", "configs",
}


class Hiding:
  '''A finder that finds nothing else than the needed packages.'''

  def __init__(self, finder):
    self._finder = finder

  def find_spec(self, name, path=None, target=None):
    top = name.partition(".")[0]
    if not (top in NEEDED or top.startswith("_")
            or top in sys.stdlib_module_names):
      return None
    return self._finder.find_spec(name, path, target)


sys.meta_path = [
  Hiding(each) if getattr(each, "__name__", "") == "PathFinder" else each
  for each in sys.meta_path
]
import unimse_jax.benchmark
import unimse_jax.models
from unimse_jax.benchmarking import prediction_speed
from unimse_jax.benchmarking import throughput_table
from unimse_jax.benchmarking import ahead_of_time, throughput

for name in ("tensorflow", "orbax", "sentencepiece", "tqdm", "transformers"):
  try:
    __import__(name)
  except ModuleNotFoundError:
    continue
  raise AssertionError(f"{name} was not hidden")
print("imported")
"""
  done = subprocess.run(
    [sys.executable, "-c", program],
    capture_output=True,
    text=True,
    env={"PATH": "", "JAX_PLATFORMS": "cpu"},
    cwd=pathlib.Path(__file__).parents[3],
  )
  assert done.stdout == "imported\n", done.stderr
