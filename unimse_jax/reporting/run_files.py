"""What a workdir holds for its report; what is absent is empty."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.training.writer import FILE_NAME, read_metrics

# The first that there is is the one whose utterances are shown.
SPLITS = ("test", "validation", "train")
FULL = "full"  # the row of an ablation that nothing was taken from

Row = Mapping[str, Any]
_NEEDED = {"id", "corpus", "output", "fields", "targets", "text", "scored"}


@dataclasses.dataclass(frozen=True)
class Run:
  """One evaluated run, and what was gathered around it.

  Attributes:
    root: the directory that was named; holds seeds.json and ablation.json.
    workdir: of the run itself; below `root` where that gathers seeds.
    results: split -> the content of results/<split>.json.
    rows: the predictions of `split`, as in predictions/<split>.jsonl; none
    where there is no such file, or one without texts and scored values.
    embeddings: float32[N, D] of `rows`; None where eval stored none.
    metrics: lines of metrics.jsonl.
    seeds, ablation: the content of seeds.json and ablation.json, or None. An
    ablation without seeds.json has the seeds of its whole model.
    statistics, audit: of the data and of its labels, or None.
  """

  root: pathlib.Path
  workdir: pathlib.Path
  results: Mapping[str, Mapping[str, Any]]
  rows: Sequence[Row]
  embeddings: np.ndarray | None
  metrics: Sequence[Mapping[str, Any]]
  seeds: Mapping[str, Any] | None
  ablation: Mapping[str, Any] | None
  statistics: Mapping[str, Any] | None
  audit: Mapping[str, Any] | None

  @property
  def split(self) -> str:
    """The split whose scores and utterances are shown first."""
    return next(iter(self.results))

  @property
  def result(self) -> Mapping[str, Any]:
    """The results of `split`."""
    return self.results[self.split]

  @property
  def corpora(self) -> Mapping[str, Mapping[str, Any]]:
    """The scores of every corpus in `split`."""
    return self.result["corpora"]

  @property
  def config(self) -> Mapping[str, Any]:
    """The run's config, as nested mappings."""
    return self.result["provenance"]["config"]

  @property
  def name(self) -> str:
    """How tables call the run: its directory, a seed with the one above."""
    path = self.root.resolve()
    if path.name.startswith("seed_"):
      return f"{path.parent.name}/{path.name}"
    return path.name

  def of_corpus(self, corpus: str) -> list[Row]:
    """The rows of one corpus."""
    return [row for row in self.rows if row["corpus"] == corpus]


def load(root: pathlib.Path) -> Run:
  """Reads a workdir, or a directory that gathers seeds or ablations.

  Raises:
    InputError: nothing was evaluated there, or a file that is damaged or
      does not fit to its fellows.
  """
  seeds, ablation = _read(root / "seeds.json"), _read(root / "ablation.json")
  workdir = _find_workdir(root, seeds, ablation)
  if seeds is None and workdir.parent == root / FULL:
    seeds = _whole_row(ablation)
  results = {
    split: found
    for split in SPLITS
    if (found := _read(workdir / "results" / f"{split}.json")) is not None
  }
  if not results:
    raise InputError(
      f"Expected {workdir}/results/test.json, found no results; run "
      "`python -m unimse_jax.eval` on this workdir first."
    )
  split = next(iter(results))
  rows = _read_rows(workdir / "predictions" / f"{split}.jsonl")
  data = results[split]["provenance"]["config"].get("data", {})
  labels = pathlib.Path(data.get("labels", ""))
  return Run(
    root=root,
    workdir=workdir,
    results=results,
    rows=rows,
    embeddings=_read_embeddings(workdir, split, len(rows)),
    metrics=_read_metrics(workdir / FILE_NAME),
    seeds=seeds,
    ablation=ablation,
    statistics=_read(pathlib.Path(data.get("dir", "")) / "statistics.json"),
    audit=_read(labels.with_suffix(".audit.json")) if labels.name else None,
  )


def _find_workdir(
  root: pathlib.Path, seeds: Mapping | None, ablation: Mapping | None
) -> pathlib.Path:
  """`root`, or the first seed of the whole model below it."""
  if (root / "results").is_dir():
    return root
  if seeds:
    return root / f"seed_{seeds['seeds'][0]}"
  whole = _whole_row(ablation)
  return root / FULL / f"seed_{whole['seeds'][0]}" if whole else root


def _whole_row(ablation: Mapping | None) -> Mapping[str, Any] | None:
  rows = (ablation or {}).get("rows", ())
  return next((row for row in rows if row["row"] == FULL), None)


def _read(path: pathlib.Path) -> Any:
  """The JSON of a file; None where there is no file."""
  if not path.is_file():
    return None
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except ValueError as error:
    raise InputError(
      f"{path}: expected JSON, found {error}. Run the command that wrote it "
      "again."
    ) from error


def _read_rows(path: pathlib.Path) -> list[Row]:
  if not path.is_file():
    return []
  lines = path.read_text(encoding="utf-8").split("\n")
  try:
    rows = [json.loads(line) for line in lines if line.strip()]
  except ValueError as error:
    raise InputError(
      f"{path}: expected a JSON object a line, found {error}. Run "
      "`python -m unimse_jax.eval` again."
    ) from error
  # Evaluated by an older version: the page says so.
  return rows if all(row.keys() >= _NEEDED for row in rows) else []


def _read_embeddings(
  workdir: pathlib.Path, split: str, rows: int
) -> np.ndarray | None:
  path = workdir / "predictions" / f"{split}_embeddings.npz"
  if not path.is_file() or not rows:
    return None
  try:
    with np.load(path, allow_pickle=False) as file:
      embeddings = file["embeddings"]
  except (OSError, ValueError, KeyError) as error:
    raise InputError(
      f"{path}: expected the array `embeddings`, found {error}. Run "
      "`python -m unimse_jax.eval` again."
    ) from error
  if len(embeddings) != rows:
    raise InputError(
      f"{path}: expected {rows} rows, one for each prediction, found "
      f"{len(embeddings)}. Run `python -m unimse_jax.eval` again."
    )
  if not np.isfinite(embeddings).all():
    raise InputError(
      f"{path}: expected finite numbers, found others in "
      f"{(~np.isfinite(embeddings)).any(1).sum()} rows; the model has diverged."
    )
  return embeddings


def _read_metrics(path: pathlib.Path) -> list[Mapping[str, Any]]:
  return list(read_metrics(path)) if path.is_file() else []
