"""Where a modality's signal is lost on its way to the label.

  python tests/benchmarks/signal_path.py --data DATA --corpus NAME
    [--config configs/ravdess.py] [--config.model.modality_width=64 ...]
    [--labels FILE.jsonl] [--modality audio] [--rung encoder] [--seeds 3]
    [--without_text]

Three models, each with one part more, learn the corpus's classes from the same
records, in the same batches, with the optimizer, epochs and evaluations of the
config:

  encoder   ModalityEncoder and a linear head
  fusion    T5's encoder with its adapters, and a linear head on the mean of the
            fused text
  decoder   the whole model: what it writes, read as the trainer reads it

A rung far below the one above it is where the signal goes. The classes are the
emotions of the corpus, or the polarity (the sign of the number) where it has
none. Every rung keeps the weights that are best on validation. --modality and
--rung may be given several times; without them the config's modalities and all
rungs. --without_text leaves of the text the prefix and </s> alone, so that the
last two rungs have nothing but the modality either. Where the voice is read,
the SVM on Mel statistics of tests/peers/baselines.py stands beside the rungs.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.peers import baselines  # noqa: E402
from unimse_jax import pipeline as pipeline_lib  # noqa: E402
from unimse_jax.command_line import load_config  # noqa: E402
from unimse_jax.config import Config  # noqa: E402
from unimse_jax.data.batching import (  # noqa: E402
  Batch,
  Batcher,
  BatchPlan,
  plan_in_order,
  prefetch,
)
from unimse_jax.data.records import SPLITS  # noqa: E402
from unimse_jax.errors import InputError  # noqa: E402
from unimse_jax.evaluation.evaluator import Evaluator  # noqa: E402
from unimse_jax.evaluation.metrics import emotion_scores  # noqa: E402
from unimse_jax.labels.schemes import POLARITIES  # noqa: E402
from unimse_jax.models import UniMSE  # noqa: E402
from unimse_jax.pipeline import (
  Experiment,  # noqa: E402
  preparation,  # noqa: E402
)
from unimse_jax.pipeline.mesh import config_mesh  # noqa: E402
from unimse_jax.rundir import RunDir  # noqa: E402
from unimse_jax.training.assembly import assemble  # noqa: E402
from unimse_jax.training.batch_order import BatchOrder  # noqa: E402
from unimse_jax.training.optimizer import make_optimizer  # noqa: E402
from unimse_jax.training.train_state import TrainState, create  # noqa: E402

_NO_CLASS = -1  # of a record that is not annotated


class FusedHead(UniMSE):
  """UniMSE without its decoder; a linear map of the mean text classifies.

  Its parameters have UniMSE's names, so that the optimizer's groups fit.
  """

  classes: int = 0

  def setup(self) -> None:
    super().setup()
    self.head = nn.Dense(self.classes)

  def __call__(
    self, batch: dict[str, jax.Array], deterministic: bool = True
  ) -> jax.Array:
    """float32[B, classes] logits."""
    batch = self._drop_text(batch, deterministic)
    modalities = self._read_modalities(batch, deterministic)
    fused = self._drop_modalities(modalities, deterministic)
    text, _ = self._encode(batch, fused, deterministic)
    weights = batch["encoder_mask"][..., None].astype(jnp.float32)
    pooled = (text * weights).sum(1) / jnp.maximum(weights.sum(1), 1.0)
    return self.head(pooled)


class EncoderHead(FusedHead):
  """The modality encoders alone, and a linear map of their vectors."""

  def __call__(
    self, batch: dict[str, jax.Array], deterministic: bool = True
  ) -> jax.Array:
    """float32[B, classes] logits."""
    modalities = self._read_modalities(batch, deterministic)
    vectors = [each.vector for each in modalities.values()]
    return self.head(jnp.concatenate(vectors, axis=-1))


@dataclasses.dataclass(frozen=True)
class Task:
  """Attributes:
  experiment: the corpus and what reads it.
  classes: that a record may be of.
  targets: split -> int32[N], places in `classes`, or -1.
  """

  experiment: Experiment
  classes: tuple[str, ...]
  targets: dict[str, np.ndarray]

  def batches(self, split: str) -> Iterator[tuple[Sequence[int], Batch]]:
    """Rows and arrays of each batch of a split, every record once."""
    batcher = self.experiment.batcher(split)
    config = self.experiment.config
    size = config.decoding.batch_size
    plans = plan_in_order(batcher.lengths, config.data.buckets, size)
    return prefetch(
      lambda number: _rows_and_arrays(batcher, plans[number], size),
      range(len(plans)),
    )

  def scores(self, split: str, found: Sequence[str | None]) -> dict[str, float]:
    """Accuracy "acc" and "wf1" over the annotated records of a split."""
    targets = self.targets[split]
    known = np.flatnonzero(targets != _NO_CLASS)
    return emotion_scores(
      [found[row] or "" for row in known],
      [self.classes[targets[row]] for row in known],
      self.classes,
    )

  def all_scores(
    self, predict: Callable[[str], Sequence[str | None]]
  ) -> dict[str, float]:
    """Accuracy under the name of each split, and "wf1" of test."""
    scores = {split: self.scores(split, predict(split)) for split in SPLITS}
    accuracies = {split: each["acc"] for split, each in scores.items()}
    return accuracies | {"wf1": scores["test"]["wf1"]}


def _rows_and_arrays(
  batcher: Batcher,
  plan: BatchPlan,
  size: int,
  draw: tuple[int, int] | None = None,
) -> tuple[Sequence[int], Batch]:
  return plan.rows, batcher.batch(plan, size, range(size), draw)


@dataclasses.dataclass(frozen=True)
class Rung:
  """Attributes:
  state: to start from.
  step: (state, arrays, targets, key) -> the next state.
  predict: (params, split) -> a class for each record, None for none.
  """

  state: TrainState
  step: Callable[..., TrainState]
  predict: Callable[[Any, str], list[str | None]]


def open_task(config: Config, workdir: pathlib.Path, with_text: bool) -> Task:
  """Opens the one corpus of a config."""
  experiment = pipeline_lib.prepare_run(config, RunDir(workdir))
  if not with_text:
    experiment = _without_text(experiment)
  mixture, (corpus,) = experiment.mixture, config.data.corpora
  emotions = mixture.emotion_classes(corpus)
  classes = emotions or POLARITIES
  place = {name: number for number, name in enumerate(classes)}
  targets = {
    split: np.array(
      [
        place.get(each.emotion if emotions else each.label.polarity, _NO_CLASS)
        for each in mixture.examples[split]
      ],
      np.int32,
    )
    for split in SPLITS
  }
  return Task(experiment, tuple(classes), targets)


def _without_text(experiment: Experiment) -> Experiment:
  nothing = {"text": ""}
  nothing |= dict.fromkeys(("before", "after"), ())
  nothing |= dict.fromkeys(("before_speakers", "after_speakers"), ())
  examples = {
    split: [dataclasses.replace(each, **nothing) for each in found]
    for split, found in experiment.mixture.examples.items()
  }
  mixture = dataclasses.replace(experiment.mixture, examples=examples)
  return dataclasses.replace(experiment, mixture=mixture)


def make_head(kind: type[FusedHead], task: Task, steps: int) -> Rung:
  """A rung that ends in a linear head."""
  pipeline, config = task.experiment.pipeline, task.experiment.config
  model = kind(pipeline.model.config, classes=len(task.classes))
  _, example = next(task.batches("validation"))
  key = jax.random.key(config.seed)
  fresh = jax.jit(model.init)(key, example)["params"]
  # The other rungs' initial weights, and the pretrained T5 where there is one.
  params = task.experiment.initial_params(config_mesh(config))
  params = {name: params.get(name, fresh[name]) for name in fresh}
  optimizer = make_optimizer(config.optimizer, params, steps)

  def loss(params: Any, arrays: Any, targets: jax.Array, key: jax.Array):
    logits = model.apply(
      {"params": params}, arrays, False, rngs={"dropout": key}
    )
    losses = optax.softmax_cross_entropy_with_integer_labels(
      logits, jnp.maximum(targets, 0)
    )
    known = targets != _NO_CLASS
    return jnp.where(known, losses, 0.0).sum() / jnp.maximum(known.sum(), 1)

  @functools.partial(jax.jit, donate_argnums=0)
  def step(state: TrainState, arrays: Any, targets: Any, key: jax.Array):
    key = jax.random.fold_in(key, state.step)
    grads = jax.grad(loss)(state.params, arrays, targets, key)
    updates, moments = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, moments, {})

  @jax.jit
  def classify(params: Any, arrays: Any) -> jax.Array:
    return model.apply({"params": params}, arrays).argmax(-1)

  def predict(params: Any, split: str) -> list[str | None]:
    found: list[str | None] = [None] * len(task.targets[split])
    for rows, arrays in task.batches(split):
      places = np.asarray(classify(params, arrays))[: len(rows)]
      for row, place in zip(rows, places, strict=True):
        found[row] = task.classes[place]
    return found

  return Rung(create(params, optimizer), step, predict)


def make_whole(task: Task, steps: int) -> Rung:
  """The whole model with the trainer's own step and decoding."""
  experiment = task.experiment
  mesh = config_mesh(experiment.config)
  pipeline, mixture = experiment.pipeline, experiment.mixture
  parts = assemble(
    experiment.config, pipeline.model, pipeline.abstract_params(), mesh, steps
  )
  evaluator = Evaluator(experiment, mesh)
  (records,) = mixture.corpora.values()
  emotions = mixture.emotion_classes(records.name)

  def step(state: TrainState, arrays: Any, _: Any, key: jax.Array):
    return parts.step(state, arrays, key)[0]

  def predict(params: Any, split: str) -> list[str | None]:
    written = [each.parsed for each in evaluator.predict(params, split)]
    if emotions:
      return [each.emotion(records.scheme_name) for each in written]
    return [each.fields["polarity"] for each in written]

  state = parts.create_state(experiment.initial_params(mesh))
  return Rung(state, step, predict)


