"""What `import unimse_jax` gives."""

import subprocess
import sys
from importlib import metadata

import pytest

import unimse_jax


def test_every_name_is_there_and_has_a_docstring():
  assert unimse_jax.__version__ == metadata.version("unimse_jax")
  for name in unimse_jax.__all__:
    assert name in dir(unimse_jax)
    assert getattr(unimse_jax, name).__doc__
  assert "from unimse_jax import Clip" in unimse_jax.__doc__


def test_a_name_that_is_none_is_an_attribute_error():
  with pytest.raises(AttributeError, match="Trainer"):
    unimse_jax.Trainer  # noqa: B018


def test_importing_it_imports_nothing_heavy():
  code = (
    "import sys, unimse_jax\n"
    "heavy = {'jax', 'numpy', 'flax', 'tensorflow'} & sys.modules.keys()\n"
    "sys.exit(', '.join(heavy) or 0)"
  )
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
