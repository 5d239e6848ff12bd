"""Cross-validation by actor: every voice of RAVDESS is tested once.

One split of RAVDESS tests two actors, and which two they are decides more than
the model does. Here the actors come in pairs, in order; fold k tests pair k,
chooses on the pair after it and learns from all others. The rows are those of
unimse_jax.ablate, one seed a fold; what was exported and trained is not done
again.

  python tests/benchmarks/actor_folds.py --ravdess RAVDESS --out runs/folds \
      --rows early_fusion,lmf [--folds 0,1] [--config.FIELD=VALUE ...]

Prints the scores of all folds' tests taken together, and each row's difference
from UniMSE with the 95 % interval of a bootstrap that draws actors.
"""

import argparse
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from unimse_jax.evaluation import confidence  # noqa: E402
from unimse_jax.evaluation.confidence import Groups  # noqa: E402
from unimse_jax.evaluation.uncertainty import scorer  # noqa: E402
from unimse_jax.rundir import RunDir  # noqa: E402
from unimse_jax.study.plan import FULL  # noqa: E402

_SCORES = ("acc", "wf1", "macro_f1")


def split_actors(actors: Sequence[str], fold: int) -> str:
  """A fold's value of the exporter's --split_actors.

  Args:
    actors: numbers of the actors, an even number of them.
    fold: number of the pair that is tested.
  """
  pairs = [actors[place : place + 2] for place in range(0, len(actors), 2)]
  after = (fold + 1) % len(pairs)
  learnt = [
    actor
    for number, pair in enumerate(pairs)
    if number not in (fold, after)
    for actor in pair
  ]
  parts = {"train": learnt, "validation": pairs[after], "test": pairs[fold]}
  return ",".join(f"{name}={'+'.join(own)}" for name, own in parts.items())


def run(*arguments: str) -> None:
  """Ends as the command does where it fails; it has said why."""
  status = subprocess.call([sys.executable, "-m", *arguments], cwd=ROOT)
  if status:
    sys.exit(status)


def export(ravdess: pathlib.Path, out: pathlib.Path, actors: str) -> None:
  """Writes a fold's records and labels; those of another split end it."""
  labels, made = out / "universal_labels.jsonl", out / "split_actors.txt"
  if labels.exists():
    before = made.read_text() if made.exists() else "an unknown split"
    if before != actors:
      sys.exit(
        f"--out: expected records of the split {actors} in {out}, found "
        f"{before}; choose a new folder"
      )
    return
  raw = ("--raw", str(ravdess), "--out", str(out), "--split_actors", actors)
  run("feature_export.export", "--corpus", "ravdess", *raw)
  given = ("--data", str(out), "--corpora", "ravdess", "--out", str(labels))
  made.write_text(actors)
  run("feature_export.universal_labels", *given)


def train(out: pathlib.Path, rows: str, flags: Sequence[str]) -> None:
  """Trains and scores the rows of a fold."""
  data = (
    f"--config.data.dir={out}",
    f"--config.data.labels={out / 'universal_labels.jsonl'}",
  )
  run(
    *("unimse_jax.ablate", "--config", "configs/ravdess.py", *data, *flags),
    *("--rows", rows, "--workdir", str(out / "runs")),
  )


def tested(folds: Sequence[pathlib.Path], row: str) -> list[dict[str, Any]]:
  """What a row said of the tests of all folds."""
  runs = [RunDir(fold / "runs").row(row).seed(0) for fold in folds]
  return [each for run_dir in runs for each in run_dir.predictions("test")]


def report(folds: Sequence[pathlib.Path], rows: Sequence[str]) -> None:
  """Prints a line for each row."""
  whole = tested(folds, FULL)
  actors = np.unique([each["speaker"] for each in whole], return_inverse=True)
  groups = Groups("speaker", actors[1])
  classes = [*whole[0]["probabilities"]["ravdess"]]

  def make(own: Sequence[dict[str, Any]]):
    assert [each["id"] for each in own] == [each["id"] for each in whole]
    rated = [
      (each["scored"]["emotion"], each["targets"]["emotion"]) for each in own
    ]
    return scorer("emotion", rated, classes)

  everything, full = np.arange(len(whole)), make(whole)
  print(f"N = {len(whole)}, {len(actors[0])} actors")
  for row in (FULL, *rows):
    one = make(tested(folds, row))
    scores = one(everything)
    line = " ".join(f"{name} {scores[name]:.3f}" for name in _SCORES)
    if row != FULL:
      wf1 = confidence.paired_bootstrap(one, full, groups)["wf1"]
      line += f"  wf1 {wf1.value:+.3f} ({wf1.low:+.3f} to {wf1.high:+.3f})"
    print(f"{row:16} {line}")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--ravdess", type=pathlib.Path, required=True)
  parser.add_argument("--out", type=pathlib.Path, required=True)
  parser.add_argument("--rows", required=True)
  parser.add_argument("--folds", help="0,1,...; all where it is left out")
  options, flags = parser.parse_known_args()
  found = options.ravdess.glob("Actor_*")
  actors = sorted(path.name.removeprefix("Actor_") for path in found)
  if len(actors) < 6 or len(actors) % 2:
    parser.error(
      "--ravdess: expected an even number of folders Actor_01, Actor_02, ..., "
      f"at least 6, found {len(actors)} in {options.ravdess}"
    )
  numbers = [str(fold) for fold in range(len(actors) // 2)]
  names = options.folds.split(",") if options.folds else numbers
  if not set(names) <= set(numbers):
    parser.error(
      f"--folds: expected some of {','.join(numbers)}, found {options.folds}"
    )
  chosen = [int(each) for each in names]
  folds = [options.out.resolve() / str(fold) for fold in chosen]
  for fold, out in zip(chosen, folds, strict=True):
    export(options.ravdess.resolve(), out, split_actors(actors, fold))
    train(out, options.rows, flags)
  report(folds, options.rows.split(","))


if __name__ == "__main__":
  main()