RUNGS = {
  "encoder": functools.partial(make_head, EncoderHead),
  "fusion": functools.partial(make_head, FusedHead),
  "decoder": make_whole,
}


def climb(make: Callable[[Task, int], Rung], task: Task) -> dict[str, float]:
  """Trains one rung; "train", "validation", "test" accuracy, "wf1" of test."""
  config = task.experiment.config
  batcher = task.experiment.batcher("train")
  mesh = config_mesh(config)
  order = BatchOrder(batcher.lengths, batcher.corpora, config, mesh)
  steps = order.steps_per_epoch * config.train.epochs
  interval = order.steps_per_epoch * config.train.evaluate_every_epochs
  rung = make(task, steps)
  key, size = jax.random.key(config.seed), config.train.batch_size
  state, best, kept = rung.state, -1.0, None
  batches = prefetch(
    lambda step: _rows_and_arrays(
      batcher, order.plan(step), size, (config.seed, step)
    ),
    range(steps),
  )
  for number, (rows, arrays) in enumerate(batches):
    targets = np.full(size, _NO_CLASS, np.int32)
    targets[: len(rows)] = task.targets["train"][list(rows)]
    state = rung.step(state, arrays, targets, key)
    if (number + 1) % interval == 0 or number + 1 == steps:
      found = rung.predict(state.params, "validation")
      score = task.scores("validation", found)["acc"]
      if score > best:
        best, kept = score, jax.tree.map(np.array, state.params)
  return task.all_scores(lambda split: rung.predict(kept, split))


