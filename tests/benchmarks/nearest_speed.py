"""Times the search for donors beside faiss's exact inner-product index.

  python tests/benchmarks/nearest_speed.py

18,000 receivers and 15,000 donors of dimension 768, about the four corpora
under SimCSE. Both do the same work in turns, each in a process of its own, so
that its peak memory is its own; building faiss's index is part of its time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np


def _vectors(count: int, dimension: int, seed: int) -> np.ndarray:
  generator = np.random.default_rng(seed)
  vectors = generator.standard_normal((count, dimension), np.float32)
  return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _ours(receivers: np.ndarray, donors: np.ndarray) -> np.ndarray:
  from feature_export.labels.nearest import search

  found = search(receivers, donors)
  return found.index[found.starts[:-1]]


def _faiss(receivers: np.ndarray, donors: np.ndarray) -> np.ndarray:
  import faiss

  index = faiss.IndexFlatIP(donors.shape[1])
  index.add(donors)
  return index.search(receivers, 1)[1][:, 0]


def _peak_mib() -> float:
  """Peak resident memory of this process so far, MiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(name: str, options: argparse.Namespace) -> None:
  """One timing of one side, printed as JSON; runs in a fresh process."""
  receivers = _vectors(options.receivers, options.dimension, 0)
  donors = _vectors(options.donors, options.dimension, 1)
  run = {"ours": _ours, "faiss": _faiss}[name]
  run(receivers[:64], donors[:64])  # imports and thread pools
  before = _peak_mib()
  start, busy = time.perf_counter(), time.process_time()
  index = run(receivers, donors)
  seconds = time.perf_counter() - start
  busy = time.process_time() - busy
  print(
    json.dumps(
      {
        "seconds": seconds,
        "cpu_seconds": busy,
        "mib": _peak_mib(),
        "grown_mib": _peak_mib() - before,
        "index": index.tolist(),
      }
    )
  )


def _spawn(name: str, options: argparse.Namespace) -> dict:
  flags = [f"--{key}={getattr(options, key)}" for key in _SIZES]
  done = subprocess.run(
    [sys.executable, __file__, "--only", name, *flags],
    stdout=subprocess.PIPE,
    check=True,
    text=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


_SIZES = {"receivers": 18_000, "donors": 15_000, "dimension": 768}


def _parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__)
  for name, value in _SIZES.items():
    parser.add_argument(f"--{name}", type=int, default=value)
  parser.add_argument("--rounds", type=int, default=5)
  parser.add_argument("--only", choices=("ours", "faiss"), help="one timing")
  return parser.parse_args()


def main() -> int:
  """Times both in turns and prints a table; 1 if they disagree."""
  options = _parse()
  if options.only:
    _measure(options.only, options)
    return 0
  try:
    import faiss
  except ImportError:
    print("This needs faiss: pip install faiss-cpu", file=sys.stderr)
    return 2
  print(f"{os.cpu_count()} cores, faiss {faiss.__version__}, {options}")
  runs = {"ours": [], "faiss": []}
  for number in range(options.rounds):
    # In turns, and each first as often: a busy machine hits both.
    for name in list(runs) if number % 2 else list(runs)[::-1]:
      runs[name].append(_spawn(name, options))
  titles = {"min s": 8, "median s": 10, "min CPU s": 11, "peak MiB": 10}
  titles["grown MiB"] = 11
  print(" " * 8 + "".join(f"{title:>{titles[title]}}" for title in titles))
  for name, each in runs.items():
    seconds = [run["seconds"] for run in each]
    print(
      f"{name:8}{min(seconds):8.2f}{statistics.median(seconds):10.2f}"
      f"{min(run['cpu_seconds'] for run in each):11.2f}"
      f"{max(run['mib'] for run in each):10.0f}"
      f"{max(run['grown_mib'] for run in each):11.0f}"
    )
  pairs = zip(runs["ours"][0]["index"], runs["faiss"][0]["index"], strict=True)
  differing = sum(ours != other for ours, other in pairs)
  print(f"receivers with different donors: {differing}")
  return int(differing > 0)


if __name__ == "__main__":
  sys.exit(main())
