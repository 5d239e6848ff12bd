"""The least change of a config that makes it fit into a device's memory."""

from collections.abc import Callable
from typing import Any

from unimse_jax.config import Config, to_dict, validate
from unimse_jax.errors import InputError

# Path of a field, as "train.remat" -> its new value.
Changes = dict[str, Any]


def nearest_fit(
  config: Config, candidates: list[Changes], fits: Callable[[Config], bool]
) -> Changes | None:
  """The first changes that fit; None if none do.

  Args:
    config: config that does not fit.
    candidates: changes, in the order in which they are tried.
    fits: whether a config does; costs a compilation.
  """
  for changes in candidates:
    values = to_dict(config)
    for path, value in changes.items():
      section, name = path.split(".")
      values[section][name] = value
    try:
      if fits(validate(values)):
        return changes
    except InputError:  # a batch or a mesh that cannot be shared out so
      continue
  return None


def training_changes(config: Config, devices: int) -> list[Changes]:
  """What saves memory in training, cheapest first.

  fsdp computes nothing twice and moves less; microbatches change the loss.
  """
  full = {"train.remat": "full"}
  parts = config.train.microbatches
  steps = {"none": [{"train.remat": "dots"}, full], "dots": [full], "full": []}
  narrower = steps[config.train.remat] + [
    full | {"train.microbatches": parts * more} for more in (2, 4, 8)
  ]
  wider = _wider(config, devices)
  return wider + [step | dict(*wider[-1:]) for step in narrower]


def decoding_changes(config: Config, devices: int) -> list[Changes]:
  """What saves memory in decoding: fewer rows at once."""
  del devices  # fsdp saves none: decoding reads whole parameters
  size = config.decoding.batch_size
  return [
    {"decoding.batch_size": size // less} for less in (2, 4, 8) if size >= less
  ]


def _wider(config: Config, devices: int) -> list[Changes]:
  """fsdp doubled until all devices are in it."""
  found: list[Changes] = []
  fsdp = 2 * config.parallel.fsdp
  while fsdp * config.parallel.model <= (config.parallel.devices or devices):
    found.append({"parallel.fsdp": fsdp})
    fsdp *= 2
  return found
