"""Config files: those that come with the package, and the user's."""

import importlib.util
import pathlib
import sys
import sysconfig

from unimse_jax.errors import InputError

_PACKAGE = "configs"  # what config files import each other as
_INSTALLED = "share/unimse_jax/configs"  # below the environment's data path


def shipped() -> pathlib.Path:
  """The folder of the configs that came with this package."""
  checkout = pathlib.Path(__file__).parents[2]
  if (checkout / "setup.cfg").is_file():
    return checkout / _PACKAGE
  return pathlib.Path(sysconfig.get_path("data")) / _INSTALLED


def find(value: str) -> str:
  """The path of a config, and makes `import configs` mean its own folder.

  Args:
    value: a file, or the name of a shipped config: "demo", "configs/demo.py",
      "ablations/without_audio:demo". What follows a colon goes to the file.

  Returns:
    The file, with the colon and what follows it.

  Raises:
    InputError: there is no such file or config.
  """
  name, colon, argument = value.partition(":")
  file = pathlib.Path(name).expanduser()
  if not file.is_file():
    file = _find_shipped(name)
  _provide(file)
  return f"{file}{colon}{argument}"


def _find_shipped(name: str) -> pathlib.Path:
  stem = name.removeprefix(f"{_PACKAGE}/").removesuffix(".py")
  file = shipped() / f"{stem}.py"
  if stem and file.is_file():
    return file
  known = ", ".join(sorted(each.stem for each in shipped().glob("[!_]*.py")))
  raise InputError(
    f"--config: expected a config file or one of {known}; found no {name!r}."
  )


def _provide(file: pathlib.Path) -> None:
  """Registers the package `configs` that the file's imports shall find.

  It is the file's own, if that is its name, else the shipped one; never a
  module of that name that happens to be on the path.
  """
  folder = file.absolute().parent
  while (folder.parent / "__init__.py").is_file():
    folder = folder.parent
  own = folder.name == _PACKAGE and (folder / "__init__.py").is_file()
  folder = folder if own else shipped()
  loaded = sys.modules.get(_PACKAGE)
  if loaded is not None and list(loaded.__path__) == [str(folder)]:
    return
  for name in [*sys.modules]:
    if name.partition(".")[0] == _PACKAGE:
      del sys.modules[name]
  spec = importlib.util.spec_from_file_location(
    _PACKAGE,
    folder / "__init__.py",
    submodule_search_locations=[str(folder)],
  )
  module = importlib.util.module_from_spec(spec)
  sys.modules[_PACKAGE] = module
  spec.loader.exec_module(module)
