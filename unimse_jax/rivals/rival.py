"""Any system as a whole model: T5's encoder, the system, heads for tasks."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.models import T5, T5Config, masks, packing
from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals import registry
from unimse_jax.rivals.streams import TEXT, Stream


@dataclasses.dataclass(frozen=True, kw_only=True)
class RivalShape:
  """What shapes the network.

  Attributes:
    t5: shape of T5, of which the encoder is used.
    system: name in `registry.SYSTEMS`.
    width: W, of the vectors of an utterance.
    dropout: share of that vector, and inside of the system, that a step drops.
    options: fields of the system's module and their values, where they are not
      its defaults.
    modalities: data.modalities, in order.
    frames: number of frames of the longest clip, for each modality.
    targets: slot -> number of classes; 1 for the intensity.
    remat: train.remat.
  """

  t5: T5Config
  system: str
  width: int
  dropout: float
  options: tuple[tuple[str, Any], ...] = ()
  modalities: tuple[str, ...] = ()
  frames: tuple[int, ...] = ()
  targets: tuple[tuple[str, int], ...] = ()
  remat: str = "none"


@struct.dataclass
class RivalOutput:
  """What the losses and the predictions need.

  Attributes:
    scores: slot -> float32[B, C], the classes' logits; the intensity's is
      float32[B, 1], in points of the score.
    vector: float32[B, V], which the heads read.
    auxiliary: see `streams.Fused`.
  """

  scores: dict[str, jax.Array]
  vector: jax.Array
  auxiliary: dict[str, jax.Array]


class Rival(nn.Module):
  """A system in UniMSE's place; a batch is the same dict of arrays."""

  config: RivalShape

  def setup(self) -> None:
    config = self.config
    self.t5 = T5(config.t5, config.remat)
    self.rival = registry.make(
      config.system, config.width, config.dropout, config.options
    )
    self.drop = Dropout(config.dropout)
    self.head = {name: Dense(size) for name, size in config.targets}

  def __call__(
    self, batch: dict[str, jax.Array], deterministic: bool = True
  ) -> RivalOutput:
    """Scores of every target of every row.

    Args:
      batch: arrays (`data.batching`); for a system that reads dialogues also
        those of `data.dialogues`.
      deterministic: False draws dropout from the "dropout" stream and has the
        system compute its own losses.
    """
    fused = self.rival(
      self._streams(batch, deterministic), batch, deterministic
    )
    vector = self.drop(fused.vector, deterministic)
    scores = {name: head(vector) for name, head in self.head.items()}
    return RivalOutput(scores, fused.vector, fused.auxiliary)

  def memory(self, examples: int) -> dict[str, Any]:
    """What the system keeps from step to step, at the start of training.

    Args:
      examples: utterances of the training split.

    Returns:
      The collection `MEMORY`; {} of a system that keeps nothing.
    """
    own = registry.memory(self.config, examples)
    return {"rival": own} if own else {}

  def _streams(
    self, batch: dict[str, jax.Array], deterministic: bool
  ) -> dict[str, Stream]:
    """The words first, then the modalities in order."""
    layout = packing.of_batch(batch)
    states = self.t5.encode(
      batch["encoder_input_tokens"],
      batch["encoder_mask"],
      deterministic,
      layout,
    )
    states = layout.unpack(states).astype(jnp.float32)
    streams = {TEXT: Stream(states, masks.own_tokens(batch))}
    sizes = zip(self.config.modalities, self.config.frames, strict=True)
    for name, longest in sizes:
      streams[name] = Stream(batch[name], batch[f"{name}_mask"], longest)
    return streams
