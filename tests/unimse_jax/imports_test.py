"""What must work on a machine with jax, flax, optax and numpy alone."""

import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
# Everything else that this project may install. Of jax's and flax's own
# dependencies (absl, scipy, orbax) orbax alone is one that we use ourselves.
_BLOCKED = (
  "av",
  "cv2",
  "feature_export",
  "huggingface_hub",
  "librosa",
  "pydantic",
  "safetensors",
  "sentence_transformers",
  "sentencepiece",
  "sklearn",
  "tensorboard",
  "tensorflow",
  "tensorflow_datasets",
  "timm",
  "torch",
  "tqdm",
  "transformers",
)
_SCRIPT = """
import sys
blocked = set(sys.argv[1].split(","))
class Block:
  def find_spec(self, name, path=None, target=None):
    if name.partition(".")[0] in blocked:
      raise ModuleNotFoundError(f"{name} is blocked", name=name)
sys.meta_path.insert(0, Block())
import importlib
importlib.import_module(sys.argv[2])
ours = [name for name in sys.modules if name.startswith("unimse_jax")]
assert "unimse_jax.checkpoints.checkpointer" not in ours, ours
"""


@pytest.mark.parametrize(
  "module",
  [
    "unimse_jax.models",
    "unimse_jax.benchmarking.throughput",
    "unimse_jax.training.assembly",
    "unimse_jax.decoding.generate",
  ],
)
def test_it_imports_where_little_is_installed(module):
  done = subprocess.run(
    [sys.executable, "-c", _SCRIPT, ",".join(_BLOCKED), module],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr


def test_models_are_nothing_but_jax_flax_numpy_and_their_config():
  """Also what would only be imported when used."""
  allowed = (
    "collections",
    "dataclasses",
    "flax",
    "functools",
    "jax",
    "math",
    "numpy",
    "unimse_jax.config",
    "unimse_jax.models",
  )
  for path in (_ROOT / "unimse_jax" / "models").glob("*.py"):
    for line in path.read_text().splitlines():
      words = line.split()
      if words[:1] in (["import"], ["from"]) and len(words) > 1:
        assert words[1].startswith(allowed), f"{path.name}: {line}"
