"""Malformed outputs of randomly initialised models, free and constrained.

  python tests/benchmarks/malformed_rate.py --vocabulary DIR_OR_FILE
    [--outputs 10000] [--config demo] [--batch_size 200] [--beams 1]

The model has the demo's size; how labels are written and decoded is what
--config (demo, base, paper, authors) says, with the grammar on. Every batch has
weights of its own, so that the outputs do not repeat those of a few weights.
Prints how many outputs are malformed with and without the grammar, how many
differ, and how far class probabilities are from a sum of one.
"""

import argparse
import importlib
import pathlib
import sys
import time

import jax
import numpy as np
import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from unimse_jax import config as config_lib  # noqa: E402
from unimse_jax.benchmarking import (  # noqa: E402
  prediction_speed,
  synthetic,
)
from unimse_jax.benchmarking.workload import (  # noqa: E402
  init_params,
  synthetic_model,
)
from unimse_jax.config import Config  # noqa: E402
from unimse_jax.data import tokenizer  # noqa: E402
from unimse_jax.models import UniMSE  # noqa: E402
from unimse_jax.parallel.mesh import make_mesh  # noqa: E402
from unimse_jax.prediction.labeller import Labeller  # noqa: E402
from unimse_jax.prediction.prediction import Prediction  # noqa: E402

# Times the initial weights: the rows of a batch then differ in what they write.
_SCALE = 3.0


def read_config(name: str, vocabulary: str, batch_size: int, beams: int):
  """The labels and the decoding of a config, the demo's model."""
  values = importlib.import_module(f"configs.{name}").get_config()
  demo = importlib.import_module("configs.demo").get_config()
  values.t5, values.model.pmf_layers = demo.t5, demo.model.pmf_layers
  values.text.max_tokens = demo.text.max_tokens
  values.data.buckets = demo.data.buckets
  values.data.audio_frames = demo.data.audio_frames
  values.data.video_frames = demo.data.video_frames
  values.tokenizer.path = vocabulary
  values.decoding.constrained = True
  values.decoding.batch_size, values.decoding.beams = batch_size, beams
  return config_lib.validate(values.to_dict())


def write_labels(
  labeller: Labeller, config: Config, model: UniMSE, outputs: int, scored: int
) -> list[Prediction]:
  """Labels of noise, the first batches with probabilities."""
  size = labeller.batch_size
  length = config.data.buckets[-1]
  make_params = jax.jit(
    lambda key: jax.tree.map(
      lambda leaf: _SCALE * leaf, init_params(config, model, key)
    )
  )
  labelled = []
  for number in tqdm.tqdm(range(-(-outputs // size)), unit="batch"):
    rows = min(size, outputs - len(labelled))
    batch = synthetic.make_batch(
      config, np.full(rows, length), size, length, seed=number
    )
    params = make_params(jax.random.key(number))
    scores = len(labelled) < scored
    labelled += next(labeller.label(params, [(batch, rows)], scores))
  return labelled


def report(labelled: list[Prediction], seconds: float) -> None:
  count = len(labelled)
  free = sum(each.free.malformed for each in labelled)
  legal = sum(each.parsed.malformed for each in labelled)
  distinct = len({each.output for each in labelled})
  shares = [
    sum(chances.values())
    for each in labelled
    for chances in each.probabilities.values()
  ]
  worst = max((abs(total - 1) for total in shares), default=0.0)
  print(f"{count} outputs, {distinct} of them distinct (constrained)")
  print(f"malformed free-running {free} ({100 * free / count:.2f} %)")
  print(f"malformed constrained  {legal}")
  print(f"{len(shares)} class distributions: |sum - 1| at most {worst:.1e}")
  print(f"{count / seconds:.1f} outputs/s, {seconds:.0f} s with compilation")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--vocabulary", required=True)
  parser.add_argument("--outputs", type=int, default=10000)
  parser.add_argument("--scored", type=int, default=200)
  parser.add_argument("--config", default="demo")
  parser.add_argument("--batch_size", type=int, default=200)
  parser.add_argument("--beams", type=int, default=1)
  flags = parser.parse_args()
  config = read_config(
    flags.config, flags.vocabulary, flags.batch_size, flags.beams
  )
  vocabulary = tokenizer.Tokenizer(tokenizer.find(config.tokenizer.path))
  model = synthetic_model(config)
  label_text, _ = prediction_speed.make_labels(config)
  start = time.perf_counter()
  labeller = Labeller(
    model, vocabulary, label_text, config.decoding, make_mesh(devices=1)
  )
  labelled = write_labels(labeller, config, model, flags.outputs, flags.scored)
  label = config.label
  print(
    f"{flags.config}: separator {label.separator!r}, {label.fields} fields, "
    f"{label.numbers} numbers, {config.decoding.max_new_tokens} new tokens, "
    f"{vocabulary.size} pieces, {flags.beams} beam(s)"
  )
  report(labelled, time.perf_counter() - start)


if __name__ == "__main__":
  main()
