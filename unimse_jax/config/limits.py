"""What is legal in a config whose types are right."""

import dataclasses
import operator
import re
from typing import Any

from unimse_jax.config.fields import Config, DataConfig, TextConfig

CHOICES = {
  "text.context": ("both", "past"),
  "text.marking": ("segments", "eos_marks", "slice_encoder", "none"),
  "text.speaker_names": ("real", "anonymised"),
  "label.fields": ("all", "three_field"),
  "label.numbers": ("rounded", "raw"),
  "train.selection": ("mean_rank", "last_epoch", "best_on_test"),
  "data.donors": ("train", "all_splits"),
  "data.donor_classes": ("scheme", "authors_drop"),
  "data.audio_level": ("absolute", "clip"),
  "t5.activation": ("relu", "gelu", "gelu_new", "silu"),
  "t5.dtype": ("float32", "bfloat16"),
  "model.adapter_activation": ("sigmoid", "relu", "gelu"),
  "decoding.intensity": ("greedy", "mean", "median"),
  "model.lstm": ("uni", "bi"),
  "model.pmf_place": ("after", "parallel", "cross_attention"),
  "model.adapter_residual": ("concat", "text"),
  "model.adapter_init": ("identity", "near_identity", "authors_random"),
  "model.contrastive_layers": ("pmf", "last_only", "pre_block"),
  "model.contrastive_keys": ("separate", "shared"),
  "model.contrastive_pooling": ("masked", "include_padding"),
  "loss.absent": ("left_out", "as_zeros"),
  "optimizer.kind": ("adamw", "adam_l2", "adafactor"),
  "optimizer.schedule": ("constant", "linear"),
}
# Legal values of numbers.
AT_LEAST = {
  "text.window": 0,
  "text.max_tokens": 8,
  "label.decimals": 0,
  "tokenizer.vocab_size": 64,
  "data.temperature": 1,
  "data.audio_frames": 1,
  "data.video_frames": 1,
  "data.video_components": 0,
  "t5.width": 1,
  "t5.head_width": 1,
  "t5.hidden": 1,
  "t5.heads": 1,
  "t5.encoder_layers": 1,
  "t5.decoder_layers": 1,
  "model.pmf_layers": 0,
  "model.modality_width": 1,
  "model.adapter_width": 1,
  "model.adapter_heads": 1,
  "model.contrastive_width": 1,
  "model.contrastive_kernel": 1,
  "loss.alpha": 0,
  "loss.beta": 0,
  "loss.completed_weight": 0,
  "optimizer.lr_t5": 0,
  "optimizer.lr_pmf": 0,
  "optimizer.lr_main": 0,
  "optimizer.weight_decay": 0,
  "optimizer.clip_norm": 0,
  "optimizer.warmup_steps": 0,
  "train.batch_size": 1,
  "train.microbatches": 1,
  "train.epochs": 1,
  "train.evaluate_every_epochs": 1,
  "train.checkpoint_every_steps": 1,
  "train.log_every_steps": 1,
  "decoding.max_new_tokens": 1,
  "decoding.batch_size": 1,
  "decoding.beams": 1,
  "decoding.length_penalty": 0,
  "parallel.devices": 0,
  "parallel.fsdp": 1,
  "parallel.model": 1,
  "t5.dropout": 0,
  "model.modality_dropout": 0,
}
AT_MOST = {
  "text.window": 8,  # turns of context that records hold either side
  "label.decimals": 3,  # of an intensity's text
}
ABOVE = {"loss.temperature": 0}
BELOW = {"t5.dropout": 1, "model.modality_dropout": 1}
_BOUNDS = (
  ("at least", operator.ge, AT_LEAST),
  ("at most", operator.le, AT_MOST),
  ("above", operator.gt, ABOVE),
  ("below", operator.lt, BELOW),
)


def flat(config: Config) -> dict[str, Any]:
  """Path of each field, as "text.window", -> its value."""
  values = {}
  for section, fields in dataclasses.asdict(config).items():
    if isinstance(fields, dict):
      values |= {f"{section}.{name}": value for name, value in fields.items()}
    else:
      values[section] = fields
  return values


def find_faults(config: Config) -> list[str]:
  """Faults of a config whose types are right."""
  values = flat(config)
  faults = [
    f"config.{path}: expected one of {', '.join(choices)}, found "
    f"{values[path]!r}"
    for path, choices in CHOICES.items()
    if values[path] not in choices
  ]
  faults += [
    f"config.{path}: expected {words} {bound}, found {values[path]}"
    for words, holds, bounds in _BOUNDS
    for path, bound in bounds.items()
    if not holds(values[path], bound)
  ]
  faults += _check_text(config.text, config.data.corpora)
  faults += _check_data(config.data, config.text.max_tokens)
  faults += _check_model(config)
  faults += _check_rest(config)
  return faults


