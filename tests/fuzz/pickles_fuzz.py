"""Feeds damaged and crafted pickles to the exporter's reader.

  python tests/fuzz/pickles_fuzz.py --seconds 600

Each input is a good pickle with some bytes or instructions changed, or a row of
random instructions. Every one must end in a value or in an InputError, within
seconds and within the memory that a process is given. Inputs run in a child
process; the one that ends or stalls it is written to --keep. Exit status 0: no
such input; 1: some.
"""

import argparse
import multiprocessing
import pickle
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from feature_export.corpora.pickles import load_pickle
from feature_export.errors import InputError

_MEMORY = 4 << 30  # bytes of a child, NumPy's own among them
_BATCH = 500  # inputs of a child
_SLOWEST = 20.0  # s for one input, on a busy machine
# Instructions by their first byte, each with an argument that is often legal.
_PIECES = [
  *(bytes([each]) for each in range(256)),
  *(b"K\x01", b"K\x00", b"h\x00", b"q\x00", b"h\x01", b"J\xff\xff\xff\xff"),
  *(b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cbuiltins\nset\n"),
  *(b"cnumpy._core.multiarray\n_reconstruct\n", b"U\x02O8", b"U\x02f8"),
  *(b"cnumpy._core.multiarray\nscalar\n", b"U\x01b", b"U\x01<", b"U\x01|"),
  *(b"cnumpy._core.numeric\n_frombuffer\n", b"c_codecs\nencode\n", b"NNN"),
  *(b"K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", b"(", b"2\x86"),
  *(b"B\x08\x00\x00\x00AAAAAAAA", b"I99999999999\n", b"\x85", b"\x86", b"\x87"),
]


def _seeds() -> list[bytes]:
  """Good pickles of all protocols, as corpora have them."""
  values = [
    {"id": np.array(["a_1", "b_2"]), "audio": np.ones((2, 3, 4), np.float32)},
    [(["so", "what"], np.zeros((2, 5)), np.float32(1.5)), "a,b", b"\xff"],
    np.array(["x", None, [1, 2]], object),
    {
      "a": {1, 2},
      "b": frozenset("xy"),
      "c": (True, -(2**40), 1.5, bytearray()),
    },
    np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    [np.bool_(True), np.str_("caf\u00e9"), np.bytes_(b"q"), np.array(3.5)],
  ]
  return [
    pickle.dumps(value, protocol) for value in values for protocol in range(6)
  ]


def _mutate(generator: random.Random, seeds: list[bytes]) -> bytes:
  """One input."""
  if generator.random() < 0.2:
    pieces = generator.choices(_PIECES, k=generator.randrange(1, 60))
    return b"\x80\x04" + b"".join(pieces) + b"."
  content = bytearray(generator.choice(seeds))
  for _ in range(generator.randrange(1, 6)):
    place = generator.randrange(len(content) + 1)
    match generator.randrange(5):
      case 0 if place < len(content):
        content[place] ^= 1 << generator.randrange(8)
      case 1 if place < len(content):
        content[place] = generator.randrange(256)
      case 2:
        content[place:place] = generator.choice(_PIECES)
      case 3:
        del content[place : place + generator.randrange(1, 9)]
      case _:
        other = generator.choice(seeds)
        start = generator.randrange(len(other))
        content[place:place] = other[start : start + generator.randrange(40)]
  return bytes(content)


def _walk(value: object) -> None:
  """Does to a value what importers do: looks at all of it."""
  repr(value)
  if isinstance(value, dict):
    list(map(_walk, value.values()))
  elif isinstance(value, list | tuple):
    list(map(_walk, value))
  elif isinstance(value, np.ndarray) and value.dtype != object:
    value.tolist()


def _run_batch(seed: int, folder: Path) -> None:
  """Runs a batch; the input at work lies in `folder`, its start in the name."""
  resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
  generator, seeds = random.Random(seed), _seeds()
  path = folder / "input.pkl"
  for _ in range(_BATCH):
    path.write_bytes(_mutate(generator, seeds))
    started = time.monotonic()
    try:
      _walk(load_pickle(path))
    except InputError as error:
      # Running out of memory is no answer: it must be refused before.
      if isinstance(error.__cause__, MemoryError | RecursionError):
        raise error.__cause__ from error
    if time.monotonic() - started > _SLOWEST:
      raise TimeoutError(f"{_SLOWEST:g} s for one input")


def main() -> int:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add("--seconds", type=float, default=600.0, help="time to spend")
  add("--seed", type=int, default=0, help="random seed of the first batch")
  add("--keep", type=Path, default=Path("fuzz"), help="folder for bad inputs")
  options = parser.parse_args()
  context = multiprocessing.get_context("spawn")
  deadline = time.monotonic() + options.seconds
  batches = bad = 0
  with tempfile.TemporaryDirectory() as name:
    while time.monotonic() < deadline:
      seed = options.seed + batches
      child = context.Process(target=_run_batch, args=(seed, Path(name)))
      child.start()
      child.join(_BATCH * _SLOWEST)
      if child.is_alive():
        child.kill()
        child.join()
      if child.exitcode:
        bad += 1
        options.keep.mkdir(parents=True, exist_ok=True)
        kept = options.keep / f"pickle_{seed}.pkl"
        kept.write_bytes((Path(name) / "input.pkl").read_bytes())
        print(f"exit status {child.exitcode}: {kept}", file=sys.stderr)
      batches += 1
  print(f"pickles: {batches * _BATCH} inputs, {bad} that ended their process")
  return int(bad > 0)


if __name__ == "__main__":
  sys.exit(main())
