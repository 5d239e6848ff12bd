"""Which batch each step of a training reads, and how its texts are packed."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from unimse_jax.config import Config
from unimse_jax.data import packing
from unimse_jax.data.batching import Batch, BatchPlan, plan_epoch
from unimse_jax.data.dialogues import Dialogues
from unimse_jax.errors import InputError
from unimse_jax.parallel import sharding


class BatchOrder:
  """Step number -> the plan of its batch, a function of the step alone."""

  def __init__(
    self,
    lengths: Sequence[int],
    corpora: Sequence[str],
    config: Config,
    mesh: Mesh,
    dialogues: Dialogues | None = None,
  ):
    """Plans the first epoch.

    Args:
      lengths: encoder tokens of each row of the training split.
      corpora: corpus of each row.
      config: the run's; its data, train and model sections are read.
      mesh: devices that share a batch; each packs its own texts.
      dialogues: the split's, for a model that reads them whole; its texts are
        not packed.

    Raises:
      InputError: a batch holds no whole dialogue, several processes would
        share one, or corpora were to come more often than others.
    """
    self._lengths, self._corpora = np.asarray(lengths), corpora
    self._config, self._dialogues, self._mesh = config, dialogues, mesh
    self._divisor = sharding.batch_divisor(mesh)
    if dialogues is not None and jax.process_count() > 1:
      raise InputError(
        f"config.rival.system: {config.rival.system} reads whole dialogues, "
        "which are not shared out over processes: expected 1, found "
        f"{jax.process_count()}"
      )
    if dialogues is not None and config.data.temperature != 1:
      raise InputError(
        "config.data.temperature: expected 1, for "
        f"{config.rival.system} reads every dialogue once an epoch, found "
        f"{config.data.temperature}"
      )
    self._groups = packing.group_rows(
      config.train.batch_size,
      self._divisor,
      config.train.microbatches,
    )
    # Two epochs: the thread that reads ahead is in the next one first.
    self.epoch = functools.lru_cache(2)(self._epoch)
    self.steps_per_epoch = len(self.epoch(0))

  def _epoch(self, number: int) -> list[BatchPlan]:
    config = self._config
    if self._dialogues is not None:
      return self._dialogues.plans(
        *(self._lengths, config.data.buckets, config.train.batch_size),
        np.random.default_rng([config.seed, number]),
      )
    return plan_epoch(
      self._lengths,
      self._corpora,
      config.data.buckets,
      self._groups,
      config.seed,
      number,
      config.data.temperature,
      # D14 asks for what the encoder makes of each text's padding.
      packs=config.model.contrastive_pooling != "include_padding",
    )

  def plan(self, step: int) -> BatchPlan:
    """The plan of step `step`, counted from 0 over all epochs."""
    epoch, place = divmod(step, self.steps_per_epoch)
    return self.epoch(epoch)[place]

  def layout(self, plan: BatchPlan) -> Batch:
    """What leads from the batch's rows to those of the encoder or to dialogues.

    `packing.arrays` of this process's texts, or `Dialogues.arrays`; {} where
    there is neither.
    """
    if self._dialogues is not None:
      return self._dialogues.arrays(plan.rows, self._divisor)
    if plan.packed is None:
      return {}
    found = packing.arrays(
      self._lengths[list(plan.rows)], plan.length, self._groups, plan.packed
    )
    own = self.own_rows(len(self._groups))
    return {name: array[own] for name, array in found.items()}

  def own_rows(self, size: int) -> np.ndarray:
    """`sharding.own_rows` of an array of the whole batch."""
    return sharding.own_rows(size, self._mesh)

  def shape(self, plan: BatchPlan) -> tuple[int, int]:
    """Number and length of the encoder's rows, of all processes."""
    if plan.packed is None:
      return self._groups.size, plan.length
    rows, length = plan.packed
    return len(self._groups) * rows, length

  def real_tokens(self, plans: Sequence[BatchPlan]) -> float:
    """Share of the encoder's places in which a token stands."""
    tokens = sum(self._lengths[list(plan.rows)].sum() for plan in plans)
    places = sum(np.prod(self.shape(plan)) for plan in plans)
    return float(tokens / places)
