"""How well an epoch's batches mix the corpora, and what they pad.

  python tests/benchmarks/batch_mixture.py --spm ../shared/data/t5_vocab \
      --meld ../shared/data/meld --mosi ../shared/data/mosi

MELD's and MOSI's texts are real (MOSI's first 1,284, the size of its train
split, alone as they are published without one). MOSEI's and IEMOCAP's are not
public: lengths of MOSI's texts, stretched to 26.1 and 15 tokens on average,
stand for them; an IEMOCAP row is five of them.
"""

import argparse
import collections
import csv
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from configs import base
from feature_export.corpora import meld
from feature_export.corpora.utterance import with_contexts
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.data import batching, inputs, packing
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.data.utterance import Utterance

_ROWS = {"mosi": 1284, "mosei": 16326, "iemocap": 5237}  # of the train splits
_MEAN = {"mosei": 26.1, "iemocap": 15.0}  # T5 tokens of an utterance
_LONGEST = 454  # MOSEI's longest utterance


def meld_lengths(folder: pathlib.Path, tokenizer: Tokenizer, config: Config):
  """Encoder tokens of MELD's training rows, context included."""
  found = []
  for each in with_contexts(meld.load(folder).utterances):
    if each.split == "train":
      utterance = Utterance(
        text=each.text,
        speaker=each.speaker,
        before=each.before,
        after=each.after,
        before_speakers=each.before_speakers,
        after_speakers=each.after_speakers,
        corpus="meld",
      )
      found.append(len(inputs.encode(utterance, tokenizer, config.text)[0]))
  return found


def load_lengths(arguments, config: Config) -> tuple[np.ndarray, list[str]]:
  """Tokens and corpus of every training row of the four corpora."""
  tokenizer = Tokenizer(pathlib.Path(arguments.spm) / "spiece.model")
  with open(pathlib.Path(arguments.mosi) / "transcripts.csv") as file:
    own = [len(tokenizer.encode(row[1].lower())) for row in csv.reader(file)]
  own, rng = np.array(own), np.random.default_rng(0)
  around = len(tokenizer.encode(config.text.prefix)) + 1  # and </s>
  scale = {name: mean / own.mean() for name, mean in _MEAN.items()}
  mosei = rng.choice(own, _ROWS["mosei"]) * scale["mosei"]
  turns = rng.choice(own, (_ROWS["iemocap"], 5)) * scale["iemocap"]
  lengths = {
    "mosi": own[: _ROWS["mosi"]] + around,
    "mosei": np.clip(np.rint(mosei), 1, _LONGEST) + around,
    "meld": meld_lengths(pathlib.Path(arguments.meld), tokenizer, config),
    "iemocap": np.rint(turns.sum(1)) + 4 + around,  # four separators
  }
  names = [name for name, each in lengths.items() for _ in each]
  return np.concatenate(list(lengths.values())).astype(int), names


def report(
  lengths: np.ndarray, names: list[str], plans, size: int, devices: int
) -> str:
  """Padding, shapes, sizes, and the spread of each corpus's share."""
  shares = {name: count / len(names) for name, count in _counts(names)}
  found = {name: [] for name in shares}
  for plan in plans:
    own = collections.Counter(names[row] for row in plan.rows)
    for name in shares:
      found[name].append(own[name] / len(plan.rows))
  used = collections.Counter(
    (devices * plan.packed[0], plan.packed[1])
    if plan.packed
    else (size, plan.length)
    for plan in plans
  )
  padded = sum(rows * length * used[rows, length] for rows, length in used)
  spread = "  ".join(
    f"{name} {np.std(found[name]):.3f} "
    f"({np.std(found[name]) / np.sqrt(share * (1 - share) / size):.2f} x)"
    for name, share in shares.items()
  )
  shapes = " ".join(
    f"{rows}x{length}:{used[rows, length]}" for rows, length in used
  )
  sizes = [len(plan.rows) for plan in plans]
  return (
    f"padding {padded / lengths.sum():.3f}  batches {len(plans)} of "
    f"{min(sizes)} to {max(sizes)} rows  shape:batches {shapes}\n"
    f"    spread of shares (x plain shuffling): {spread}"
  )


def _counts(names: list[str]):
  return collections.Counter(names).items()


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  for name in ("spm", "meld", "mosi"):
    parser.add_argument(f"--{name}", required=True)
  parser.add_argument("--devices", default="1,8")
  arguments = parser.parse_args()
  config = config_lib.validate(base.get_config().to_dict())
  lengths, names = load_lengths(arguments, config)
  size = config.train.batch_size
  print(f"{len(names)} rows, {lengths.mean():.1f} tokens on average")
  for devices in map(int, arguments.devices.split(",")):
    start = time.process_time()
    groups = packing.group_rows(size, devices, 1)
    plans = batching.plan_epoch(
      lengths, names, config.data.buckets, groups, 0, 0
    )
    seconds = time.process_time() - start
    print(f"{devices} device(s), planned in {seconds:.3f} s of CPU")
    print("   ", report(lengths, names, plans, size, devices))


if __name__ == "__main__":
  main()
