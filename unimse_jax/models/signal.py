"""What each modality changes in the text, measured as the model runs.

The model leaves squares of a few tokens of each row in the collection "signal"
where `apply` asks for it (`mutable=["signal"]`); `training.signal` makes
figures of them. Nothing here has a gradient, and where nobody asks nothing is
computed.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.packing import Layout

COLLECTION = "signal"
# Tokens of a row that are looked at: an adapter that is run again, once for
# each modality, on all of them would cost a tenth of a small model's step.
TOKENS = 8


def every(length: int) -> int:
  """The stride that leaves at most TOKENS of `length` tokens."""
  return -(-length // TOKENS)


def is_wanted(module: nn.Module) -> bool:
  """Whether the caller of `apply` asked for the signal."""
  return (
    module.is_mutable_collection(COLLECTION) and not module.is_initializing()
  )


def sow_changes(
  module: nn.Module,
  name: str,
  fuse: Callable[[jax.Array, jax.Array, Mapping], jax.Array],
  before: jax.Array,
  after: jax.Array,
  fused: jax.Array,
  modalities: Mapping,
  layout: Layout,
) -> None:
  """Leaves what each modality changes in one layer's output.

  A change is the adapter's output minus its output with that modality absent
  (its vector zero, its frames masked), whatever the adapter computes: exact for
  every place, residual and start of PMF. Changes need not add up to the
  adapter's own.

  Args:
    module: UniMSE.
    name: the layer's name in the metrics.
    fuse: (before, after, modalities) -> output of the adapter.
    before: [P, R, D], the layer's stream before its feed-forward.
    after: [P, R, D], the text stream that the adapter fuses into.
    fused: [P, R, D], what came of it.
    modalities: name -> `fusion.Modality`.
    layout: where the texts stand in the rows.
  """
  if not is_wanted(module):
    return
  stride = every(layout.length(after))
  before, after, fused = (
    layout.sample(each, stride) for each in (before, after, fused)
  )
  squares = {"stream": _mean_square(after)}
  for changed, modality in modalities.items():
    absent = modality.replace(
      vector=jnp.zeros_like(modality.vector),
      mask=jnp.zeros_like(modality.mask),
    )
    others = jax.lax.stop_gradient({**modalities, changed: absent})
    without = jax.lax.stop_gradient(fuse(before, after, others))
    difference = fused.astype(jnp.float32) - without.astype(jnp.float32)
    squares[changed] = _mean_square(difference)
    squares[f"{changed}_present"] = jnp.any(modality.mask, axis=1)
  module.sow(COLLECTION, name, squares, init_fn=lambda: None, reduce_fn=_first)


def sow_saturation(
  module: nn.Module,
  activation: Callable[[jax.Array], jax.Array],
  inputs: jax.Array,
  layout: Layout,
) -> None:
  """Leaves which share of an adapter's units no longer passes a gradient.

  A unit is saturated where the derivative of its activation is below .01: a
  sigmoid beyond ±4.6, where its derivative is 4 % of the greatest; a ReLU below
  zero, which half of them are at any start.

  Args:
    module: the adapter.
    activation: function of its hidden units.
    inputs: [P, R, W] of the activation.
    layout: where the texts stand in the rows.
  """
  if not is_wanted(module):
    return
  inputs = layout.sample(inputs, every(layout.length(inputs)))
  inputs = inputs.astype(jnp.float32)
  _, slope = jax.jvp(activation, (inputs,), (jnp.ones_like(inputs),))
  share = jnp.mean(jnp.abs(slope) < 0.01, axis=-1, dtype=jnp.float32)
  # The adapter runs again for `sow_changes`: its first run is the real one.
  module.sow(
    COLLECTION, "saturated", share, init_fn=lambda: None, reduce_fn=_first
  )


def sow_segments(module: nn.Module, marks: jax.Array, table: jax.Array) -> None:
  """Leaves how far apart the marks of Eq. 1 are, in units of the embeddings.

  Args:
    module: UniMSE.
    marks: [2, D], what is added to context and to the utterance.
    table: float[V, D], the token embeddings.
  """
  if not is_wanted(module):
    return
  marks, table = jax.lax.stop_gradient((marks, table))
  ratio = jnp.sqrt(
    _mean_square(marks[1] - marks[0]) / jnp.mean(jnp.square(table))
  )
  module.sow(
    COLLECTION, "segments", ratio, init_fn=lambda: None, reduce_fn=_first
  )


def _mean_square(x: jax.Array) -> jax.Array:
  """Over the last axis, in float32."""
  return jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1)


def _first(kept, new):
  return new if kept is None else kept
