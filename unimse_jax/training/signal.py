"""Figures of what reaches the label, in every step's metrics.

  signal/layers_11/stream     RMS of the text stream that PMF fuses into
  signal/layers_11/audio      RMS of what the voice changes in it, over the RMS
                              of the stream, both of rows that have a voice
  signal/layers_11/saturated  share of the adapter's units that pass no gradient
  signal/segments             RMS of the difference of the two segment rows
                              (Eq. 1), over the RMS of the token embeddings
  gradient/t5                 norm of the gradient of a group of parameters

A decoder's layers are `decoder_layers_3`. Up to `models.signal.TOKENS` tokens
of each row are looked at, evenly spaced, as the step runs: with its dropout,
and before its update. They are part of every step, whether or not it is logged,
so that how often a run logs changes nothing in it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from unimse_jax.models.signal import COLLECTION, every
from unimse_jax.parallel import trees

FAINT = 0.01  # of the stream: below it a run says so after its first epoch
GROUPS = (
  (r"^t5/", "t5"),
  (r"^fusion", "adapters"),
  (r"^modality_encoder", "encoders"),
  (r"^contrastive", "projections"),
  (r"^segment", "segments"),
  (r".*", "others"),
)

# Sum and weight: their quotient is the figure or, of squares, its square.
Sums = dict[str, tuple[jax.Array, jax.Array]]
_SATURATED, _SEGMENTS = "saturated", "segments"
_PLAIN = (_SATURATED, _SEGMENTS)  # no squares


def add_up(
  variables: Mapping[str, Any], batch: Mapping[str, jax.Array]
) -> Sums:
  """Sums over the tokens of a batch, or of a part of it.

  Args:
    variables: mutable collections that `apply` returned.
    batch: arrays that the model was applied to.

  Returns:
    "layers_11/audio" -> float32[] twice; those of parts can be added.
  """
  sown = variables.get(COLLECTION, {})
  sums: Sums = {}
  for name, values in sown.items():
    if name == _SEGMENTS:
      sums[name] = (values, jnp.ones(()))
      continue
    layer = name.removeprefix("fusion_")
    weights = _weights(layer, batch)
    if layer != name:
      share = values[_SATURATED]
      sums[f"{layer}/{_SATURATED}"] = _sum(share, weights), weights.sum()
      continue
    stream = values["stream"]
    sums[f"{layer}/stream"] = _sum(stream, weights), weights.sum()
    for modality in values.keys() - {"stream"}:
      if f"{modality}_present" in values:
        present = weights * values[f"{modality}_present"][:, None]
        sums[f"{layer}/{modality}"] = (
          _sum(values[modality], present),
          _sum(stream, present),
        )
  return sums


def _weights(layer: str, batch: Mapping[str, jax.Array]) -> jax.Array:
  """float32[B, S'], 1 for the tokens that were looked at and are no padding."""
  mask = batch["encoder_mask"]
  if layer.startswith("decoder"):
    mask = batch["decoder_target_tokens"] > 0  # 0 is T5's padding
  return mask[:, :: every(mask.shape[1])].astype(jnp.float32)


def _sum(values: jax.Array, weights: jax.Array) -> jax.Array:
  return jnp.sum(values * weights)


def figures(sums: Sums) -> dict[str, jax.Array]:
  """The metrics; NaN where no row of the batch has the modality."""
  metrics = {}
  for name, (total, weight) in sums.items():
    value = jnp.where(weight > 0, total / weight, jnp.nan)
    plain = name.rpartition("/")[-1] in _PLAIN
    metrics[f"signal/{name}"] = value if plain else jnp.sqrt(value)
  return metrics


def gradient_norms(grads: Any) -> dict[str, jax.Array]:
  """Norms of the gradients of each group of parameters, before clipping."""
  groups = trees.match(GROUPS, grads)
  squares: dict[str, jax.Array] = {}
  for group, leaf in zip(
    jax.tree.leaves(groups), jax.tree.leaves(grads), strict=True
  ):
    square = jnp.sum(jnp.square(leaf.astype(jnp.float32)))
    squares[group] = squares.get(group, 0.0) + square
  return {f"gradient/{name}": jnp.sqrt(each) for name, each in squares.items()}


def sentences(metrics: Mapping[str, float], dialogues: bool) -> Iterator[str]:
  """One for each modality, and for the segment mark, that is below FAINT.

  Args:
    metrics: one step's metrics.
    dialogues: whether the texts hold turns that the mark must tell apart.
  """
  most: dict[str, tuple[float, str]] = {}
  for name, value in metrics.items():
    kind, _, rest = name.partition("/")
    _, _, modality = rest.partition("/")
    if kind != "signal" or modality in ("", "stream", _SATURATED):
      continue
    if not math.isnan(value):
      most[modality] = max(most.get(modality, (-1.0, "")), (value, name))
  for modality, (value, name) in most.items():
    if value < FAINT:
      yield (
        f"After the first epoch {modality} changes at most {value:.2%} of the "
        f"text stream ({name}), less than {FAINT:.0%}: the label hardly "
        "depends on it. Look at optimizer.lr_pmf and optimizer.lr_main, and at "
        "docs/troubleshooting.md, `changes at most`."
      )
  mark = metrics.get(f"signal/{_SEGMENTS}", math.inf)
  if dialogues and mark < FAINT:
    yield (
      f"After the first epoch the segment rows differ by {mark:.2%} of a "
      f"token embedding (signal/{_SEGMENTS}), less than {FAINT:.0%}: the model "
      "hardly knows which turn it labels. Look at optimizer.lr_segment, at "
      "text.marking, and at docs/troubleshooting.md, `the segment rows differ "
      "by`."
    )
