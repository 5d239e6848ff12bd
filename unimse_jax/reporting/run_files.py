"""What a workdir holds for its report; what is absent is empty."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_cli import storage
from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir, json_file
from unimse_jax.tables.scores import TASKS

# Of those that were evaluated, the first is the one whose utterances are shown.
SPLITS = ("test", "validation", "train")
FULL = "full"  # the row of an ablation that nothing was taken from

Row = Mapping[str, Any]
_NEEDED = {"id", "corpus", "output", "fields", "targets", "text", "scored"}


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
  """One evaluated run, and what was gathered around it.

  Attributes:
    root: directory that was named; holds seeds.json and ablation.json.
    run_dir: directory of the run; below `root` where that gathers seeds.
    results: split -> content of results/<split>.json.
    rows: predictions of `split`, as in predictions/<split>.jsonl; none where
      there is no such file, or one without texts and scored values.
    embeddings: float32[N, D] of `rows`; None where eval stored none.
    metrics: lines of metrics.jsonl.
    seeds: content of seeds.json, or None; an ablation without it has the seeds
      of its whole model.
    ablation: content of ablation.json, or None.
    statistics: content of statistics.json beside the data, or None.
    audit: content of the labels' .audit.json, or None.
  """

  root: pathlib.Path
  run_dir: RunDir
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

  @property
  def eval_command(self) -> str:
    """What evaluates this run again; it takes the run's own config."""
    return (
      f"python -m unimse_jax.eval --workdir {self.run_dir.path} "
      f"--split {self.split}"
    )

  def of_corpus(self, corpus: str) -> list[Row]:
    """The rows of one corpus."""
    return [row for row in self.rows if row["corpus"] == corpus]


def load(
  root: pathlib.Path, single: bool = False, first: str | None = None
) -> EvaluatedRun:
  """Reads a workdir, or a directory that gathers seeds or ablations.

  Args:
    root: directory to read.
    single: whether intervals are those of single utterances, not of dialogues.
    first: split to show first; None: test where there are results of it.

  Raises:
    InputError: nothing was evaluated there, not that split, or a file that is
      damaged or does not fit to its fellows.
  """
  gathered = RunDir(root)
  seeds, ablation = gathered.seeds(), gathered.ablation()
  _check_gathered(gathered, seeds, ablation)
  run_dir = _find_run(gathered, seeds, ablation)
  if seeds is None and run_dir.path.parent == gathered.row(FULL).path:
    seeds = _whole_row(ablation)
  results = {
    split: _with_plain_intervals(content) if single else content
    for split in sorted(SPLITS, key=lambda split: split != first)
    if (content := run_dir.results(split)) is not None
  }
  split = first or next(iter(results), "test")
  if split not in results:
    raise InputError(
      f"Expected {run_dir.results_file(split)}, found no results; run `python "
      f"-m unimse_jax.eval --workdir {run_dir.path} --split {split}` first."
    )
  rows = _complete(run_dir.predictions(split))
  data = results[split]["provenance"]["config"].get("data", {})
  labels = storage.user_path(data.get("labels", ""))
  exported = storage.user_path(data.get("dir", ""))
  return EvaluatedRun(
    root=root,
    run_dir=run_dir,
    results=results,
    rows=rows,
    embeddings=_embeddings(run_dir, split, len(rows)),
    metrics=run_dir.metrics(),
    seeds=seeds,
    ablation=ablation,
    statistics=_read(exported / "statistics.json"),
    audit=_read(labels.with_suffix(".audit.json")) if labels.name else None,
  )


def _check_gathered(
  root: RunDir, seeds: Mapping | None, ablation: Mapping | None
) -> None:
  """Means of several runs must be those of what the runs hold now.

  Runs whose results are not there, as in a copy without them, are not asked.

  Raises:
    InputError: a run was scored again since its scores were gathered.
  """
  parts = [(root.seeds_file, root, seeds)] if seeds else []
  parts += [
    (root.ablation_file, root.row(row["row"]), row)
    for row in (ablation or {}).get("rows", ())
  ]
  for file, above, gathered in parts:
    for place, seed in enumerate(gathered["seeds"]):
      run_dir = above.seed(seed)
      results = run_dir.results(gathered["split"])
      if results and not _agree(gathered["corpora"], results, place):
        raise InputError(
          f"{file}: expected the scores in "
          f"{run_dir.results_file(gathered['split'])}, found others: it was "
          "evaluated again since. Run the command that wrote it again; it does "
          "not train again what is there."
        )


def _agree(corpora: Mapping, results: Mapping, place: int) -> bool:
  """Whether the values of one run that were gathered are its results."""
  return all(
    each["values"][place] == results["corpora"].get(corpus, {}).get(name)
    for corpus, scores in corpora.items()
    for name, each in scores.items()
  )


def _with_plain_intervals(results: Mapping[str, Any]) -> dict[str, Any]:
  """The results with intervals over single utterances in place of others."""
  corpora = {}
  for name, scores in results["corpora"].items():
    corpora[name] = dict(scores)
    if "utterance_intervals" in scores:
      corpora[name]["intervals"] = scores["utterance_intervals"]
      corpora[name]["resampled"] = {
        task.field: {"unit": "utterance", "groups": scores[f"n_{task.field}"]}
        for task in TASKS
      }
  return {**results, "corpora": corpora}


def _find_run(
  root: RunDir, seeds: Mapping | None, ablation: Mapping | None
) -> RunDir:
  """`root`, or the first seed of the whole model below it."""
  if root.results_file("test").parent.is_dir():
    return root
  if seeds:
    return root.seed(seeds["seeds"][0])
  whole = _whole_row(ablation)
  return root.row(FULL).seed(whole["seeds"][0]) if whole else root


def _whole_row(ablation: Mapping | None) -> Mapping[str, Any] | None:
  rows = (ablation or {}).get("rows", ())
  return next((row for row in rows if row["row"] == FULL), None)


def _read(path: pathlib.Path) -> dict[str, Any] | None:
  """The JSON of a file beside the data; None where there is no file."""
  if not path.is_file():
    return None
  return json_file.read(path, "run the command that wrote it again")


def _complete(rows: list[Row]) -> list[Row]:
  """The rows; none if an older version evaluated them: the page says so."""
  return rows if all(row.keys() >= _NEEDED for row in rows) else []


def _embeddings(run_dir: RunDir, split: str, rows: int) -> np.ndarray | None:
  embeddings = run_dir.embeddings(split)
  if embeddings is None or not rows:
    return None
  path = run_dir.embeddings_file(split)
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