def _check_text(text: TextConfig, corpora: tuple[str, ...]) -> list[str]:
  faults = []
  named = [each.partition("=") for each in text.prefixes]
  for name, equals, _ in named:
    if not equals or name not in corpora:
      faults.append(
        f'config.text.prefixes: expected "corpus=prefix" with one of '
        f"{', '.join(corpora)}, found {name + equals!r}"
      )
  if len({name for name, _, _ in named}) < len(named):
    faults.append(
      f"config.text.prefixes: expected one prefix a corpus, found "
      f"{text.prefixes}"
    )
  return faults


def _check_data(data: DataConfig, max_tokens: int) -> list[str]:
  faults = []
  if not data.corpora or len(set(data.corpora)) != len(data.corpora):
    faults.append(
      f"config.data.corpora: expected distinct names, found {data.corpora}"
    )
  strange = set(data.modalities) - {"audio", "video"}
  if strange or len(set(data.modalities)) != len(data.modalities):
    faults.append(
      "config.data.modalities: expected some of ('audio', 'video'), found "
      f"{data.modalities}"
    )
  if not data.buckets or list(data.buckets) != sorted(set(data.buckets)):
    faults.append(
      f"config.data.buckets: expected rising lengths, found {data.buckets}"
    )
  elif data.buckets[-1] != max_tokens:
    faults.append(
      f"config.data.buckets: expected to end with text.max_tokens = "
      f"{max_tokens}, found {data.buckets}"
    )
  return faults


def _check_model(config: Config) -> list[str]:
  """Fields of the model that do not go together."""
  model, faults = config.model, []
  strange = set(model.zeroed_modalities) - set(config.data.modalities)
  if strange:
    faults.append(
      "config.model.zeroed_modalities: expected some of data.modalities = "
      f"{config.data.modalities}, found {model.zeroed_modalities}"
    )
  # A pretrained T5 has layers of its own; they are counted when it is opened.
  if not config.t5.pretrained:
    t5 = config.t5
    faults += layer_faults(config, t5.encoder_layers, t5.decoder_layers)
  if (
    not (model.pmf_layers or model.pmf_layer_numbers)
    and (config.loss.alpha or config.loss.beta)
    and config.data.modalities
  ):
    faults.append(
      "config.model.pmf_layers: expected at least 1, for the contrastive loss "
      "looks at these layers, found 0; model.pmf = False leaves out the "
      "adapters alone, loss.alpha = loss.beta = 0 the loss"
    )
  if not model.pmf or model.pmf_place != "cross_attention":
    return faults
  refusals = {
    "data.modalities: expected at least one": not config.data.modalities,
    "model.adapter_residual: expected concat": model.adapter_residual == "text",
    "model.adapter_norm: expected False": model.adapter_norm,
    f"model.adapter_width: expected a multiple of model.adapter_heads = "
    f"{model.adapter_heads}": model.adapter_heads
    and model.adapter_width % model.adapter_heads,
  }
  return faults + [
    f"config.{text} with model.pmf_place = cross_attention"
    for text, refused in refusals.items()
    if refused
  ]


def layer_faults(
  config: Config, encoder_layers: int, decoder_layers: int
) -> list[str]:
  """What is wrong with the choice of PMF layers for a T5 of this depth."""
  model = config.model
  numbers = model.pmf_layer_numbers
  # Both stacks have the same layers, where the decoder is asked about.
  depths = {"encoder": encoder_layers}
  if model.pmf_decoder or model.contrastive_decoder:
    depths["decoder"] = decoder_layers
  if list(numbers) != sorted(set(numbers)) or min(numbers, default=0) < 0:
    return [
      "config.model.pmf_layer_numbers: expected rising numbers from 0, found "
      f"{numbers}"
    ]
  faults = []
  for stack, depth in depths.items():
    if not numbers and model.pmf_layers > depth:
      faults.append(
        f"config.model.pmf_layers: expected at most t5.{stack}_layers = "
        f"{depth}, found {model.pmf_layers}"
      )
    if numbers and numbers[-1] >= depth:
      faults.append(
        "config.model.pmf_layer_numbers: expected numbers below "
        f"t5.{stack}_layers = {depth}, found {numbers}"
      )
    last = numbers[-1] if numbers else depth - 1
    if model.contrastive_layers == "pre_block" and last == 0:
      faults.append(
        "config.model.contrastive_layers: expected a PMF layer with a layer "
        f"before it for pre_block, found the first of the {stack} alone"
      )
  return faults


def _check_rest(config: Config) -> list[str]:
  faults = []
  if config.train.microbatches and (
    config.train.batch_size % config.train.microbatches
  ):
    faults.append(
      f"config.train.batch_size: expected a multiple of train.microbatches "
      f"({config.train.microbatches}), found {config.train.batch_size}"
    )
  for name in ("trainable", "frozen", "decayed"):
    try:
      re.compile(getattr(config.optimizer, name))
    except re.error as error:
      faults.append(f"config.optimizer.{name}: no regular expression, {error}")
  if "," not in config.label.separator:
    faults.append(
      "config.label.separator: expected a text with a comma, found "
      f"{config.label.separator!r}"
    )
  return faults
