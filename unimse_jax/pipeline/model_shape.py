"""The model that a config describes: its shape and how it writes labels.

Needs no files, and nothing beyond jax, flax, numpy and ml_collections.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unimse_jax.config import Config, layer_faults
from unimse_jax.errors import InputError
from unimse_jax.labels import INTENSITY, LabelSchema, LabelText
from unimse_jax.models import T5Config, UniMSE, UniMSEConfig
from unimse_jax.rivals import Rival, RivalShape, read_options

_LANES = 128  # vocabulary entries are padded to a multiple of it


def random_t5(config: Config, vocab_size: int) -> T5Config:
  """The shape that the config gives to a T5 of random weights."""
  fields = config.t5
  return T5Config(
    vocab_size=-(-vocab_size // _LANES) * _LANES,
    width=fields.width,
    head_width=fields.head_width,
    hidden=fields.hidden,
    heads=fields.heads,
    encoder_layers=fields.encoder_layers,
    decoder_layers=fields.decoder_layers,
    activation=fields.activation,
    gated=fields.gated,
  )


def model_config(
  config: Config, t5: T5Config, schema: LabelSchema | None = None
) -> UniMSEConfig:
  """The model's own view of a config.

  Args:
    config: the typed config.
    t5: shape of its T5.
    schema: slots of the labels; None leaves out the heads, whatever the config
      says.

  Raises:
    InputError: the PMF layers are not all layers of this T5.
  """
  t5 = dataclasses.replace(t5, dtype=config.t5.dtype, dropout=config.t5.dropout)
  faults = layer_faults(config, t5.encoder_layers, t5.decoder_layers)
  if faults:
    raise InputError(
      "The T5 does not fit the config:\n  " + "\n  ".join(faults)
    )
  return UniMSEConfig(
    **vars(config.model),
    t5=t5,
    modalities=config.data.modalities,
    audio_frames=config.data.audio_frames,
    video_frames=config.data.video_frames,
    marking=config.text.marking,
    absent=config.loss.absent,
    contrastive=bool(config.loss.alpha or config.loss.beta),
    remat=config.train.remat,
    targets=_targets(schema) if schema and config.loss.heads else (),
  )


def _targets(schema: LabelSchema) -> tuple[tuple[str, int], ...]:
  """Slots that a corpus annotates, and the number of classes of each."""
  numbers = ((INTENSITY, 1),) if schema.intensity else ()
  return (
    *numbers,
    *((each.name, len(each.classes)) for each in schema.schemes),
  )


def make_model(
  config: Config, t5: T5Config, label_text: LabelText
) -> UniMSE | Rival:
  """UniMSE, or the system that the config names in its place.

  Raises:
    InputError: no such system, or the T5 does not fit the config.
  """
  if not config.rival.system:
    return UniMSE(model_config(config, t5, label_text.schema))
  fields = config.rival
  shape = RivalShape(
    t5=dataclasses.replace(
      t5, dtype=config.t5.dtype, dropout=config.t5.dropout
    ),
    system=fields.system,
    width=fields.width,
    dropout=fields.dropout,
    options=read_options(fields.system, fields.options),
    modalities=config.data.modalities,
    frames=tuple(config.data.frames.values()),
    targets=_targets(label_text.schema),
    remat=config.train.remat,
  )
  return Rival(shape)


def make_label_text(
  config: Config,
  slots: Mapping[str, Any],
  grid: Sequence[float],
  contradictions: Iterable[Sequence[str]] = (),
) -> LabelText:
  """How the config writes labels.

  Args:
    config: the run's; its label section is read.
    slots: fields of a label, from the universal labels' .meta.json.
    grid: the intensities of the training labels, rising.
    contradictions: (polarity, slot, word) of training labels in which the
      polarity and another field contradict each other.
  """
  label = config.label
  schema = LabelSchema.from_slots(slots)
  if label.fields == "three_field":
    schema = schema.three_field()
  raw = label.numbers == "raw"
  return LabelText(
    schema,
    label.separator,
    label.decimals,
    raw,
    tuple(grid) if raw or label.snap else (),
    label.snap,
    config.decoding.constrained and config.decoding.consistent,
    frozenset(map(tuple, contradictions)),
  )
