"""Programs that were compiled once are read back by later processes."""

import hashlib
import os
import pathlib
import platform

from unimse_cli.storage import cache_folder

_FOLDER = "JAX_COMPILATION_CACHE_DIR"  # jax's own variable
_CPU = pathlib.Path("/proc/cpuinfo")


def enable() -> None:
  """Gives jax a folder for compiled programs; call it before jax is imported.

  A resumed run, an evaluation, each seed and each row of an ablation then find
  what the first run compiled. The folder is `programs` in the cache folder;
  $JAX_COMPILATION_CACHE_DIR names another one, or none if it is empty.
  Programs that compile in less than a second are not kept, as jax has it.
  """
  if _FOLDER in os.environ:
    return
  folder = cache_folder() / "programs" / _machine()
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError:
    return  # a home that cannot be written is no reason not to compute
  if os.access(folder, os.W_OK):
    os.environ[_FOLDER] = str(folder)


def _machine() -> str:
  """The kind of CPU: another one may lack the instructions that were compiled.

  A home directory is often shared by machines of several kinds.
  """
  features = platform.processor()
  if _CPU.is_file():
    lines = _CPU.read_text(errors="replace").splitlines()
    features = next((line for line in lines if line.startswith("flags")), "")
  text = f"{platform.machine()} {features}"
  return hashlib.sha256(text.encode()).hexdigest()[:12]
