"""Where the files of a run are, and how each is written and read."""

import contextlib
import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from unimse_cli import storage
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file, write_atomically
from unimse_jax.rundir import config_file, json_file, lock, trained, wandb_run
from unimse_jax.rundir.metrics import MetricWriter, read_metrics

if TYPE_CHECKING:
  from unimse_jax.checkpoints.checkpointer import Checkpointer

# A checkpoint's metric by which the best of those that are there is chosen.
SELECTION = "selection"
# A checkpoint's metadata: hashes of all that its weights belong to.
_IDENTITY = "run"
_EVALUATE_AGAIN = "run `python -m unimse_jax.eval` again"


@dataclasses.dataclass(frozen=True)
class RunDir:
  """The directory of one run, or of a study that holds runs.

  Every other module asks this class for a file of a run. What is absent reads
  as None or as empty; what is damaged raises InputError.

  Attributes:
    path: directory, local or in a bucket; it need not exist.
  """

  path: pathlib.Path

  def __post_init__(self):
    if storage.is_remote(self.path) and self.path.protocol != "gs":
      raise InputError(
        f"expected a workdir on this machine or in gs://, found {self.path}: "
        "Orbax writes checkpoints nowhere else; data, labels, vocabularies and "
        "weights may lie there"
      )

  @property
  def config_file(self) -> pathlib.Path:
    """The config that the run was made with."""
    return self.path / "config.json"

  @property
  def tokenizer_file(self) -> pathlib.Path:
    """The SentencePiece model."""
    return self.path / "tokenizer/spiece.model"

  @property
  def features_file(self) -> pathlib.Path:
    """Scale and projection of the frames."""
    return self.path / "features.npz"

  @property
  def model_file(self) -> pathlib.Path:
    """What of the model is not in the config: shapes, slots, data hashes."""
    return self.path / "model.json"

  @property
  def pipeline_files(self) -> tuple[pathlib.Path, ...]:
    """All that a model needs to run, besides the config and its weights."""
    return self.tokenizer_file, self.features_file, self.model_file

  @property
  def checkpoints(self) -> pathlib.Path:
    """Directory of the checkpoints."""
    return self.path / "checkpoints"

  @property
  def metrics_file(self) -> pathlib.Path:
    """Scalars of training and of its evaluations, a JSON object a line."""
    return self.path / "metrics.jsonl"

  @property
  def broken_batch_file(self) -> pathlib.Path:
    """The batch at which the loss stopped being finite, with its ids."""
    return self.path / "broken_batch.npz"

  @property
  def report_file(self) -> pathlib.Path:
    """The page that unimse_jax.report writes."""
    return self.path / "report/index.html"

  def tensorboard(self, split: str = "") -> pathlib.Path:
    """TensorBoard's directory: of the training, or of a split's evaluation."""
    return self.path / "tensorboard" / split

  def results_file(self, split: str) -> pathlib.Path:
    """Scores of a split."""
    return self.path / f"results/{split}.json"

  def predictions_file(self, split: str) -> pathlib.Path:
    """Predictions of a split, a JSON object a line."""
    return self.path / f"predictions/{split}.jsonl"

  def embeddings_file(self, split: str) -> pathlib.Path:
    """Array `embeddings`, float32[N, D], in the order of the predictions."""
    return self.path / f"predictions/{split}_embeddings.npz"

  @property
  def openings_file(self) -> pathlib.Path:
    """When the test split was scored, a JSON object a line."""
    return self.path / "results/test_openings.jsonl"

  @property
  def seeds_file(self) -> pathlib.Path:
    """Means over the runs seed_0, seed_1, ..."""
    return self.path / "seeds.json"

  @property
  def ablation_file(self) -> pathlib.Path:
    """The rows of an ablation."""
    return self.path / "ablation.json"

  @property
  def journal_file(self) -> pathlib.Path:
    """All that a search over config fields did, as Optuna keeps it."""
    return self.path / "trials.journal"

  @property
  def tuning_file(self) -> pathlib.Path:
    """The trials of a search and the best of them."""
    return self.path / "tuning.json"

  def trial(self, number: int) -> Self:
    """The run of one trial of a search, below this directory."""
    return type(self)(self.path / f"trial_{number}")

  def seed(self, number: int) -> Self:
    """The run of one seed, below this directory."""
    return type(self)(self.path / f"seed_{number}")

  def row(self, name: str) -> Self:
    """The runs of one row of an ablation, below this directory."""
    return type(self)(self.path / name)

  # The run as a whole

  def exists(self) -> bool:
    """Whether a training run was made here."""
    return self.config_file.is_file()

  @contextlib.contextmanager
  def hold(self, config: Config) -> Iterator[None]:
    """Makes or reopens the directory and holds its lock while the block runs.

    Args:
      config: config to run with, written to config.json; may differ where free.

    Raises:
      InputError: the directory cannot be made or written; another run uses it;
        another config made it (every differing field is named), or it cannot
        go on so (`trained.check_goes_on`).
    """
    with self.hold_study():
      with self._writing():
        self._check_config_is_not_lost()
        stored = self.exists() and config_file.check(self.config_file, config)
        if stored:
          trained.check_goes_on(self.checkpoints, stored.config, config)
        config_file.settle(self.config_file, config, stored or None)
      yield

  @contextlib.contextmanager
  def hold_study(self) -> Iterator[None]:
    """Makes or reopens a directory of any kind and holds its lock.

    Raises:
      InputError: the directory cannot be made or written, or another process
        uses it.
    """
    with contextlib.ExitStack() as stack:
      with self._writing():
        storage.reach(self.path)
        storage.make_directory(self.path)
        stack.enter_context(lock.hold(self.path / ".lock"))
      yield

  @contextlib.contextmanager
  def _writing(self) -> Iterator[None]:
    """Turns what the system says into a message about the directory."""
    try:
      yield
    except OSError as error:
      raise InputError(
        f"expected a writable directory at {self.path}, found: {error}: choose "
        "another --workdir or mend its permissions"
      ) from error

  def check_config(self, config: Config) -> None:
    """Checks that a run of this config lives here; writes nothing.

    Args:
      config: config to run with; its free fields may differ.

    Raises:
      InputError: no run is here, or one of another config.
    """
    self._check_exists()
    config_file.check(self.config_file, config)

  def _check_config_is_not_lost(self) -> None:
    """A run without its config must neither be resumed nor cleared away."""
    files = [file for file in self.pipeline_files if file.is_file()]
    steps = [*self.checkpoints.glob("[0-9]*")]
    if not self.exists() and (files or steps):
      raise InputError(
        f"expected {self.config_file} beside {(files + steps)[0].name} of an "
        "earlier run, found none: put it back, or choose a new --workdir"
      )

  def read_config(self) -> Config:
    """The config of the run; the log says which fields came since it was made.

    Raises:
      InputError: there is none, it is damaged, or another version's that this
        one cannot read.
    """
    self._check_exists()
    stored = config_file.read(self.config_file)
    config_file.tell_what_came_since(self.config_file, stored.added)
    return stored.config

  def _check_exists(self) -> None:
    if not self.exists():
      raise InputError(
        f"expected the workdir of a training run, found no {self.config_file}: "
        "train first, or correct --workdir"
      )

  def discard_pipeline(self) -> None:
    """Removes config and pipeline files, as if no run had been made."""
    for file in (*self.pipeline_files, self.config_file):
      file.unlink(missing_ok=True)

  def open_checkpoints(self, read_only: bool = False) -> "Checkpointer":
    """The checkpoints; the best is the one with the highest `SELECTION`."""
    # Here, so that the rest of a run can be read without orbax.
    from unimse_jax.checkpoints.checkpointer import Checkpointer

    return Checkpointer(
      self.checkpoints, best=(SELECTION, "max"), read_only=read_only
    )

  def identity(self, config: Config) -> dict[str, dict[str, str]]:
    """What a checkpoint remembers of its run, as metadata.

    Returns:
      {"run": {file: sha256}} of all that its weights belong to: the config
      without its free fields, vocabulary, scale of the frames, model file.
    """
    hashes = {
      file.relative_to(self.path).as_posix(): hash_file(file)
      for file in self.pipeline_files
    }
    stored = config_file.read(self.config_file)
    fields = config_file.fixed_fields(config, stored)
    text = json.dumps(fields, sort_keys=True)
    hashes[self.config_file.name] = hashlib.sha256(text.encode()).hexdigest()
    return {_IDENTITY: hashes}

  def check_unchanged(self, config: Config) -> None:
    """Checks the files of the run against its newest checkpoint.

    Another vocabulary of the same size, or one flipped bit in it, would give
    other scores without any error.

    Raises:
      InputError: a file was changed since; all such files are named.
    """
    saved = trained.newest(self.checkpoints).get(_IDENTITY)
    if saved is None:
      return
    now = self.identity(config)[_IDENTITY]
    changed = [name for name in now if now[name] != saved.get(name)]
    if changed:
      raise InputError(
        f"expected the files that the checkpoints in {self.path} were saved "
        f"with, found {', '.join(changed)} changed since (another sha256): put "
        "the file back from a copy, or train again in a new --workdir"
      )

  # What training writes

  def open_metrics(
    self, step: int, enabled: bool = True, config: Config | None = None
  ) -> MetricWriter:
    """Opens the scalars to go on after a step; see MetricWriter.

    Args:
      step: number of the step.
      enabled: False on processes other than 0: nothing is written.
      config: the run's, which may name another place for them.

    Raises:
      InputError: the config wants Weights & Biases, and they cannot be had.
    """
    others = []
    if enabled and config and config.train.wandb_project:
      values = config_lib.to_dict(config)
      project = config.train.wandb_project
      others.append(wandb_run.WandbRun(project, self.path, values))
    places = self.metrics_file, self.tensorboard()
    return MetricWriter(*places, step, enabled, others)

  def metrics(self) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    file = self.metrics_file
    return list(read_metrics(file)) if file.is_file() else []

  def evaluations(self) -> dict[str, list[dict[str, Any]]]:
    """Split -> the lines of its evaluations in training, oldest first."""
    lines = self.metrics()
    return {
      split: [line for line in lines if line["split"] == split]
      for split in ("validation", "test")
    }

  # What evaluation writes

  def write_results(
    self,
    split: str,
    results: Mapping[str, Any],
    predictions: Sequence[Mapping[str, Any]],
    embeddings: np.ndarray | None,
  ) -> None:
    """Writes the scores, predictions and embeddings of a split.

    Args:
      split: name of the split that was evaluated.
      results: scores, decoding, selection, provenance; NaN becomes null.
      predictions: JSON objects, one for each utterance.
      embeddings: float32[N, D] in their order; None: there are none.
    """
    lines = "".join(json.dumps(each) + "\n" for each in predictions)
    file = self.predictions_file(split)
    storage.make_directory(file.parent)
    write_atomically(file, lines.encode())
    json_file.write(self.results_file(split), results)
    if embeddings is None:
      # Those of an earlier evaluation would stand beside other predictions.
      self.embeddings_file(split).unlink(missing_ok=True)
      return
    buffer = io.BytesIO()
    np.savez(buffer, embeddings=embeddings)
    write_atomically(self.embeddings_file(split), buffer.getvalue())

  def results(self, split: str) -> dict[str, Any] | None:
    """The content of results/<split>.json."""
    file = self.results_file(split)
    return json_file.read(file, _EVALUATE_AGAIN) if file.is_file() else None

  def predictions(self, split: str) -> list[dict[str, Any]]:
    """The rows of predictions/<split>.jsonl."""
    file = self.predictions_file(split)
    if not file.is_file():
      return []
    lines = file.read_text(encoding="utf-8").split("\n")
    try:
      return [json.loads(line) for line in lines if line.strip()]
    except (ValueError, RecursionError) as error:
      raise InputError(
        f"{file}: expected a JSON object a line, found {error}: "
        f"{_EVALUATE_AGAIN}"
      ) from error

  def embeddings(self, split: str) -> np.ndarray | None:
    """float32[N, D] in the order of the predictions."""
    file = self.embeddings_file(split)
    if not file.is_file():
      return None
    try:
      content = io.BytesIO(file.read_bytes())
      with np.load(content, allow_pickle=False) as arrays:
        return arrays["embeddings"]
    except (OSError, ValueError, KeyError) as error:
      raise InputError(
        f"{file}: expected the array `embeddings`, found {error}: "
        f"{_EVALUATE_AGAIN}"
      ) from error

  def add_opening(self, opening: Mapping[str, Any]) -> int:
    """Writes down that the test split is scored; how often it was by now."""
    file = self.openings_file
    storage.make_directory(file.parent)
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = before + json.dumps(opening) + "\n"
    write_atomically(file, lines.encode())
    return len(lines.splitlines())

  def is_evaluated(self, split: str, config: Config) -> bool:
    """Whether the results of this config and its best checkpoint exist.

    They must be newer than all checkpoints, the newest of them training's last,
    and not of a step that was asked for (`eval --step`).
    """
    stored = self.results(split)
    if not stored or stored.get("selection", {}).get("checkpoint") == "chosen":
      return False
    # A directory of a bucket has no time of its own, its manifest has.
    sealed = [*self.checkpoints.glob("[0-9]*/manifest.json")]
    newest = max((file.stat().st_mtime for file in sealed), default=0.0)
    written = self.results_file(split).stat().st_mtime
    config_then = stored["provenance"]["config"]
    if not config_file.means(config_then, config) or written < newest:
      return False
    # Without any: not trained by steps, or deleted to make room.
    return not sealed or trained.has_ended(self.checkpoints, config)

  # What a study gathers

  def write_seeds(self, content: Mapping[str, Any]) -> None:
    """Writes seeds.json."""
    json_file.write(self.seeds_file, content)

  def seeds(self) -> dict[str, Any] | None:
    """The content of seeds.json."""
    return self._gathered(self.seeds_file)

  def write_tuning(self, content: Mapping[str, Any]) -> None:
    """Writes tuning.json."""
    json_file.write(self.tuning_file, content)

  def write_ablation(self, content: Mapping[str, Any]) -> None:
    """Writes ablation.json."""
    json_file.write(self.ablation_file, content)

  def ablation(self) -> dict[str, Any] | None:
    """The content of ablation.json."""
    return self._gathered(self.ablation_file)

  def _gathered(self, file: pathlib.Path) -> dict[str, Any] | None:
    if not file.is_file():
      return None
    return json_file.read(file, "run the command that wrote it again")
