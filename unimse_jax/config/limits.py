"""What is legal in a config whose types are right."""

import dataclasses
import re
from typing import Any

from unimse_cli.storage import user_path
from unimse_jax.config.input_fields import DataConfig, TextConfig
from unimse_jax.config.paths import flatten
from unimse_jax.config.run_fields import FIELDS, Config
from unimse_jax.errors import InputError

# Fields that name a place on a disk or in a bucket.
PATHS = (
  *("data.dir", "data.labels", "tokenizer.path"),
  *("t5.pretrained", "train.init_from"),
)


def flat(config: Config) -> dict[str, Any]:
  """Path of each field, as "text.window", -> its value."""
  return flatten(dataclasses.asdict(config))


def find_faults(config: Config) -> list[str]:
  """Faults of a config whose types are right."""
  faults, values = [], flat(config)
  for path, value in values.items():
    faults += FIELDS[path].faults(value)
  for path in PATHS:
    try:
      user_path(values[path])
    except InputError as error:
      faults.append(f"config.{path}: {error}")
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
  if any("," in name for name in data.corpora):
    faults.append(
      "config.data.corpora: expected names as in ('meld','mosi'), found "
      f"{data.corpora}: quote each of them"
    )
  if not data.corpora or len(set(data.corpora)) != len(data.corpora):
    faults.append(
      f"config.data.corpora: expected distinct names, found {data.corpora}"
    )
  # jax sorts the keys of a dict where it takes one apart; what reads a model's
  # modalities in their order must find that of its training.
  if list(data.modalities) != sorted({"audio", "video"} & {*data.modalities}):
    faults.append(
      "config.data.modalities: expected some of ('audio', 'video'), in this "
      f"order, found {data.modalities}"
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
  if not (config.t5.pretrained or config.train.init_from):
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
  if model.pmf_units == "stream" and model.adapter_init == "authors_random":
    faults.append(
      "config.model.adapter_init: expected identity or near_identity with "
      "model.pmf_units = stream, found authors_random; a random W of all that "
      "is joined wants model.pmf_units = none"
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
  if list(numbers) != sorted(set(numbers)) or min(numbers, default=0) < 0:
    return [
      "config.model.pmf_layer_numbers: expected rising numbers from 0, found "
      f"{numbers}"
    ]
  faults = []
  if not numbers and model.pmf_layers > encoder_layers:
    faults.append(
      f"config.model.pmf_layers: expected at most t5.encoder_layers = "
      f"{encoder_layers}, found {model.pmf_layers}"
    )
  if numbers and numbers[-1] >= encoder_layers:
    faults.append(
      "config.model.pmf_layer_numbers: expected numbers below "
      f"t5.encoder_layers = {encoder_layers}, found {numbers}"
    )
  # A decoder of fewer layers has PMF after those of them that it has.
  depths = {"encoder": encoder_layers}
  if model.contrastive_decoder:
    depths["decoder"] = decoder_layers
  for stack, depth in depths.items():
    last = max((each for each in numbers if each < depth), default=depth - 1)
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
  if config.t5.pretrained and config.t5.warm_start != "none":
    faults.append(
      "config.t5.warm_start: expected none with t5.pretrained, whose weights "
      f"know more, found {config.t5.warm_start!r}"
    )
  if config.train.patience and config.train.selection == "last_epoch":
    faults.append(
      "config.train.patience: expected 0 with train.selection = last_epoch, by "
      f"which the last one is always the best, found {config.train.patience}"
    )
  if config.decoding.emotion == "heads" and not config.loss.heads:
    faults.append(
      "config.decoding.emotion: expected written with loss.heads = 0, which "
      "trains no heads, found heads"
    )
  if config.rival.system:
    faults += _check_rival(config)
  if "," not in config.label.separator:
    faults.append(
      "config.label.separator: expected a text with a comma, found "
      f"{config.label.separator!r}"
    )
  return faults


def _check_rival(config: Config) -> list[str]:
  """Fields that a system in UniMSE's place does not go together with."""
  refusals = {
    f"train.microbatches: expected 1, found {config.train.microbatches}": (
      config.train.microbatches > 1
    ),
    f"train.init_from: expected '', found {config.train.init_from!r}": (
      config.train.init_from
    ),
    f"model.zeroed_modalities: expected (), found "
    f"{config.model.zeroed_modalities}; leave the modality out of "
    f"data.modalities": config.model.zeroed_modalities,
  }
  return [
    f"config.{text}, with rival.system = {config.rival.system}"
    for text, refused in refusals.items()
    if refused
  ]
