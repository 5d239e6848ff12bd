"""The config.json of a Hugging Face T5, as each version of it writes one.

transformers 4 wrote one flag, `tie_word_embeddings`, for two facts: whether
the head is the embedding and whether the logits are scaled by d_model**-0.5.
transformers 5 always writes it as true, has `scale_decoder_outputs` for the
logits of a T5, and never scales those of an mT5. Whether the head is the
embedding is then to be seen from the weights.
"""

import pathlib
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.files import read_json
from unimse_jax.models import T5Config

_FAMILIES = ("t5", "mt5")
# Relatives, and what they have that this T5 has not.
_RELATIVES = {
  "umt5": "a position bias in every layer",
  "longt5": "local attention",
  "switch_transformers": "experts",
}
# Their names and ours.
_NEEDED = {
  "vocab_size": "vocab_size",
  "d_model": "width",
  "d_kv": "head_width",
  "d_ff": "hidden",
  "num_heads": "heads",
  "num_layers": "encoder_layers",
}
_COUNTS = _NEEDED | {
  "num_decoder_layers": "decoder_layers",
  "relative_attention_num_buckets": "relative_buckets",
  "relative_attention_max_distance": "relative_max_distance",
}
_RATES = {"dropout_rate": "dropout", "layer_norm_epsilon": "norm_epsilon"}
_DEFAULTS = {
  "relative_attention_num_buckets": 32,
  "relative_attention_max_distance": 128,
  "dropout_rate": 0.1,
  "layer_norm_epsilon": 1e-6,
}
_FLAGS = ("tie_word_embeddings", "scale_decoder_outputs", "is_gated_act")
_GREATEST = 2**24  # far beyond every T5, and what shapes are computed with
_LEAST = {"relative_attention_num_buckets": 4}  # two sides, near and far
# Their names of what we have under another one.
_ACTIVATIONS = {"relu": "relu", "silu": "silu", "swish": "silu"}
_ACTIVATIONS |= {"gelu": "gelu", "gelu_python": "gelu"}
_ACTIVATIONS |= {"gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new"}


def read(path: pathlib.Path) -> dict[str, Any]:
  """The checked values of a config.json, with the defaults of what it leaves.

  Raises:
    InputError: no T5's, a value that no T5 can have, or none that is needed.
  """
  values = read_json(path)
  if not isinstance(values, dict):
    raise InputError(
      f"T5 weights: expected an object with the values of a T5 in {path}, "
      f"found {reprlib.repr(values)}."
    )
  _check_family(path, values.get("model_type", "t5"))
  # A null is what its writer left to the default.
  values = _DEFAULTS | {
    name: value for name, value in values.items() if value is not None
  }
  absent = [name for name in _NEEDED if name not in values]
  if absent:
    raise InputError(
      f"T5 weights: expected the values of a T5 in {path}, found no "
      f"{', '.join(absent)}."
    )
  faults = _faults(values)
  if faults:
    raise InputError(
      f"T5 weights: {path} has {len(faults)} value(s) that no T5 can have: "
      f"{'; '.join(faults)}. Fetch it again, or correct it."
    )
  return {"num_decoder_layers": values["num_layers"]} | values


def to_t5_config(values: Mapping[str, Any], tied: bool) -> T5Config:
  """The shape that a config.json means.

  Args:
    values: fields as `read` gives them.
    tied: whether the head is the embedding.
  """
  function, gated = _feed_forward(values)
  return T5Config(
    **{ours: values[theirs] for theirs, ours in (_COUNTS | _RATES).items()},
    activation=_ACTIVATIONS[function],
    gated=gated,
    tied=tied,
    scale_logits=_scales(values),
  )


def says_tied(values: Mapping[str, Any]) -> bool:
  """Whether the head is the embedding, by the flag alone."""
  return values.get("tie_word_embeddings", True)


def _scales(values: Mapping[str, Any]) -> bool:
  if values.get("model_type") != "mt5":
    return values.get("scale_decoder_outputs", says_tied(values))
  # An mT5 is not tied where nothing is said, and transformers 5 says so
  # whatever it is; only a tied one of transformers 4 was ever scaled.
  written = str(values.get("transformers_version", ""))
  return written.startswith("4.") and values.get("tie_word_embeddings", False)


def _feed_forward(values: Mapping[str, Any]) -> tuple[str, bool]:
  """Their name of the activation, and whether it is gated."""
  default = "gated-gelu" if values.get("model_type") == "mt5" else "relu"
  projection = values.get("feed_forward_proj", default)
  gate, _, function = projection.rpartition("-")
  if gate and function == "gelu":
    function = "gelu_new"  # what Hugging Face means by gated-gelu
  # Where these are written too, they are what transformers goes by.
  return (
    values.get("dense_act_fn", function),
    values.get("is_gated_act", gate == "gated"),
  )


def _check_family(path: pathlib.Path, family: Any) -> None:
  if family in _FAMILIES:
    return
  has = _RELATIVES.get(family) if isinstance(family, str) else None
  raise InputError(
    f"T5 weights: expected a model_type of {' or '.join(_FAMILIES)} in {path}, "
    f"found {reprlib.repr(family)}{f', which has {has}' if has else ''}."
  )


def _faults(values: Mapping[str, Any]) -> list[str]:
  """All that is wrong with values that are there."""
  faults = []

  def check(name: str, legal: Callable[[Any], bool], expected: str) -> None:
    if name in values and not legal(values[name]):
      faults.append(
        f"{name} = {reprlib.repr(values[name])}, expected {expected}"
      )

  for name in _COUNTS:
    least = _LEAST.get(name, 1)
    check(
      name,
      lambda value, least=least: (
        type(value) is int and least <= value <= _GREATEST
      ),
      f"a whole number from {least} to {_GREATEST}",
    )
  for name in _RATES:
    check(name, _is_rate, "a number from 0 to below 1")
  for name in _FLAGS:
    check(name, lambda value: isinstance(value, bool), "true or false")
  for name in ("feed_forward_proj", "dense_act_fn"):
    check(name, lambda value: isinstance(value, str), "a name")
  return faults or _contradictions(values)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
  """What is wrong with values that are right each by itself."""
  faults = []
  farthest = values["relative_attention_max_distance"]
  buckets = values["relative_attention_num_buckets"]
  if farthest <= buckets // 2:
    faults.append(
      f"relative_attention_max_distance = {farthest}, expected more than half "
      f"of relative_attention_num_buckets = {buckets}"
    )
  projection = values.get("feed_forward_proj", "relu")
  gate, _, _ = projection.rpartition("-")
  if gate not in ("", "gated") or _feed_forward(values)[0] not in _ACTIVATIONS:
    name = "dense_act_fn" if "dense_act_fn" in values else "feed_forward_proj"
    known = ", ".join(_ACTIVATIONS)
    found = reprlib.repr(values.get(name))
    faults.append(
      f"{name} = {found}, expected one of {known}, for feed_forward_proj with "
      '"gated-" before it or without'
    )
  return faults


def _is_rate(value: Any) -> bool:
  return type(value) in (int, float) and 0 <= value < 1
