"""The training loop: restore, step, evaluate, save; until done or stopped."""

import contextlib
import dataclasses
import pathlib
import sys
import time
from collections.abc import Iterator

import jax
from absl import logging
from jax.sharding import Mesh

from unimse_cli import storage
from unimse_jax import pipeline as pipeline_lib
from unimse_jax.checkpoints.checkpointer import Checkpointer
from unimse_jax.config import Config
from unimse_jax.data.batching import Batch, prefetch
from unimse_jax.errors import InputError
from unimse_jax.evaluation import results, selection
from unimse_jax.evaluation.evaluator import Evaluator
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline import Experiment, preparation
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import ENDED, EPOCH, SELECTION, MetricWriter, RunDir
from unimse_jax.training import signal
from unimse_jax.training.assembly import assemble, check_batch_size
from unimse_jax.training.batch_order import BatchOrder
from unimse_jax.training.health import Health
from unimse_jax.training.preemption import PreemptionGuard
from unimse_jax.training.progress import Progress, starting_block
from unimse_jax.training.train_state import TrainState
from unimse_jax.training.warm_start import warm_start

_MESH = "mesh"  # in a checkpoint's metadata: axis -> devices


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How a call of `train` ended."""

  step: int
  total_steps: int
  best_step: int | None
  lost_patience: bool = False

  @property
  def finished(self) -> bool:
    return self.lost_patience or self.step >= self.total_steps


def train(config: Config, workdir: pathlib.Path) -> Outcome:
  """Trains, or goes on training, in a workdir.

  Running it again after any end (also SIGKILL) resumes from the last
  checkpoint and arrives at bit-identical parameters on the same devices.

  Raises:
    InputError: something that the config names is missing or does not fit.
      Also where the loss is no longer finite; the last checkpoint is.
  """
  mesh = config_mesh(config)
  check_batch_size(config, mesh)
  preparation.check_inputs(config)
  run_dir = RunDir(storage.absolute(workdir))
  fresh = not run_dir.exists()
  with (
    _held(run_dir, config),
    PreemptionGuard() as guard,
    run_dir.open_checkpoints() as checkpointer,
  ):
    with _discarding(run_dir, fresh):
      experiment = pipeline_lib.prepare_run(config, run_dir)
      training = _Training(experiment, mesh, checkpointer, guard)
    return training.loop()


def _held(
  run_dir: RunDir, config: Config
) -> contextlib.AbstractContextManager[None]:
  """The directory, locked by process 0 alone."""
  if not multihost.is_first():
    return contextlib.nullcontext()
  return run_dir.hold(config)


@contextlib.contextmanager
def _discarding(run_dir: RunDir, fresh: bool) -> Iterator[None]:
  """Leaves a new workdir as it was if the config does not fit its data.

  Otherwise the mended config would meet the files of the faulty one.
  """
  try:
    yield
  except InputError:
    if fresh and multihost.is_first():
      run_dir.discard_pipeline()
    raise


class _Training:
  """The parts of one call of `train`."""

  def __init__(
    self,
    experiment: Experiment,
    mesh: Mesh,
    checkpointer: Checkpointer,
    guard: PreemptionGuard,
  ):
    config = experiment.config
    self.config, self.experiment, self.mesh = config, experiment, mesh
    self.checkpointer, self.guard = checkpointer, guard
    self.batcher = experiment.training_batcher()
    self.order = BatchOrder(
      *(self.batcher.lengths, self.batcher.corpora, config, mesh),
      experiment.dialogues("train"),
    )
    self.total_steps = self.order.steps_per_epoch * config.train.epochs
    self.evaluator = Evaluator(experiment, mesh)
    self.identity = experiment.run_dir.identity(config)
    self.health = Health(experiment, self._batch, self.order.plan)
    self.assembly = assemble(
      config,
      experiment.pipeline.model,
      experiment.pipeline.abstract_params(),
      mesh,
      self.total_steps,
      len(self.batcher.encoded),
    )
    # Made on the mesh: a key of one process cannot be put on all of them.
    self.key = jax.jit(
      lambda: jax.random.key(config.seed),
      out_shardings=sharding.replicated(mesh),
    )()

  def _start(self) -> TrainState:
    """The state to go on from: the last checkpoint's, else a fresh one."""
    if self.checkpointer.latest_step() is not None:
      restored = self.checkpointer.restore(self.assembly.abstract_state)
      logging.info("Resuming from step %d.", restored.step)
      _warn_of_other_devices(
        restored.metadata.get(_MESH), dict(self.mesh.shape)
      )
      return restored.state
    self.checkpointer.check_none_is_damaged()
    params = self.experiment.initial_params(self.mesh)
    warm = self.config.t5.warm_start == "sentences"
    if warm and not self.config.train.init_from:
      steps = self.order.steps_per_epoch * self.config.t5.warm_start_epochs
      params = warm_start(
        self.experiment, params, self.mesh, self.batcher, self.order, steps
      )
    return self.assembly.create_state(params)

  def _batch(self, step: int) -> Batch:
    """This process's rows of the batch of a step, counted from 0."""
    size = self.config.train.batch_size
    own = self.order.own_rows(size)
    plan = self.order.plan(step)
    batch = self.batcher.batch(plan, size, own, (self.config.seed, step))
    return batch | self.order.layout(plan)

  def loop(self) -> Outcome:
    """Runs to the end of the last epoch, or to the first stop signal."""
    state = self._start()
    step = start = int(state.step)
    skills = self._skills_until(start)
    # None where training has ended before, and nothing has changed since.
    steps = range(start, self.total_steps * self._is_patient(skills, start))
    writer = self.experiment.run_dir.open_metrics(
      start, enabled=multihost.is_first(), config=self.config
    )
    self._tell_start(start)
    with writer, Progress(start, self.total_steps) as progress:
      clock, waiting = _Clock(), None
      # Batches are functions of the step alone; threads make them ahead.
      for batch in prefetch(self._batch, steps):
        # Dispatched: nothing below waits for the device unless it reads it.
        state, metrics = self.assembly.step(
          state, sharding.shard_batch(batch, self.mesh), self.key
        )
        if waiting:
          # Only now: the device has the next step to compute meanwhile.
          self._log(*waiting, clock, writer, progress)
          waiting = None
        clock.add(len(self.order.plan(step).rows))
        step += 1
        progress.step()
        last = step == self.total_steps
        # The last step is logged, evaluated and saved in any case; a signal
        # that comes with it has nothing left to stop.
        logged = step % self.config.train.log_every_steps == 0 or last
        evaluated = self._evaluation_is_due(step) or last
        stopped = self.guard.stops_at(step) and not last
        saved = step % self.config.train.checkpoint_every_steps == 0 or stopped
        self.health.add(step, metrics)
        kept = evaluated or saved
        if kept:
          # Before all that keeps or shows something of this state.
          self.health.check(self.checkpointer.latest_step)
        if step == self.order.steps_per_epoch:
          self._tell_what_is_faint(metrics)
        if logged and kept:
          self._log(step, metrics, clock, writer, progress)
        elif logged:
          waiting = step, metrics
        if evaluated:
          # The scores first: a run killed in between evaluates again.
          skills.append(self._evaluate(step, state, writer, progress))
          ended = last or not self._is_patient(skills, step)
          self._save(step, state, writer, skills[-1], ended)
          stopped, clock = stopped or ended, _Clock()  # no decoding in rates
        elif saved:
          self._save(step, state, writer)
        if stopped:
          break
    # Saves run behind the steps; the last one must be on disk before we say so.
    self.checkpointer.wait()
    return Outcome(
      *(step, self.total_steps, self.checkpointer.best_step()),
      not selection.is_patient(skills, self.config.train.patience),
    )

  def _skills_until(self, step: int) -> list[float]:
    """The skills of the evaluations so far, where early stopping reads them."""
    if not self.config.train.patience:
      return []
    split = selection.split_of(self.config.train.selection)
    lines = self.experiment.run_dir.evaluations()[split]
    return [
      line["skill"]
      for line in lines
      if line["step"] <= step and line.get("skill") is not None
    ]

  def _is_patient(self, skills: list[float], step: int) -> bool:
    """Whether training goes on; says so where it does not."""
    patience = self.config.train.patience
    patient = selection.is_patient(skills, patience)
    if not patient and multihost.is_first():
      logging.info(
        "%d evaluations in a row without a better one (train.patience): "
        "training ends at step %d of %d.",
        *(patience, step, self.total_steps),
      )
    return patient

  def _tell_start(self, start: int) -> None:
    if self.config.train.selection == "best_on_test":
      logging.warning(selection.BANNER)
    if not multihost.is_first():
      return
    block = starting_block(
      self.config,
      self.experiment.mixture,
      self.assembly.abstract_state.params,
      self.mesh,
      self.order,
      start,
      self.total_steps,
    )
    print(block, file=sys.stderr, flush=True)

  def _evaluation_is_due(self, step: int) -> bool:
    epoch, rest = divmod(step, self.order.steps_per_epoch)
    return rest == 0 and epoch % self.config.train.evaluate_every_epochs == 0

  def _tell_what_is_faint(self, metrics: dict[str, jax.Array]) -> None:
    """Says, once in a run, which modality the text stream hardly feels."""
    if not multihost.is_first():
      return
    dialogues = self.config.text.window > 0 and any(
      example.before or example.after
      for example in self.experiment.mixture.examples["train"]
    )
    for sentence in signal.sentences(_to_floats(metrics), dialogues):
      logging.warning("%s", sentence)

  def _save(
    self,
    step: int,
    state: TrainState,
    writer: MetricWriter,
    skill: float | None = None,
    ended: bool = False,
  ) -> None:
    """Starts saving.

    Args:
      step, state, writer: the run's.
      skill: that of an evaluation at this step.
      ended: whether training ends here, after all epochs or for want of
        patience.
    """
    metrics = {}
    if skill is not None:
      last_wins = self.config.train.selection == "last_epoch"
      metrics[SELECTION] = step if last_wins else skill
    metadata = {
      EPOCH: step / self.order.steps_per_epoch,
      ENDED: ended,
      _MESH: dict(self.mesh.shape),
      **self.identity,
    }
    # First the lines: a run that is killed between the two writes them again.
    writer.sync()
    self.checkpointer.save(step, state, metadata, metrics)

  def _log(
    self,
    step: int,
    metrics: dict[str, jax.Array],
    clock: "_Clock",
    writer: MetricWriter,
    progress: Progress,
  ) -> None:
    self.health.check(self.checkpointer.latest_step)
    values = _to_floats(metrics)
    values["real_tokens"] = self.order.real_tokens([self.order.plan(step - 1)])
    timings = clock.read()
    writer.write(step, "train", values, timings)
    progress.measured(step, values["loss"], timings["examples_per_second"])

  def _evaluate(
    self, step: int, state: TrainState, writer: MetricWriter, progress: Progress
  ) -> float:
    """Validation scores, written and shown; the skill that selection reads."""
    scores, skill = self._scores(step, state, "validation", writer)
    progress.evaluated(step // self.order.steps_per_epoch, scores)
    if selection.split_of(self.config.train.selection) == "test":
      if multihost.is_first():
        source = results.provenance(self.experiment)
        results.count_opening(self.experiment.run_dir, step, source)
      _, skill = self._scores(step, state, "test", writer)
    return skill

  def _scores(
    self, step: int, state: TrainState, split: str, writer: MetricWriter
  ) -> tuple[dict[str, float], float]:
    """Primary scores and mean skill of a split, written to the metrics."""
    evaluation = self.evaluator.evaluate(state.evaluated, split)
    scores = selection.primary_scores(evaluation.corpora)
    collapsed = bool(evaluation.decoding["collapse"]["warnings"])
    skill = selection.mean_skill(evaluation.corpora, collapsed)
    decoding = {
      name: evaluation.decoding[name]
      for name in ("malformed_rate", "distinct_outputs")
    }
    writer.write(step, split, {**scores, "skill": skill, **decoding})
    return scores, skill


def _warn_of_other_devices(
  before: dict[str, int] | None, now: dict[str, int]
) -> None:
  """Says that sums over devices come in another order than before.

  Args:
    before: mesh of the checkpoint; None where an older version saved it.
    now: mesh to go on with.
  """
  if before is not None and before != now:
    logging.warning(
      "The checkpoint was saved on a mesh of %s, and this run goes on with %s: "
      "its numbers may differ in their last bits from those of a run on one "
      "mesh.",
      *(_axes(before), _axes(now)),
    )


def _axes(mesh: dict[str, int]) -> str:
  return " x ".join(f"{axis} {size}" for axis, size in mesh.items())


def _to_floats(metrics: dict[str, jax.Array]) -> dict[str, float]:
  # All at once: each would wait for the device by itself.
  return {name: float(value) for name, value in jax.device_get(metrics).items()}


class _Clock:
  """How fast it goes, since it was made or last read."""

  def __init__(self):
    self._start()

  def _start(self) -> None:
    self._since, self._examples, self._steps = time.perf_counter(), 0, 0

  def add(self, examples: int) -> None:
    """Counts a step."""
    self._examples += examples
    self._steps += 1

  def read(self) -> dict[str, float]:
    """Of the steps since; there is at least one."""
    seconds = max(time.perf_counter() - self._since, 1e-9)
    timings = {
      "examples_per_second": self._examples / seconds,
      "seconds_a_step": seconds / self._steps,
    }
    self._start()
    return timings
