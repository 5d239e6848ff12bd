"""What all entry points share: flags in, one message and status 2 on a fault.

Nothing is imported here that takes long, so that a wrong flag is told at once.
"""

import errno
import logging as std_logging
import os
import pathlib
import re
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from unimse_cli import program
from unimse_jax import config as config_lib
from unimse_jax import processes, program_cache
from unimse_jax.config import Config, reference
from unimse_jax.config import files as config_files
from unimse_jax.errors import InputError, lacks_memory
from unimse_jax.parallel import watch

_QUOTES = "\"'"
_HELP_CONFIG = "help_config"
# What a full, read-only or foreign disk answers.
_DISK_ERRORS = (
  errno.EACCES,
  errno.EDQUOT,
  errno.EIO,
  errno.ENOSPC,
  errno.EPERM,
  errno.EROFS,
)
# What a file answers where a directory is to be, or the other way round.
_PLACE_ERRORS = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR)
STOPPED = 143  # exit status after SIGTERM, as shells count it

# What ml_collections lets through for a file that is none or cannot be run, an
# unknown field (with the nearest known one) or a value of another type.
_CONFIG_ERRORS = (
  AttributeError,
  ImportError,
  OSError,
  SyntaxError,
  TypeError,
  ValueError,
)


def define_config() -> Any:
  """Defines --config; every field can be overridden as --config.a.b=c.

  --help_config then prints what the fields mean and may be.
  """
  flags.DEFINE_string(
    _HELP_CONFIG,
    None,
    "Prints default, legal values and meaning of the config fields whose name "
    "holds this text, as --help_config=window; all of them if empty.",
  )
  return config_flags.DEFINE_config_file(
    "config",
    None,
    "A config file, or the name of one that comes with it: demo.",
  )


def read_config(holder: Any) -> Config:
  """The typed config of a `define_config` flag."""
  if holder.value is None:
    raise InputError(
      "--config: expected a config file, for example "
      "--config configs/base.py; found none."
    )
  try:
    values = holder.value.to_dict()
  except OSError as error:  # ml_collections keeps a missing file for later
    raise InputError(f"--config: {error}") from error
  return config_lib.validate(values)


def load_config(arguments: Sequence[str]) -> Config:
  """The typed config of --config and overrides that are no flags of ours.

  Raises:
    InputError: they make no config.
  """
  values = flags.FlagValues()
  line = ["", *_with_found_config(arguments)]
  holder = config_flags.DEFINE_config_file(
    "config", flag_values=values, sys_argv=line
  )
  try:
    values(line)
    return read_config(holder)
  except (flags.Error, *_CONFIG_ERRORS, KeyError) as error:
    raise InputError(f"--config: {error}") from error


def derive_config(file: pathlib.Path, parent: Config) -> Config:
  """The config that a row of an ablation makes of its parent's.

  Args:
    file: config file of the row; its `change` takes and returns a ConfigDict.
    parent: config to change, overrides included.

  Raises:
    InputError: the row does not apply to the parent.
  """
  values = ConfigDict(config_lib.to_dict(parent))
  values.name = f"{parent.name}_{file.stem}"
  try:
    changed = runpy.run_path(str(file))["change"](values)
  except (KeyError, *_CONFIG_ERRORS) as error:
    raise InputError(f"--rows: {file.stem}: {error}") from error
  return config_lib.validate(changed.to_dict())


def split_config(given: Sequence[str]) -> tuple[pathlib.Path, list[str]]:
  """The file that --config names, and the overrides."""
  file, overrides, rest = None, [], _with_found_config(given)
  while rest:
    each = rest.pop(0)
    name, _, value = each.lstrip("-").partition("=")
    if name == "config":
      file = value or rest.pop(0)
    else:
      overrides.append(each)
  return pathlib.Path(file), overrides


class _NoWarningTwice(std_logging.Filter):
  """Lets a warning of the same words through once."""

  def __init__(self):
    super().__init__()
    self._seen: set[str] = set()

  def filter(self, record: std_logging.LogRecord) -> bool:
    if record.levelno != std_logging.WARNING:
      return True
    text = record.getMessage()
    new = text not in self._seen
    self._seen.add(text)
    return new


def _with_found_config(arguments: Sequence[str]) -> list[str]:
  """The arguments, with the file that --config names as a path."""
  changed = list(arguments)
  for place, each in enumerate(changed):
    name, equals, value = each.partition("=")
    if name not in ("--config", "-config"):
      continue
    if equals:
      changed[place] = f"{name}={config_files.find(value)}"
    elif place + 1 < len(changed):
      changed[place + 1] = config_files.find(changed[place + 1])
  return changed


