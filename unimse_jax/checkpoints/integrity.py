"""Sealing a directory with a sha256 manifest, and finding what broke since.

Array formats do not protect their data: one flipped byte in a checkpoint's
chunk file restores without an error to wrong values. A manifest that holds
the size and the sha256 of every file closes that gap.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

from unimse_cli.storage import is_remote
from unimse_jax.files import hash_file, write_atomically

MANIFEST_NAME = "manifest.json"


def seal(
  directory: pathlib.Path,
  record: Mapping[str, Any],
  exclude: Collection[str] = (),
) -> None:
  """Writes `directory/manifest.json` over all files below the directory.

  Args:
    directory: step to seal; its files are complete.
    record: JSON values to keep beside the hashes; they are protected too.
    exclude: file names (at any depth) that may still change afterwards.
  """
  skipped = {MANIFEST_NAME, *exclude}
  files = {}
  for path in sorted(directory.rglob("*")):
    if path.is_file() and path.name not in skipped:
      _flush_to_disk(path)
      name = path.relative_to(directory).as_posix()
      files[name] = {"size": path.stat().st_size, "sha256": hash_file(path)}
  manifest = {**record, "files": files}
  manifest["manifest_sha256"] = _digest(manifest)
  text = json.dumps(manifest, indent=1, sort_keys=True)
  write_atomically(directory / MANIFEST_NAME, text.encode())


def read_manifest(directory: pathlib.Path) -> dict[str, Any] | None:
  """The manifest of a sealed directory; None if absent, broken or altered."""
  try:
    manifest = json.loads((directory / MANIFEST_NAME).read_bytes())
    stated = manifest.pop("manifest_sha256")
    return manifest if stated == _digest(manifest) else None
  # Every way of being unreadable means the same to the caller; brackets that
  # never end are one of them.
  except (
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    RecursionError,
  ):
    return None


def find_damage(directory: pathlib.Path) -> list[str]:
  """Compares a sealed directory with its manifest.

  Returns:
    One sentence per fault: a missing file, a size or a content that differs,
    a manifest that is absent or altered. Empty if all is as sealed. Files
    that the manifest does not name are ignored.
  """
  manifest = read_manifest(directory)
  if manifest is None:
    return [f"{MANIFEST_NAME} is missing or unreadable"]
  faults = []
  for name, sealed in manifest["files"].items():
    fault = _compare(directory / name, sealed)
    if fault:
      faults.append(f"{name}: {fault}")
  return faults


def _compare(path: pathlib.Path, sealed: Mapping[str, Any]) -> str:
  try:
    # The size first: it is free, and says more than a hash that differs.
    size = path.stat().st_size
    if size != sealed["size"]:
      return f"{size} bytes, {sealed['size']} were written"
    return "" if hash_file(path) == sealed["sha256"] else "its content changed"
  except OSError as error:
    return f"cannot be read ({error.strerror})"


def _digest(manifest: Mapping[str, Any]) -> str:
  # Hashed in one canonical spelling, so that layout does not matter.
  canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
  return hashlib.sha256(canonical.encode()).hexdigest()


def _flush_to_disk(path: pathlib.Path) -> None:
  if is_remote(path):
    return
  with path.open("rb") as file:
    os.fsync(file.fileno())
