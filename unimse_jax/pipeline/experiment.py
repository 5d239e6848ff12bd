"""A pipeline with the data that it is trained and measured on."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import traverse_util
from jax.sharding import Mesh

from unimse_jax import pretrained
from unimse_jax.config import Config
from unimse_jax.data import mixture
from unimse_jax.data.annotations import Annotations
from unimse_jax.data.batching import Batcher, Encoded
from unimse_jax.data.dialogues import Dialogues
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import Record
from unimse_jax.errors import InputError
from unimse_jax.labels import (
  ClassWeights,
  NeighbouringNumbers,
  class_weights,
)
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline import starting_model
from unimse_jax.pipeline.pipeline import Pipeline, open_pipeline
from unimse_jax.pipeline.preparation import make_pipeline
from unimse_jax.rundir import RunDir

Encode = Callable[[Record], Encoded]


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Attributes:
  run_dir: directory of the run.
  pipeline: tokenizer, transform and model of the run.
  mixture: corpora and labels.
  """

  run_dir: RunDir
  pipeline: Pipeline
  mixture: Mixture

  @property
  def config(self) -> Config:
    return self.pipeline.config

  def batcher(self, split: str, encode: Encode | None = None) -> Batcher:
    """The split's examples, encoded."""
    encode = encode or self.pipeline.encode_example
    encoded = [encode(example) for example in self.mixture.examples[split]]
    annotate = None
    if self.config.rival.system or self.config.loss.heads:
      schema = self.pipeline.label_text.schema
      annotate = Annotations(schema, self.class_weights).arrays
    return Batcher(
      *(self.mixture, split, encoded, self.pipeline.collator),
      annotate=annotate,
    )

  def dialogues(self, split: str) -> Dialogues | None:
    """The split by dialogue; None for a model that reads none."""
    if not self.pipeline.reads_dialogues:
      return None
    return Dialogues.of(self.mixture.examples[split])

  @property
  def class_weights(self) -> ClassWeights:
    """By loss.class_balance."""
    counts = self.pipeline.class_counts
    return class_weights(counts, self.config.loss.class_balance)

  def training_batcher(self) -> Batcher:
    """The training split, with the targets that the config's loss asks for."""
    loss, pipeline = self.config.loss, self.pipeline
    weights = self.class_weights
    encode = functools.partial(pipeline.encode_label, class_weights=weights)
    batcher = self.batcher(
      "train",
      functools.partial(pipeline.encode_example, class_weights=weights),
    )
    if not loss.number_spread or not self.mixture.grid:
      return batcher
    numbers = NeighbouringNumbers(self.mixture.grid, loss.number_spread)
    return dataclasses.replace(
      batcher, redraw=lambda label, rng: encode(numbers.draw(label, rng))
    )

  def initial_params(self, mesh: Mesh) -> Any:
    """Fresh parameters, with those of a trained model where the config has one.

    That is all of train.init_from that fits, or T5's own from t5.pretrained.
    """
    shapes = self.pipeline.abstract_params()
    places = traverse_util.flatten_dict(
      sharding.state_sharding(shapes, mesh), sep="/"
    )
    known = self._known_params(mesh, shapes, places)

    # Random values of a T5 that is loaded would double its memory.
    def make() -> dict[str, jax.Array]:
      params = self.pipeline.init(jax.random.key(self.config.seed))
      flat = traverse_util.flatten_dict(params, sep="/")
      return {path: flat[path] for path in places if path not in known}

    fresh = {path: at for path, at in places.items() if path not in known}
    flat = jax.jit(make, out_shardings=fresh)() | known
    return traverse_util.unflatten_dict(flat, sep="/")

  def _known_params(
    self, mesh: Mesh, shapes: Any, places: dict[str, Any]
  ) -> dict[str, jax.Array]:
    """Path -> array of the parameters that are not random at the start."""
    config = self.config
    if config.train.init_from:
      return starting_model.take_params(
        starting_model.open_model(config.train.init_from),
        self.pipeline,
        traverse_util.flatten_dict(shapes, sep="/"),
        mesh,
      )
    if not config.t5.pretrained:
      return {}
    own = traverse_util.unflatten_dict(places, sep="/")["t5"]
    loaded = {"t5": pretrained.place(config.t5.pretrained, own)}
    return traverse_util.flatten_dict(loaded, sep="/")


def prepare_run(config: Config, run_dir: RunDir) -> Experiment:
  """Opens a run to train it; in a new directory, first makes its pipeline.

  Args:
    config: the run's config.
    run_dir: an existing directory.

  Raises:
    InputError: something is missing or does not fit (see
      `preparation.check_inputs`).
  """
  loaded = _load(config)
  if config.train.selection == "best_on_test" and not loaded.examples["test"]:
    raise InputError(
      "config.train.selection: best_on_test expects a test split, found none."
    )
  if multihost.is_first():
    make_pipeline(config, run_dir, loaded)
  multihost.wait("pipeline")
  return _open(config, run_dir, loaded)


def open_run(config: Config, run_dir: RunDir) -> Experiment:
  """Opens a trained run with the data of its config; writes nothing.

  Raises:
    InputError: no run is there, or its data are missing or others.
  """
  return _open(config, run_dir, _load(config))


def _load(config: Config) -> Mixture:
  data = config.data
  return mixture.load(
    data.dir, data.corpora, data.labels, data.donors, data.donor_classes
  )


def _open(config: Config, run_dir: RunDir, loaded: Mixture) -> Experiment:
  pipeline = open_pipeline(config, run_dir)
  if pipeline.data_sha256 != loaded.sha256:
    raise InputError(
      f"Data: the corpora in {config.data.dir} or the labels in "
      f"{config.data.labels} are not those that the run in {run_dir.path} was "
      "made with (their hashes differ); bring those back, or choose a new "
      "--workdir."
    )
  return Experiment(run_dir, pipeline, loaded)