def repeat_flag(arguments: Sequence[str], name: str) -> list[str]:
  """`--name A B` as absl reads it: `--name A --name B`."""
  flag = f"--{name}"
  repeated, count = [], 0
  for each in arguments:
    if each.startswith("-"):
      count = 1 if each in (flag, flag[1:]) else 0
    elif count:
      # The first value follows its flag as it is.
      repeated += [flag] if count > 1 else []
      count += 1
    repeated.append(each)
  return repeated


def run(main: Callable[[], int | None], keep_programs: bool = True) -> None:
  """Parses the flags and calls `main`; its result is the exit status.

  Args:
    main: the command's work.
    keep_programs: whether compiled programs are kept and read back; not where
      compiling is what is timed.
  """
  processes.stop_with_parent()
  processes.keep_freed_memory()
  if keep_programs:
    program_cache.enable()
  # TensorBoard and Orbax look for TensorFlow; its start-up lines help nobody.
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  logging.use_absl_handler()
  logging.set_verbosity(logging.INFO)
  handler = logging.get_absl_handler()
  handler.setFormatter(
    std_logging.Formatter("%(levelname)s %(asctime)s %(message)s", "%H:%M:%S")
  )
  handler.addFilter(_NoWarningTwice())
  # jax tells of every backend that is not there.
  # The last two log every request to the Hugging Face hub.
  for name in ("jax", "httpx", "httpx2"):
    std_logging.getLogger(name).setLevel(std_logging.WARNING)
  # --help shows the flags of the program that runs, and these are its too.
  for name in ("config", _HELP_CONFIG):
    if name in flags.FLAGS:
      flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
  app.run(lambda _: _guarded(main), flags_parser=_parse)


def _parse(arguments: list[str]) -> list[str]:
  app.define_help_flags()
  program.help_if_asked(arguments, flags.FLAGS.main_module_help)
  try:
    return program.parse(flags.FLAGS, _with_found_config(arguments))
  except InputError as error:
    _fail(str(error))
  except flags.Error as error:
    _fail(_without_traceback(str(error)))
  except (AttributeError, KeyError) as error:
    _fail(f"--config: {_unknown_field(str(error))}")
  except _CONFIG_ERRORS as error:
    _fail(f"--config: {error}")


def _without_traceback(text: str) -> str:
  """What a config file that raised has to say; ml_collections quotes it all."""
  if "Traceback" not in text:
    return text
  last = text.strip().splitlines()[-1]
  return f"--config: {last.partition(': ')[2] or last}"


def _unknown_field(text: str) -> str:
  """What ml_collections says of an unknown field, as a sentence."""
  named = re.search(r"Did you mean \W?\"(\w+)\W?\" instead of \W?\"(\w+)", text)
  if named is None:
    return f"unknown field {text.strip(_QUOTES)!r}"
  return f"unknown field {named[2]!r}; did you mean {named[1]!r}?"


def _help_config() -> None:
  part = flags.FLAGS[_HELP_CONFIG].value
  if part is not None:
    print(reference.describe(part))
    sys.exit(0)


def _guarded(main: Callable[[], int | None]) -> NoReturn:
  def command() -> int | None:
    if _HELP_CONFIG in flags.FLAGS:
      _help_config()
    return main()

  sys.exit(program.run(command, _explain))


def _explain(error: Exception) -> str | None:
  """What a user can do about an exception; None: it is a bug."""
  message = _advice(error)
  if message is not None:
    watch.refuse(message)  # one of several processes ends here
  return message


def _advice(error: Exception) -> str | None:
  if isinstance(error, InputError):
    return str(error)
  if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
    return (
      f"{error.filename or 'disk'}: expected room and the right to use it, "
      f"found: {error.strerror}. Free some space, mend the permissions or "
      "choose another path, and run the same command again."
    )
  if isinstance(error, OSError) and error.errno in _PLACE_ERRORS:
    # A draft that was to get its final name has two.
    return (
      f"{error.filename2 or error.filename}: expected directories where this "
      "command has directories and files where it has files, found: "
      f"{error.strerror}. Move away what is there or choose another path, and "
      "run the same command again."
    )
  # jax's class for it is not imported: a wrong flag is told without jax.
  if isinstance(error, RuntimeError) and lacks_memory(error):
    return (
      "memory: expected what runs to fit into the device, found: "
      f"{str(error).splitlines()[0]} Raise config.train.microbatches or "
      "config.parallel.fsdp, or lower config.train.batch_size, "
      "config.decoding.batch_size or config.text.max_tokens."
    )
  return None


def _fail(message: str) -> NoReturn:
  sys.exit(program.refuse(message))
