"""The version of the code, where it runs from a clone."""

import pathlib
import subprocess


def commit() -> str | None:
  """The checkout's commit, with "+" where files differ; None outside one."""
  here = pathlib.Path(__file__).parent
  try:
    return subprocess.run(
      ["git", "describe", "--always", "--abbrev=40", "--dirty=+"],
      cwd=here,
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None
