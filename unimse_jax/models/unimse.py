"""UniMSE: T5 with voice and face fused into its last layers."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.config import (
  DataConfig,
  LossConfig,
  ModelConfig,
  TextConfig,
)
from unimse_jax.models import masks, packing, signal
from unimse_jax.models.contrastive import ContrastiveProjection
from unimse_jax.models.fusion import (
  CrossAttentionFusion,
  Modality,
  PMFAdapter,
)
from unimse_jax.models.heads import Heads
from unimse_jax.models.layers import keep_mask
from unimse_jax.models.packing import UNPACKED, Layout
from unimse_jax.models.recurrent import ModalityEncoder
from unimse_jax.models.t5 import T5, AfterLayer, KeyValue, T5Config, Tree

MODALITIES = ("audio", "video")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniMSEConfig(ModelConfig):
  """The model section of a config, and what else shapes the network.

  Attributes:
    t5: shape of T5.
    modalities: data.modalities, in order.
    audio_frames: data.audio_frames, of the longest clip.
    video_frames: data.video_frames.
    marking: text.marking.
    absent: loss.absent.
    contrastive: whether the loss has a contrastive part, that is, whether
      loss.alpha or loss.beta is above 0.
    remat: train.remat.
    targets: (slot, number of classes) of the heads, 1 for the intensity; () if
      loss.heads is 0.
  """

  t5: T5Config
  modalities: tuple[str, ...] = MODALITIES
  audio_frames: int = DataConfig.audio_frames
  video_frames: int = DataConfig.video_frames
  marking: str = TextConfig.marking
  absent: str = LossConfig.absent
  contrastive: bool = True
  remat: str = "none"
  targets: tuple[tuple[str, int], ...] = ()

  def frames(self, modality: str) -> int:
    """Frames of the longest clip."""
    return {"audio": self.audio_frames, "video": self.video_frames}[modality]

  def _last_layers(self, layers: int) -> tuple[int, ...]:
    """Numbers of the PMF layers of a stack with `layers` layers.

    Fewer than the config asks for where the stack does not have them all.
    """
    if self.pmf_layer_numbers:
      return tuple(each for each in self.pmf_layer_numbers if each < layers)
    return tuple(range(max(layers - self.pmf_layers, 0), layers))

  @property
  def fused_layers(self) -> tuple[int, ...]:
    """Numbers, from 0, of the encoder layers that PMF follows."""
    return self._last_layers(self.t5.encoder_layers)

  @property
  def fused_decoder_layers(self) -> tuple[int, ...]:
    """The decoder's, whether or not `pmf_decoder` puts adapters there."""
    return self._last_layers(self.t5.decoder_layers)

  def contrasted(self, fused: Sequence[int]) -> tuple[int, ...]:
    """Numbers of the layers whose output the contrastive loss sees (D10)."""
    if self.contrastive_layers == "pmf":
      return tuple(fused)
    back = 1 if self.contrastive_layers == "pre_block" else 0
    return tuple(number - back for number in fused[-1:])


@struct.dataclass
class UniMSEOutput:
  """What the losses need.

  Attributes:
    logits: float32[B, T, V].
    anchors: per contrasted layer float32[B, C], the projected text (Eq. 3).
    keys: per modality float32[B, C], the projected modality (Eq. 3).
    present: per modality bool[B], whether the row has it.
    scores: see `Heads`; {} where there are none.
  """

  logits: jax.Array
  anchors: tuple[jax.Array, ...]
  keys: dict[str, jax.Array]
  present: dict[str, jax.Array]
  scores: dict[str, jax.Array] = struct.field(default_factory=dict)


@struct.dataclass
class FusedText:
  """What a decoder with adapters reads: more than the encoded text.

  Attributes:
    text: [B, S, D].
    modalities: by name.
  """

  text: jax.Array
  modalities: dict[str, Modality]

  @property
  def shape(self) -> tuple[int, ...]:
    return self.text.shape


