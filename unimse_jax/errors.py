"""What entry points turn into a message and exit status 2."""

from unimse_cli.errors import InputError as InputError


def lacks_memory(error: RuntimeError) -> bool:
  """Whether jax says that a device has too little memory."""
  return "RESOURCE_EXHAUSTED" in str(error)
