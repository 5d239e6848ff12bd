"""Predictions a second of a Predictor, from features in memory.

python tests/benchmarks/predictor_speed.py --workdir DIR [--clips 2000]
    [--batch_size 96] [--devices 1] [--repeats 3]
"""

import argparse
import statistics
import time

import jax
import numpy as np

from unimse_jax.prediction import Clip, Predictor


def make_clips(count: int, predictor: Predictor) -> list[Clip]:
  """Clips of two to fifteen words with full voice and face."""
  pipeline = predictor.pipeline
  data, transform = pipeline.config.data, pipeline.collator.transform
  limits = {"audio": data.audio_frames, "video": data.video_frames}
  rng = np.random.default_rng(0)
  return [
    Clip(
      text="what a day " * rng.integers(1, 6),
      **{
        name: rng.standard_normal((limits[name], len(mean))).astype(np.float16)
        for name, mean in transform.mean.items()
      },
    )
    for _ in range(count)
  ]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--workdir", required=True)
  parser.add_argument("--clips", type=int, default=2000)
  parser.add_argument("--batch_size", type=int)
  parser.add_argument("--devices", type=int, default=0)
  parser.add_argument("--repeats", type=int, default=3)
  options = parser.parse_args()
  predictor = Predictor.from_workdir(
    options.workdir, options.batch_size, options.devices
  )
  clips = make_clips(options.clips, predictor)
  predictor.predict(clips)  # compiles every shape that comes up
  rates = []
  for _ in range(options.repeats):
    start = time.perf_counter()
    predictor.predict(clips)
    rates.append(len(clips) / (time.perf_counter() - start))
  spread = max(rates) - min(rates)
  print(
    f"{statistics.median(rates):.0f} predictions/s (median of "
    f"{options.repeats}, spread {spread:.0f}; {options.clips} clips, "
    f"{jax.devices()[0].device_kind})"
  )


if __name__ == "__main__":
  main()
