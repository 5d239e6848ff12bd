"""Malformed outputs of a randomly initialised model, free and constrained.

  python tests/benchmarks/malformed_rate.py --vocabulary DIR [--outputs 10000]
    [--config demo]

Prints how many outputs are malformed with and without the grammar, how many
differ, and how far class probabilities are from a sum of one.
"""

import argparse
import dataclasses
import importlib
import pathlib
import sys

import jax
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from unimse_jax import config as config_lib  # noqa: E402
from unimse_jax.data import synthetic, tokenizer  # noqa: E402
from unimse_jax.data.batching import Collator  # noqa: E402
from unimse_jax.labels import (  # noqa: E402
  EmotionScheme,
  LabelSchema,
  LabelText,
)
from unimse_jax.parallel.mesh import make_mesh  # noqa: E402
from unimse_jax.pipeline import Pipeline  # noqa: E402
from unimse_jax.prediction.labeller import Labeller  # noqa: E402
from unimse_jax.training.workload import (  # noqa: E402
  init_params,
  synthetic_model,
)

_MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
_IEMOCAP = ("joy", "sadness", "neutral", "anger", "excited", "frustrated")


def make_labeller(name: str, vocabulary: str) -> tuple[Labeller, Pipeline]:
  config = importlib.import_module(f"configs.{name}").get_config()
  config.tokenizer.path = vocabulary
  typed = config_lib.validate(config.to_dict())
  schemes = tuple(
    EmotionScheme(scheme, dict.fromkeys(classes, ""))
    for scheme, classes in (("meld", _MELD), ("iemocap", _IEMOCAP))
  )
  pipeline = Pipeline(
    config=typed,
    tokenizer=tokenizer.Tokenizer(tokenizer.find(vocabulary)),
    label_text=LabelText(
      LabelSchema(True, schemes), typed.label.separator, typed.label.decimals
    ),
    collator=Collator(None, typed.data, 1),
    model=synthetic_model(typed),
    data_sha256="",
  )
  return Labeller(pipeline, make_mesh(devices=1)), pipeline


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--vocabulary", required=True)
  parser.add_argument("--outputs", type=int, default=10000)
  parser.add_argument("--scored", type=int, default=96)
  parser.add_argument("--config", default="demo")
  flags = parser.parse_args()
  labeller, pipeline = make_labeller(flags.config, flags.vocabulary)
  config, size = pipeline.config, labeller.batch_size
  length = config.data.buckets[-1]
  params = init_params(config, pipeline.model, jax.random.key(config.seed))
  labelled, mass = [], []
  for number in range(-(-flags.outputs // size)):
    rows = min(size, flags.outputs - number * size)
    batch = synthetic.make_batch(
      config, np.full(rows, length), size, length, seed=number
    )
    scored = len(mass) < flags.scored
    found = labeller.label(params, batch, rows, with_probabilities=scored)
    labelled += found
    if scored:
      mass += [
        sum(each.values())
        for row in found
        for each in row.probabilities.values()
      ]
  free = sum(each.free.malformed for each in labelled)
  legal = sum(each.parsed.malformed for each in labelled)
  outputs = len({each.output for each in labelled})
  print(f"{flags.config}: {dataclasses.asdict(config.decoding)}")
  print(f"outputs {len(labelled)}, distinct constrained outputs {outputs}")
  print(f"malformed free-running {free} ({100 * free / len(labelled):.2f} %)")
  print(f"malformed constrained  {legal}")
  worst = max(abs(total - 1) for total in mass)
  print(f"{len(mass)} class distributions: |sum - 1| at most {worst:.1e}")
  return 0


if __name__ == "__main__":
  sys.exit(main())
