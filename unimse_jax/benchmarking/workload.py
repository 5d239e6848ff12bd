"""What is timed and compiled: a config's model and an epoch for it.

Synthetic batches and random weights: needs no files, and nothing beyond jax,
flax, optax, numpy and ml_collections.
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from unimse_jax.benchmarking import synthetic
from unimse_jax.config import Config
from unimse_jax.data.batching import Batch, BatchPlan
from unimse_jax.data.tokenizer import EOS
from unimse_jax.decoding import generate
from unimse_jax.decoding.grammar import TokenAutomaton
from unimse_jax.models import UniMSE
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.model_shape import model_config, random_t5
from unimse_jax.training.assembly import Assembly, assemble
from unimse_jax.training.batch_order import BatchOrder

# States and tokens of the label grammar of four slots in T5's vocabulary.
_AUTOMATON = (31, 161)


@dataclasses.dataclass(frozen=True)
class Workload:
  """Attributes:
  plans: batches of one epoch of the four train sets.
  lengths: int64[N], text tokens of each row.
  order: what the plans are of.
  """

  plans: list[BatchPlan]
  lengths: np.ndarray
  order: BatchOrder

  def of_shapes(self, shapes: Collection[Any]) -> list[BatchPlan]:
    """The plans that have one of these shapes."""
    return [plan for plan in self.plans if plan.shape in shapes]

  def plans_by_shape(self) -> list[BatchPlan]:
    """A plan of each shape, the commonest shape first."""
    counts = collections.Counter(plan.shape for plan in self.plans)
    plans = {plan.shape: plan for plan in self.plans}
    return [plans[shape] for shape, _ in counts.most_common()]

  def describe(self, plan: BatchPlan) -> str:
    """The encoder's rows and their length, as "28 x 208"."""
    return " x ".join(map(str, self.order.shape(plan)))

  def batch(self, config: Config, plan: BatchPlan, size: int) -> Batch:
    """This process's part of the arrays of a plan, padded to `size` rows."""
    lengths = self.lengths[list(plan.rows)]
    batch = synthetic.make_batch(config, lengths, size, plan.length)
    own = self.order.own_rows(size)
    batch = {name: values[own] for name, values in batch.items()}
    return batch | self.order.layout(plan)


def synthetic_model(config: Config) -> UniMSE:
  """The model of a config, its T5 in the shape of the config's t5 fields.

  Those equal T5-base where the config names google-t5/t5-base; another
  pretrained T5 needs its shape given as --config.t5.width=... and so on.
  """
  t5 = random_t5(config, synthetic.vocabulary_size(config))
  schema = synthetic.label_text(config).schema
  return UniMSE(model_config(config, t5, schema))


def init_params(config: Config, model: UniMSE, key: jax.Array) -> Any:
  """Random parameters; trace it for their shapes alone."""
  batch = synthetic.make_batch(config, np.array([2]), 1, 2)
  return model.init(key, batch)["params"]


def _param_shapes(config: Config, model: UniMSE) -> Any:
  make = functools.partial(init_params, config, model)
  return jax.eval_shape(make, jax.random.key(0))


def random_params(config: Config, model: UniMSE, mesh: Mesh) -> Any:
  """Random weights on the mesh, with finite losses; no run starts from them.

  Drawn here: to compile the start of a whole T5 for a GPU takes longer than to
  compile its step.
  """
  shapes = _param_shapes(config, model)
  rng = np.random.default_rng(config.seed)

  def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    name = path[-1].key
    if name == "scale":
      return np.ones(leaf.shape, leaf.dtype)
    values = rng.standard_normal(leaf.shape, np.float32)
    inputs = 1 if name == "embedding" else math.prod(leaf.shape[:-1])
    return (values * inputs**-0.5).astype(leaf.dtype)

  return jax.device_put(
    jax.tree.map_with_path(draw, shapes), sharding.state_sharding(shapes, mesh)
  )


def make_assembly(config: Config, mesh: Mesh) -> tuple[UniMSE, Assembly]:
  """The model and its training step.

  The schedule is always as long, so that all who time or count a step share its
  compiled program.
  """
  model = synthetic_model(config)
  shapes = _param_shapes(config, model)
  return model, assemble(config, model, shapes, mesh, total_steps=1000)


def encode_and_decode(
  model: UniMSE,
  max_new_tokens: int,
  beams: int,
  params: Any,
  batch: dict[str, jax.Array],
  automaton: TokenAutomaton,
) -> jax.Array:
  """Label tokens of a batch, int32[B, max_new_tokens + 1]."""
  encoded = model.apply({"params": params}, batch, method="encode")
  return generate.search(
    model,
    params,
    encoded,
    batch["encoder_mask"],
    automaton,
    max_new_tokens,
    beams,
  )


def make_step(config: Config, mesh: Mesh) -> Callable[[Batch], Any]:
  """The training step, which goes on with the state that it leaves."""
  model, assembly = make_assembly(config, mesh)
  state = assembly.create_state(random_params(config, model, mesh))
  key = jax.device_put(jax.random.key(config.seed), sharding.replicated(mesh))

  def step(batch: Batch):
    nonlocal state
    state, metrics = assembly.step(state, batch, key)
    return state, metrics

  return step


def make_lstms(config: Config, mesh: Mesh) -> Callable[[Batch], Any]:
  """Forward and backward of the LSTMs alone."""
  model = synthetic_model(config)
  params = random_params(config, model, mesh)
  readers = {
    name: values
    for name, values in params.items()
    if name.startswith("modality_encoder")
  }

  def total(readers: Any, batch: Batch) -> jax.Array:
    read = model.apply(
      {"params": {**params, **readers}},
      batch,
      False,
      rngs={"dropout": jax.random.key(config.seed)},
      method="_read_modalities",
    )
    return sum(
      jnp.square(array).sum()
      for each in read.values()
      for array in (each.vector, each.states)
    )

  return functools.partial(jax.jit(jax.grad(total)), readers)


def make_workload(config: Config, mesh: Mesh) -> Workload:
  """One epoch with the corpora's lengths, in the trainer's own batches."""
  lengths = synthetic.text_lengths(config.text, config.seed)
  order = BatchOrder(lengths, synthetic.row_corpora(), config, mesh)
  return Workload(order.epoch(0), lengths, order)


def noise_automaton(seed: int) -> TokenAutomaton:
  """A text that goes on for ever, whatever is written."""
  rng = np.random.default_rng(seed)
  states, columns = _AUTOMATON
  # The last state, the end, is never reached.
  following = rng.integers(0, states - 1, (states, columns))
  return TokenAutomaton(
    tokens=np.arange(columns, dtype=np.int32) + EOS + 1,
    next_states=following.astype(np.int32),
    distance=np.zeros(states, np.int32),
  )
