"""The training loss (Eq. 5): sums and weights until the last division."""

import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax

from unimse_jax.config import LossConfig
from unimse_jax.models import UniMSEOutput, masks
from unimse_jax.models.contrastive import info_nce
from unimse_jax.training import annotated_losses

Batch = dict[str, jax.Array]


class Objective(Protocol):
  """What a training step asks of a loss."""

  def divisors(self, batch: Batch) -> dict[str, jax.Array]:
    """What each part of the loss is divided by, over the whole batch."""

  def total(
    self, output: Any, batch: Batch, divisors: dict[str, jax.Array]
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss of a part of the batch, and what it was made of."""


@dataclasses.dataclass(frozen=True)
class WrittenLabels:
  """UniMSE's objective: `total`, and the heads' losses, weighted.

  Attributes:
    config: the loss section.
    slots: targets of the heads; () where there are none.
  """

  config: LossConfig
  slots: tuple[str, ...] = ()

  def divisors(self, batch: Batch) -> dict[str, jax.Array]:
    absent_as_zeros = self.config.absent == "as_zeros"
    return weights(batch, absent_as_zeros) | annotated_losses.weights(
      self.slots, batch
    )

  def total(
    self, output: UniMSEOutput, batch: Batch, divisors: dict[str, jax.Array]
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    loss, parts = total(output, batch, divisors, self.config)
    heads = annotated_losses.losses(output.scores, batch, divisors)
    loss += self.config.heads * sum(heads.values(), jnp.zeros(()))
    return loss, {**parts, **heads, "loss": loss}


def weights(
  batch: Batch, absent_as_zeros: bool = False
) -> dict[str, jax.Array]:
  """What each part of the loss is divided by, over the whole batch.

  Known before any forward pass, so that a batch worked off in parts has the
  gradient of the whole.
  """
  divisors = {"nll": batch["loss_weights"].sum()}
  for name in ("audio", "video"):
    if f"{name}_mask" in batch:
      mask = masks.frame_mask(batch, name, absent_as_zeros)
      divisors[name] = mask.any(1).sum().astype(jnp.float32)
  # A batch without any voice divides zero by one.
  return {name: jnp.maximum(value, 1.0) for name, value in divisors.items()}


def nll(output: UniMSEOutput, batch: Batch) -> tuple[jax.Array, jax.Array]:
  """L^task: sum of -log p of the target tokens, and of those that are right.

  Both are weighted by the tokens' loss weights. A token is right where none has
  a greater logit.
  """
  logits, targets = output.logits, batch["decoder_target_tokens"]
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
  # The softmax has the maximum already; argmax would read all logits again.
  own = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  right = own == logits.max(-1)
  loss_weights = batch["loss_weights"]
  return (losses * loss_weights).sum(), (right * loss_weights).sum()


def contrastive(
  output: UniMSEOutput, modality: str, config: LossConfig
) -> jax.Array:
  """Sum over the contrasted layers and rows of Eq. 4 for one modality."""
  total = jnp.zeros(())
  for anchors in output.anchors:
    total += info_nce(
      anchors,
      output.keys[modality],
      output.present[modality],
      config.temperature,
      config.normalize,
      config.count_positive_twice,
    )
  return total


def total(
  output: UniMSEOutput,
  batch: Batch,
  divisors: dict[str, jax.Array],
  config: LossConfig,
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """Eq. 5: L = L^task + alpha sum_j L^{ta,j} + beta sum_j L^{tv,j}.

  Returns:
    The loss, and the parts that it was made of, each already divided.
  """
  value, right = nll(output, batch)
  parts = {
    "nll": value / divisors["nll"],
    "token_accuracy": right / divisors["nll"],
  }
  loss = parts["nll"]
  factors = {"audio": config.alpha, "video": config.beta}
  for modality in output.keys:
    part = contrastive(output, modality, config) / divisors[modality]
    if config.contrastive_units == "chance":
      # Those of the part, where a batch is worked off in parts.
      candidates = jnp.maximum(output.present[modality].sum(), 2)
      part /= jnp.log(candidates) * len(output.anchors)
    parts[f"contrastive_{modality}"] = part
    loss += factors[modality] * part
  return loss, {"loss": loss, **parts}
