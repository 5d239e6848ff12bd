"""A pipeline with the data that it is trained and measured on."""

import dataclasses
from typing import Any

import jax
from jax.sharding import Mesh

from unimse_jax import pretrained
from unimse_jax.config import Config
from unimse_jax.data import mixture
from unimse_jax.data.batching import Batcher
from unimse_jax.data.mixture import Mixture
from unimse_jax.errors import InputError
from unimse_jax.labels import NeighbouringNumbers
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline.pipeline import Pipeline, open_pipeline
from unimse_jax.pipeline.preparation import make_pipeline
from unimse_jax.rundir import RunDir


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

  def batcher(self, split: str) -> Batcher:
    """The split's examples, encoded."""
    examples = self.mixture.examples[split]
    encoded = [self.pipeline.encode_example(example) for example in examples]
    return Batcher(self.mixture, split, encoded, self.pipeline.collator)

  def training_batcher(self) -> Batcher:
    """The training split, with the targets that the config's loss asks for."""
    batcher, spread = self.batcher("train"), self.config.loss.number_spread
    if not spread or not self.mixture.grid:
      return batcher
    numbers = NeighbouringNumbers(self.mixture.grid, spread)
    encode = self.pipeline.encode_label
    return dataclasses.replace(
      batcher, redraw=lambda label, rng: encode(numbers.draw(label, rng))
    )

  def initial_params(self, mesh: Mesh) -> Any:
    """Fresh parameters, T5's from its checkpoint where the config has one."""
    pipeline = self.pipeline
    places = sharding.state_sharding(pipeline.abstract_params(), mesh)
    source = self.config.t5.pretrained
    # Random weights of a T5 that is loaded would double its memory.
    fresh = {name for name in places if name != "t5" or not source}

    def make() -> Any:
      params = pipeline.init(jax.random.key(self.config.seed))
      return {name: params[name] for name in fresh}

    params = jax.jit(
      make, out_shardings={name: places[name] for name in fresh}
    )()
    if source:
      params["t5"] = pretrained.place(source, places["t5"])
    return params


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
