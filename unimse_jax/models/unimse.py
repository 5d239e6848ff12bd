"""UniMSE: T5 with voice and face fused into its last encoder layers."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.models.contrastive import ContrastiveProjection
from unimse_jax.models.fusion import PMFAdapter
from unimse_jax.models.recurrent import ModalityEncoder
from unimse_jax.models.t5 import T5, KeyValue, T5Config

MODALITIES = ("audio", "video")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniMSEConfig:
  """Shape of UniMSE (section 4.4). Modalities: "audio", "video", in order."""

  t5: T5Config
  modalities: tuple[str, ...] = MODALITIES
  audio_frames: int = 157  # of the longest clip
  video_frames: int = 32
  modality_width: int = 64  # d_a = d_v
  modality_dropout: float = 0.3
  pmf_layers: int = 3  # the last ones of the encoder
  pmf: bool = True
  adapter_width: int = 64
  adapter_activation: str = "sigmoid"
  segments: bool = True  # Eq. 1 as an embedding
  contrastive: bool = True
  contrastive_width: int = 64
  contrastive_kernel: int = 1

  def frames(self, modality: str) -> int:
    """Frames of the longest clip."""
    return {"audio": self.audio_frames, "video": self.video_frames}[modality]

  @property
  def fused_layers(self) -> tuple[int, ...]:
    """Numbers, from 0, of the encoder layers that PMF follows."""
    layers = self.t5.encoder_layers
    return tuple(range(layers - self.pmf_layers, layers))


@struct.dataclass
class UniMSEOutput:
  """What the losses need.

  Attributes:
    logits: float32[B, T, V].
    anchors: per fused layer float32[B, C], the projected text (Eq. 3).
    keys: per modality float32[B, C], the projected modality (Eq. 3).
    present: per modality bool[B], whether the row has it.
  """

  logits: jax.Array
  anchors: tuple[jax.Array, ...]
  keys: dict[str, jax.Array]
  present: dict[str, jax.Array]


class UniMSE(nn.Module):
  """The whole model. A batch is a dict of arrays (`data.batching`)."""

  config: UniMSEConfig

  def setup(self) -> None:
    config = self.config
    self.t5 = T5(config.t5)
    if config.segments:
      self.segment_embedding = nn.Embed(
        2,
        config.t5.width,
        dtype=config.t5.compute_dtype,
        embedding_init=nn.initializers.zeros,
      )
    self.modality_encoder = {
      name: ModalityEncoder(
        config.modality_width, config.frames(name), config.modality_dropout
      )
      for name in config.modalities
    }
    if config.pmf:
      self.fusion = {
        f"layers_{number}": PMFAdapter(
          config.adapter_width,
          config.adapter_activation,
          config.t5.compute_dtype,
        )
        for number in config.fused_layers
      }
    if config.contrastive:
      self.contrastive_text = ContrastiveProjection(
        config.contrastive_width, config.contrastive_kernel
      )
      self.contrastive_modality = {
        name: ContrastiveProjection(
          config.contrastive_width, config.contrastive_kernel
        )
        for name in config.modalities
      }

  def _encode(
    self, batch: dict[str, jax.Array], deterministic: bool
  ) -> tuple[jax.Array, list[jax.Array], dict[str, jax.Array]]:
    """Encoded text, the fused layers' outputs, the modalities' states."""
    mask = batch["encoder_mask"]
    x = self.t5.embed(batch["encoder_input_tokens"])
    if self.config.segments:
      x = x + self.segment_embedding(batch["segment_ids"])
    vectors, states = [], {}
    for name in self.config.modalities:
      vector, states[name] = self.modality_encoder[name](
        batch[name], batch[f"{name}_mask"], deterministic
      )
      vectors.append(vector)
    fused = []

    def after_layer(number: int, hidden: jax.Array) -> jax.Array:
      if number not in self.config.fused_layers:
        return hidden
      if self.config.pmf:
        hidden = self.fusion[f"layers_{number}"](hidden, vectors)
      fused.append(hidden)
      return hidden

    encoded = self.t5.encoder(x, mask, deterministic, after_layer)
    return encoded, fused, states

  def encode(self, batch: dict[str, jax.Array]) -> jax.Array:
    """The fused text, [B, S, D], without dropout."""
    return self._encode(batch, deterministic=True)[0]

  def start_cache(
    self, encoded: jax.Array, length: int
  ) -> tuple[list[KeyValue], list[KeyValue]]:
    return self.t5.start_cache(encoded, length)

  def decode_step(self, *args) -> tuple[jax.Array, list[KeyValue]]:
    return self.t5.decode_step(*args)

  def score_tokens(self, *args) -> jax.Array:
    return self.t5.decode(*args)

  def __call__(
    self, batch: dict[str, jax.Array], deterministic: bool = True
  ) -> UniMSEOutput:
    """Teacher forcing over the batch; see `UniMSEOutput`."""
    encoded, fused, states = self._encode(batch, deterministic)
    logits = self.t5.decode(
      batch["decoder_input_tokens"],
      encoded,
      batch["encoder_mask"],
      deterministic,
    )
    anchors, keys, present = (), {}, {}
    if self.config.contrastive:
      mask = batch["encoder_mask"]
      anchors = tuple(self.contrastive_text(x, mask) for x in fused)
      for name in self.config.modalities:
        mask = batch[f"{name}_mask"]
        keys[name] = self.contrastive_modality[name](states[name], mask)
        present[name] = jnp.any(mask, axis=1)
    return UniMSEOutput(logits, anchors, keys, present)