def svm_scores(task: Task) -> dict[str, float]:
  """The SVM on Mel statistics, as `climb` returns; no voice is all zeros."""
  (records,) = task.experiment.mixture.corpora.values()
  _, model = baselines.MODELS["svm"]
  inputs = {}
  for split in SPLITS:
    voices = [
      task.experiment.mixture.frames(split, each)["audio"]
      for each in task.experiment.mixture.examples[split]
    ]
    silence = np.zeros((2, records.metadata["audio"]["mels"]))
    inputs[split] = np.stack(
      [
        baselines.mel_statistics(each if len(each) > 1 else silence)
        for each in voices
      ]
    )
  known = task.targets["train"] != _NO_CLASS
  model.fit(inputs["train"][known], task.targets["train"][known])
  return task.all_scores(
    lambda split: [
      task.classes[place] for place in model.predict(inputs[split])
    ]
  )


def with_seed(task: Task, seed: int) -> Task:
  """The same records; initial weights, order and dropout of another seed."""
  experiment = task.experiment
  pipeline = dataclasses.replace(
    experiment.pipeline,
    config=dataclasses.replace(experiment.config, seed=seed),
  )
  experiment = dataclasses.replace(experiment, pipeline=pipeline)
  return dataclasses.replace(task, experiment=experiment)


