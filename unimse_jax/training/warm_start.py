"""A T5 of random weights first learns what its texts mean.

Where no pretrained T5 can be had, its encoder is taught to give each training
text the vector that the sentence encoder gave it when the labels were
completed (distillation; Hinton et al. 2015), after its token embeddings were
fitted to the same (`token_vectors`). The label comes into it nowhere, and no
held-out text. What it leaves are the initial parameters of the training
proper: a run that is killed before its first checkpoint does it again.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm
from absl import logging
from jax.sharding import Mesh

from unimse_jax.data import sentences
from unimse_jax.data.batching import (
  Batch,
  Batcher,
  collate_text,
  prefetch,
)
from unimse_jax.data.inputs import CURRENT
from unimse_jax.models import T5, packing
from unimse_jax.parallel import sharding
from unimse_jax.pipeline import Experiment
from unimse_jax.training.batch_order import BatchOrder
from unimse_jax.training.optimizer import make_optimizer
from unimse_jax.training.token_vectors import embeddings

_TARGET = "sentence_vectors"


def distance(
  params: Any, batch: dict[str, jax.Array], key: jax.Array, *, t5: T5
) -> jax.Array:
  """Mean over the rows of 1 - cos(W m, s).

  m is the mean of the encoder's output over the utterance's own tokens, s the
  sentence encoder's vector, W a linear map that is thrown away afterwards.

  Args:
    params: {"t5": its encoder and embedding, "head": {"kernel": W^T
      float32[width, D]}}.
    batch: `collate_text`'s arrays and `sentence_vectors` float32[B, D]; where
      it is packed, `packing.arrays` too.
    key: random key of dropout.
    t5: the module.
  """
  layout = packing.of_batch(batch)
  encoded = t5.apply(
    {"params": params["t5"]},
    batch["encoder_input_tokens"],
    batch["encoder_mask"],
    False,
    layout,
    method="encode",
    rngs={"dropout": key},
  )
  encoded = layout.unpack(encoded)
  own = batch["encoder_mask"] & (batch["segment_ids"] == 1)
  total = jnp.einsum("BSD,BS->BD", encoded.astype(jnp.float32), own)
  # The cosine does not see the length: the sum does as well as the mean.
  distances = optax.losses.cosine_distance(
    total @ params["head"]["kernel"], batch[_TARGET], epsilon=1e-6
  )
  rows = own.any(axis=1)
  return (distances * rows).sum() / jnp.maximum(rows.sum(), 1)


def warm_start(
  experiment: Experiment,
  params: Any,
  mesh: Mesh,
  batcher: Batcher,
  order: BatchOrder,
  steps: int,
) -> Any:
  """The parameters, T5's taught what the training texts mean.

  Rates, warm-up and decay are those of the training proper, its last step that
  of the warm start.

  Args:
    experiment: the run; its config and model are used.
    params: the initial ones, placed on the mesh.
    mesh: devices to run on.
    batcher: training split, of which only the texts are read.
    order: the batches of the steps.
    steps: number of steps of the warm start.

  Raises:
    InputError: the exporter's vectors are missing or not of these labels.
  """
  config = experiment.config
  examples = experiment.mixture.examples[batcher.split]
  vectors = sentences.load(config.data.labels, examples)
  key, head = _random(config.seed, config.t5.width, vectors.shape[1], mesh)
  # The decoder has no gradient here, and must not decay.
  reads = {
    "shared": _embedded(experiment, batcher, vectors, params["t5"]["shared"]),
    "encoder": params["t5"]["encoder"],
  }
  learnt = {"t5": reads, "head": {"kernel": head}}
  optimizer = make_optimizer(config.optimizer, learnt, steps)
  places = tuple(
    sharding.state_sharding(shapes, mesh)
    for shapes in (learnt, jax.eval_shape(optimizer.init, learnt))
  )
  update = jax.jit(
    functools.partial(
      _update, optimizer=optimizer, t5=T5(experiment.pipeline.model.config.t5)
    ),
    out_shardings=(*places, sharding.replicated(mesh)),
    donate_argnums=(0, 1),
  )
  state = jax.jit(optimizer.init, out_shardings=places[1])(learnt)
  values = []
  own = order.own_rows(config.train.batch_size)
  batches = prefetch(
    lambda step: _batch(batcher, order, step, own, vectors), range(steps)
  )
  bar = tqdm.tqdm(batches, "warm start", steps, unit="step", disable=None)
  for number, arrays in enumerate(bar):
    batch = sharding.shard_batch(arrays, mesh)
    learnt, state, value = update(learnt, state, batch, key, number)
    values.append(value)
  _log(values)
  return params | {"t5": params["t5"] | learnt["t5"]}


def _embedded(
  experiment: Experiment, batcher: Batcher, vectors: np.ndarray, shared: Any
) -> Any:
  """T5's embedding, fitted to the vectors; placed as the one given."""
  texts = [
    [
      token
      for token, segment in zip(row.tokens, row.segments, strict=True)
      if segment == CURRENT
    ]
    for row in batcher.encoded
  ]
  seed = experiment.config.seed
  fitted = embeddings(texts, vectors, *shared["embedding"].shape, seed)
  return {"embedding": jax.device_put(fitted, shared["embedding"].sharding)}


def _log(distances: Sequence[jax.Array]) -> None:
  """Says how near the vectors came, in the first and in the last tenth."""
  tenth = max(len(distances) // 10, 1)
  first, last = (
    float(np.mean(jax.device_get(part)))
    for part in (distances[:tenth], distances[-tenth:])
  )
  logging.info(
    "Warm start, %d steps: cosine of the texts' vectors %.3f, at last %.3f.",
    *(len(distances), 1 - first, 1 - last),
  )


def _random(
  seed: int, width: int, dimension: int, mesh: Mesh
) -> tuple[jax.Array, jax.Array]:
  """The key of the dropout and the initial W^T, on the whole mesh."""

  def make() -> tuple[jax.Array, jax.Array]:
    of_head, of_dropout = jax.random.split(jax.random.key(seed))
    head = jax.random.normal(of_head, (width, dimension))
    return of_dropout, width**-0.5 * head

  return jax.jit(make, out_shardings=sharding.replicated(mesh))()


def _update(
  learnt: Any,
  state: optax.OptState,
  batch: dict[str, jax.Array],
  key: jax.Array,
  number: jax.Array,
  *,
  optimizer: optax.GradientTransformation,
  t5: T5,
) -> tuple[Any, optax.OptState, jax.Array]:
  """One step: what is learnt, the optimizer's state, the distance before."""
  value, gradient = jax.value_and_grad(distance)(
    learnt, batch, jax.random.fold_in(key, number), t5=t5
  )
  updates, state = optimizer.update(gradient, state, learnt)
  return optax.apply_updates(learnt, updates), state, value


def _batch(
  batcher: Batcher,
  order: BatchOrder,
  step: int,
  own: Sequence[int],
  vectors: np.ndarray,
) -> Batch:
  """The texts of a step's rows `own` (this process's), and their vectors."""
  plan = order.plan(step)
  rows, size = plan.rows_at(own), len(own)
  target = np.zeros((size, vectors.shape[1]), np.float32)
  target[: len(rows)] = vectors[rows]
  encoded = [batcher.encoded[row] for row in rows]
  # No label is read here: the shortest of them will do.
  batch = collate_text(encoded, size, plan.length, 1)
  return batch | order.layout(plan) | {_TARGET: target}
