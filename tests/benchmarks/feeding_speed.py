"""How fast records become batches on the device: clips a second of one core.

Writes a corpus of noise with the exporter's builder (voices as long as MELD's,
32 frames of 1,280 numbers a face), reads it with the trainer's own reader and
makes batches of 96 as configs/base.py asks for, cold files in the page cache.

  taskset -c 0 python tests/benchmarks/feeding_speed.py [--clips 384]
      [--batches 16] [--threads 2]
"""

import argparse
import pathlib
import sys
import tempfile
import time
import types

# Run as a script, which finds the folder of the script alone.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import jax
import numpy as np

from configs import base
from feature_export.corpora.utterance import Corpus, Utterance
from feature_export.features.extracted import Extraction, Features
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.records import tensorflow_start
from feature_export.records.schema import build_metadata, build_record
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic
from unimse_jax.config import Config
from unimse_jax.data.batching import (
  Batcher,
  BatchPlan,
  Collator,
  Encoded,
  prefetch,
)
from unimse_jax.data.features import fit
from unimse_jax.data.records import CorpusRecords

_NAME = "noise"
_SIZE = 96


def write(folder: pathlib.Path, clips: int, config: Config) -> None:
  """A corpus of one split."""
  tensorflow_start.prepare()
  from feature_export.records import builder

  settings = ExtractionSettings(
    AudioSettings(),
    VideoSettings("none", "0" * 64, dimension=synthetic.VIDEO_WIDTH),
  )
  utterances = tuple(
    Utterance(f"train{number}", "train", f"text {number}", intensity=1.0)
    for number in range(clips)
  )
  corpus = Corpus(_NAME, utterances, None)
  voices = synthetic.voice_frames(config, clips)

  by_id = {each.id: each for each in utterances}
  frames_of = dict(zip(by_id, voices, strict=True))
  rng = np.random.default_rng(0)

  def records_of(chosen):
    for each in map(by_id.get, chosen):
      audio = rng.standard_normal((frames_of[each.id], synthetic.AUDIO_WIDTH))
      video = rng.standard_normal((32, synthetic.VIDEO_WIDTH))
      extraction = Extraction(
        Features(audio.astype(np.float16)), Features(video.astype(np.float16))
      )
      yield build_record(each, extraction, corpus)

  metadata = build_metadata(corpus, settings)
  ids = {"train": list(by_id)}
  builder.write_draft(_NAME, metadata, ids, records_of, folder)


def make_batcher(folder: pathlib.Path, config: Config) -> Batcher:
  records = CorpusRecords(str(folder), _NAME)
  texts = records.texts["train"]
  lengths = synthetic.text_lengths(config.text)[: len(texts)].tolist()
  encoded = [
    Encoded([5] * length, [0] * length, [5] * 10, [1.0] * 10)
    for length in lengths
  ]

  def frames(split: str, record) -> dict[str, np.ndarray]:
    return records.frames(split, record.number)

  transform = fit(
    (frames("train", each) for each in texts[:100]),
    {"audio": synthetic.AUDIO_WIDTH, "video": synthetic.VIDEO_WIDTH},
    config.data.video_components,
  )
  mixture = types.SimpleNamespace(frames=frames, examples={"train": texts})
  collator = Collator(transform, config.data, config.augment, 12)
  return Batcher(mixture, "train", encoded, collator)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--clips", type=int, default=384)
  parser.add_argument("--batches", type=int, default=16)
  parser.add_argument("--threads", type=int, default=2)
  options = parser.parse_args()
  config = config_lib.validate(base.get_config().to_dict())
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    write(folder, options.clips, config)
    batcher = make_batcher(folder, config)

    def make(number: int):
      rows = np.random.default_rng(number).permutation(options.clips)[:_SIZE]
      plan = BatchPlan(tuple(rows.tolist()), config.data.buckets[-1])
      return batcher.batch(plan, _SIZE, range(_SIZE), (0, number))

    def place(batch) -> None:
      jax.block_until_ready(jax.device_put(batch))

    place(make(0))
    examples = batcher.mixture.examples["train"]
    cpu = time.process_time()
    for number in range(_SIZE):
      batcher.mixture.frames("train", examples[number])
    read = time.process_time() - cpu
    start, cpu = time.perf_counter(), time.process_time()
    for batch in prefetch(make, range(options.batches), options.threads):
      place(batch)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
  clips = options.batches * _SIZE
  print(
    f"{options.threads} thread(s), {options.batches} batches of {_SIZE}: "
    f"{clips / cpu:.0f} clips a CPU second ({1e3 * cpu / clips:.2f} ms each, "
    f"{1e3 * read / _SIZE:.2f} of them reading and parsing), "
    f"{clips / wall:.0f} clips/s"
  )


if __name__ == "__main__":
  main()
