"""The least change of a config that makes it fit into a device's memory."""

from collections.abc import Callable, Iterator
from typing import Any

from unimse_jax.config import Config, to_dict, validate
from unimse_jax.errors import InputError

# Path of a field, as "train.remat" -> its new value.
Changes = dict[str, Any]


def nearest_fit(
  config: Config,
  steps: list[Changes],
  devices: int,
  fits: Callable[[Config], bool],
) -> Changes | None:
  """The first changes that fit; None if none do.

  fsdp is doubled after all steps were tried without: it makes devices send
  their parameters to each other.

  Args:
    config: config that does not fit.
    steps: changes, smaller ones first.
    devices: number of devices of the slice.
    fits: whether a config does; costs a compilation.
  """
  for changes in _candidates(config, steps, devices):
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


def training_steps(config: Config) -> list[Changes]:
  """What saves memory in training: what leaves the loss as it is, first."""
  full = {"train.remat": "full"}
  parts = config.train.microbatches
  steps = {"none": [{"train.remat": "dots"}, full], "dots": [full], "full": []}
  return steps[config.train.remat] + [
    full | {"train.microbatches": parts * more} for more in (2, 4, 8)
  ]


def decoding_steps(config: Config) -> list[Changes]:
  """What saves memory in decoding: fewer rows at once."""
  size = config.decoding.batch_size
  return [
    {"decoding.batch_size": size // less} for less in (2, 4, 8) if size >= less
  ]


def _candidates(
  config: Config, steps: list[Changes], devices: int
) -> Iterator[Changes]:
  yield from steps
  fsdp = 2 * config.parallel.fsdp
  while fsdp * config.parallel.model <= (config.parallel.devices or devices):
    wider = {"parallel.fsdp": fsdp}
    yield from (step | wider for step in [{}, *steps])
    fsdp *= 2