def show(name: str, found: Sequence[dict[str, float]]) -> None:
  """One line of the table: mean, and deviation over seeds."""
  cells = []
  for key in (*SPLITS, "wf1"):
    values = [each[key] for each in found]
    cell = f"{np.mean(values):.3f}"
    if len(values) > 1:
      cell += f" ± {np.std(values, ddof=1):.3f}"
    cells.append(cell)
  print_row(name, cells)


def print_row(name: str, cells: Sequence[str]) -> None:
  line = "".join(cell.ljust(15) for cell in cells)
  print(f"{name:<23}{line}".rstrip(), flush=True)


def read_flags(
  arguments: Sequence[str] | None,
) -> tuple[argparse.Namespace, Config]:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--data", required=True)
  parser.add_argument("--corpus", required=True)
  parser.add_argument("--config", default="configs/ravdess.py")
  parser.add_argument("--labels", help="DATA/universal_labels.jsonl")
  parser.add_argument("--modality", action="append")
  parser.add_argument("--rung", action="append", choices=RUNGS)
  parser.add_argument("--seeds", type=int, default=3)
  parser.add_argument("--without_text", action="store_true")
  flags, overrides = parser.parse_known_args(arguments)
  labels = flags.labels or pathlib.Path(flags.data, "universal_labels.jsonl")
  given = {"dir": flags.data, "corpora": (flags.corpus,), "labels": labels}
  if flags.modality:
    given["modalities"] = tuple(flags.modality)
  # Later ones win: what was written out by hand stands.
  lines = [f"--config.data.{name}={value}" for name, value in given.items()]
  try:
    config = load_config([f"--config={flags.config}", *lines, *overrides])
    if not config.data.modalities:
      raise InputError("--modality: expected audio or video, found none.")
    preparation.check_inputs(config)
  except InputError as error:
    parser.exit(2, f"{error}\n")
  return flags, config


def main(arguments: Sequence[str] | None = None) -> None:
  flags, config = read_flags(arguments)
  with tempfile.TemporaryDirectory() as folder:
    task = open_task(config, pathlib.Path(folder), not flags.without_text)
    targets = {
      split: found[found != _NO_CLASS] for split, found in task.targets.items()
    }
    print(
      f"{flags.corpus}, {', '.join(config.data.modalities)}"
      f"{', without text' if flags.without_text else ''}: "
      + ", ".join(f"{len(found)} {split}" for split, found in targets.items())
      + f" records of {len(task.classes)} classes; {flags.config}, "
      f"{flags.seeds} seed(s), best on validation"
    )
    print_row("accuracy", [*SPLITS, "WF1 of test"])
    for name in flags.rung or RUNGS:
      found = []
      for seed in range(flags.seeds):
        start = time.perf_counter()
        found.append(climb(RUNGS[name], with_seed(task, seed)))
        seconds = time.perf_counter() - start
        show(f"  seed {seed}, {seconds:.0f} s", found[-1:])
      show(name, found)
    if "audio" in config.data.modalities:
      show("SVM on Mel statistics", [svm_scores(task)])
    number = len(targets["test"])
    share = np.bincount(targets["test"]).max() / number
    print(
      f"largest class of test {share:.3f}; sampling deviation of an accuracy "
      f"of .5 at N = {number}: {0.5 / np.sqrt(number):.3f}"
    )


if __name__ == "__main__":
  main()