# From `encode` to `start_cache`; opaque to all others. Rows come first in every
# array of it.
Encoded = jax.Array | FusedText


def decoder_mask(
  config: UniMSEConfig, batch: dict[str, jax.Array]
) -> jax.Array:
  """bool[B, S]: the encoder positions that the decoder may see (D19)."""
  if config.marking != "slice_encoder":
    return batch["encoder_mask"]
  return masks.own_tokens(batch)


class UniMSE(nn.Module):
  """The whole model. A batch is a dict of arrays (`data.batching`)."""

  config: UniMSEConfig

  def setup(self) -> None:
    config = self.config
    self.t5 = T5(config.t5, config.remat)
    if config.marking == "segments":
      self.segment_embedding = nn.Embed(
        2, config.t5.width, embedding_init=nn.initializers.zeros
      )
    self.modality_encoder = {
      name: ModalityEncoder(
        config.modality_width,
        config.frames(name),
        config.modality_dropout,
        config.lstm == "bi",
      )
      for name in config.modalities
    }
    if config.pmf:
      self.fusion = self._adapters(config.fused_layers)
      if config.pmf_decoder:
        self.fusion_decoder = self._adapters(config.fused_decoder_layers)
    if config.contrastive:
      self._set_up_contrastive()
    if config.targets:
      self.heads = Heads(config.targets, config.t5.dropout)

  def _adapters(self, layers: Sequence[int]) -> dict[str, nn.Module]:
    config = self.config
    if config.pmf_place == "cross_attention":
      return {
        f"layers_{number}": CrossAttentionFusion(
          width=config.adapter_width,
          heads=config.adapter_heads,
          init_kind=config.adapter_init,
          dtype=config.t5.compute_dtype,
          units=config.pmf_units,
        )
        for number in layers
      }
    return {
      f"layers_{number}": PMFAdapter(
        width=config.adapter_width,
        activation=config.adapter_activation,
        dtype=config.t5.compute_dtype,
        residual=config.adapter_residual,
        init_kind=config.adapter_init,
        norm=config.adapter_norm,
        units=config.pmf_units,
        parallel=config.pmf_place == "parallel",
      )
      for number in layers
    }

  def _set_up_contrastive(self) -> None:
    config = self.config

    def projection() -> ContrastiveProjection:
      return ContrastiveProjection(
        config.contrastive_width,
        config.contrastive_kernel,
        config.contrastive_pooling == "include_padding",
      )

    self.contrastive_text = projection()
    if config.contrastive_decoder:
      self.contrastive_decoder = projection()
    names = config.modalities
    if config.contrastive_keys == "shared":
      names = ("shared",) if names else ()
    self.contrastive_modality = {name: projection() for name in names}

  def _read_modalities(
    self, batch: dict[str, jax.Array], deterministic: bool
  ) -> dict[str, Modality]:
    """Voice and face, each a vector and the LSTM's states."""
    config, modalities = self.config, {}
    for name in config.modalities:
      mask = masks.frame_mask(batch, name, config.absent == "as_zeros")
      if name in config.zeroed_modalities:
        mask = jnp.zeros_like(mask)
      vector, states = self.modality_encoder[name](
        batch[name], mask, deterministic
      )
      modalities[name] = Modality(vector, states, mask)
    return modalities

  def _drop_modalities(
    self, modalities: dict[str, Modality], deterministic: bool
  ) -> dict[str, Modality]:
    """Lets some rows' voice, and some rows' face, count as absent.

    Each must then be worth something by itself, and the model learns what it
    can say where one is missing. The contrastive loss sees them all the same.
    """
    rate = self.config.drop_modality
    if deterministic or not rate:
      return modalities

    def drop(modality: Modality) -> Modality:
      rows = (len(modality.mask), 1)
      keep = keep_mask(self.make_rng("dropout"), 1 - rate, rows)
      vector = jnp.where(keep, modality.vector, 0.0)
      return Modality(vector, modality.states, modality.mask & keep)

    return {name: drop(each) for name, each in modalities.items()}

  def _drop_text(
    self, batch: dict[str, jax.Array], deterministic: bool
  ) -> dict[str, jax.Array]:
    """Hides some rows' words: all tokens but the last, which is </s>."""
    rate, mask = self.config.drop_text, batch["encoder_mask"]
    if deterministic or not rate:
      return batch
    keep = keep_mask(self.make_rng("dropout"), 1 - rate, (len(mask), 1))
    last = mask.sum(axis=1, keepdims=True) - 1
    keep |= jnp.arange(mask.shape[1]) == last
    return {**batch, "encoder_mask": mask & keep}

  def _fuser(
    self,
    stack: str,
    modalities: dict[str, Modality],
    collected: list[jax.Array],
    layout: Layout = UNPACKED,
  ) -> AfterLayer:
    """What follows each layer of a stack: PMF, and a look for Eq. 3."""
    config = self.config
    decoder = stack == "decoder"
    fused = config.fused_decoder_layers if decoder else config.fused_layers
    adapters: dict[str, nn.Module] = {}
    if config.pmf and (config.pmf_decoder or not decoder):
      adapters = self.fusion_decoder if decoder else self.fusion
    contrasted = config.contrasted(fused)
    last = config.t5.encoder_layers - 1

    def after_layer(
      number: int, before: jax.Array, after: jax.Array
    ) -> jax.Array:
      adapter = adapters.get(f"layers_{number}")
      if adapter is not None:
        output = adapter(before, after, modalities, layout)
        name = f"{'decoder_' * decoder}layers_{number}"
        signal.sow_changes(
          self, name, adapter, before, after, output, modalities, layout
        )
        after = output
      if number in contrasted:
        collected.append(layout.unpack(after))
      if not decoder and number == (fused or (last,))[-1]:
        # Kept only where `apply` asks for intermediates.
        self.sow("intermediates", "last_fused", layout.unpack(after))
      return after

    return after_layer

  def _embed(
    self, batch: dict[str, jax.Array], layout: Layout = UNPACKED
  ) -> jax.Array:
    """Token embeddings, and the mark of the utterance (Eq. 1): [P, R, D]."""
    x = self.t5.embed(layout.pack(batch["encoder_input_tokens"]))
    if self.config.marking != "segments":
      return x
    table = jax.lax.stop_gradient(self.t5.shared.embedding)
    unit = 1.0
    if self.config.segment_units == "table":
      unit = jnp.sqrt(jnp.mean(jnp.square(table)))
    marks = unit * self.segment_embedding.embedding
    signal.sow_segments(self, marks, table)
    own = layout.pack(batch["segment_ids"])[..., None] > 0
    # Two rows are no table: the gradient of a lookup is a scatter, in which all
    # tokens of a batch wait for each other.
    return x + jnp.where(own, marks[1], marks[0]).astype(x.dtype)

  def _encode(
    self,
    batch: dict[str, jax.Array],
    modalities: dict[str, Modality],
    deterministic: bool,
    layout: Layout = UNPACKED,
  ) -> tuple[jax.Array, list[jax.Array]]:
    """The encoded rows [P, R, D], and the contrasted layers' texts."""
    collected: list[jax.Array] = []
    encoded = self.t5.encoder(
      self._embed(batch, layout),
      batch["encoder_mask"],
      deterministic,
      self._fuser("encoder", modalities, collected, layout),
      layout,
    )
    return encoded, collected

  def encode(self, batch: dict[str, jax.Array]) -> Encoded:
    """The fused text [B, S, D], without dropout and never packed.

    With adapters in the decoder, a `FusedText` that holds it.
    """
    modalities = self._read_modalities(batch, deterministic=True)
    encoded, _ = self._encode(batch, modalities, deterministic=True)
    if self.config.pmf and self.config.pmf_decoder:
      return FusedText(encoded, modalities)
    return encoded

  def read_heads(
    self, encoded: Encoded, batch: dict[str, jax.Array]
  ) -> dict[str, jax.Array]:
    """What the heads say of rows that `encode` has read, see `Heads`."""
    text, _ = _unpacked(encoded)
    return self._scores(text, batch, deterministic=True)

  def _scores(
    self, text: jax.Array, batch: dict[str, jax.Array], deterministic: bool
  ) -> dict[str, jax.Array]:
    if not self.config.targets:
      return {}
    return self.heads(text, masks.own_tokens(batch), deterministic)

  def start_cache(
    self, encoded: Encoded, length: int
  ) -> tuple[list[KeyValue], tuple]:
    """The empty cache of `length` tokens, and what each step reads of rows.

    Rows come first in every array of both.
    """
    text, modalities = _unpacked(encoded)
    cache, cross = self.t5.start_cache(text, length)
    return cache, (cross, modalities)

  def decode_step(
    self,
    tokens: jax.Array,
    index: jax.Array,
    cache: list[KeyValue],
    cross: tuple,
    encoder_mask: jax.Array,
  ) -> tuple[jax.Array, list[KeyValue]]:
    """One token a row, see `T5.decode_step`."""
    keys, modalities = cross
    fuse = self._fuser("decoder", modalities, [])
    return self.t5.decode_step(tokens, index, cache, keys, encoder_mask, fuse)

  def decode_tree(
    self, tokens: jax.Array, cross: tuple, encoder_mask: jax.Array, tree: Tree
  ) -> jax.Array:
    """int32[B, Q] -> [B, Q, D], which `output` reads."""
    keys, modalities = cross
    decoded, _ = self.t5.decoder(
      self.t5.embed(tokens),
      keys,
      encoder_mask,
      deterministic=True,
      tree=tree,
      after_layer=self._fuser("decoder", modalities, []),
    )
    return decoded

  def output(self, decoded: jax.Array) -> tuple[jax.Array, jax.Array]:
    """See `T5.output`."""
    return self.t5.output(decoded)

  def __call__(
    self, batch: dict[str, jax.Array], deterministic: bool = True
  ) -> UniMSEOutput:
    """Teacher forcing over the batch; see `UniMSEOutput`."""
    layout = packing.of_batch(batch)
    batch = self._drop_text(batch, deterministic)
    modalities = self._read_modalities(batch, deterministic)
    fused = self._drop_modalities(modalities, deterministic)
    encoded, text_states = self._encode(batch, fused, deterministic, layout)
    label_states: list[jax.Array] = []
    logits = self.t5.decode(
      batch["decoder_input_tokens"],
      encoded,
      decoder_mask(self.config, batch),
      deterministic,
      after_layer=self._fuser("decoder", fused, label_states),
      layout=layout,
    )
    scores = self._scores(layout.unpack(encoded), batch, deterministic)
    if not self.config.contrastive:
      return UniMSEOutput(logits, (), {}, {}, scores)
    mask = batch["encoder_mask"]
    if self.config.contrastive_anchor == "utterance":
      mask = masks.own_tokens(batch)
    anchors = [self.contrastive_text(x, mask) for x in text_states]
    if self.config.contrastive_decoder:
      mask = batch["decoder_target_tokens"] > 0  # 0 is T5's padding
      anchors += [self.contrastive_decoder(x, mask) for x in label_states]
    keys, present = {}, {}
    for name, modality in modalities.items():
      shared = self.config.contrastive_keys == "shared"
      project = self.contrastive_modality["shared" if shared else name]
      keys[name] = project(modality.states, modality.mask)
      present[name] = jnp.any(modality.mask, axis=1)
    return UniMSEOutput(logits, tuple(anchors), keys, present, scores)


def _unpacked(encoded: Encoded) -> tuple[jax.Array, dict[str, Modality]]:
  if isinstance(encoded, FusedText):
    return encoded.text, encoded.modalities
  return encoded, {}
