"""Puts a package on the Hugging Face hub."""

import pathlib

from unimse_jax.errors import InputError
from unimse_jax.pipeline import packaged

# Rights that are lacking, as the hub's answers say it.
_REFUSALS = (401, 403)


def push(directory: pathlib.Path, name: str, private: bool = False) -> str:
  """Uploads a package in one commit; the repository is made if need be.

  What an earlier commit had beside it goes: the repository is the package.

  Args:
    directory: local directory of the package.
    name: "owner/name" of the repository.
    private: whether a new repository is visible to its owner alone; one that
      exists stays as it is.

  Returns:
    The address of the commit.

  Raises:
    InputError: no whole package is there, or the hub refuses.
  """
  import huggingface_hub  # takes half a second, and only this needs it
  from huggingface_hub.errors import HfHubHTTPError, HFValidationError

  packaged.check(directory)
  interface = huggingface_hub.HfApi()
  try:
    interface.create_repo(name, private=private, exist_ok=True)
    commit = interface.upload_folder(
      repo_id=name,
      folder_path=directory,
      delete_patterns="*",
      commit_message="Package of unimse_jax",
    )
  except HFValidationError as error:
    raise InputError(
      f"--push: expected owner/name, found {name!r}: {error}"
    ) from error
  except HfHubHTTPError as error:
    status = error.response.status_code if error.response is not None else 0
    remedy = "try again later"
    if status in _REFUSALS:
      remedy = "log in with `hf auth login`, or set HF_TOKEN to a token that "
      remedy += f"may write to {name}"
    raise InputError(
      f"--push: expected {interface.endpoint} to take {name}, found status "
      f"{status} ({_first_line(error)}): {remedy}. The package is whole in "
      f"{directory}."
    ) from error
  except Exception as error:  # of the client's own HTTP library
    raise InputError(
      f"--push: expected to reach {interface.endpoint}, found "
      f"{type(error).__name__}: {_first_line(error)}. The package is whole in "
      f"{directory}; push it later with --out {directory} --push {name}."
    ) from error
  return str(commit.commit_url)


def _first_line(error: Exception) -> str:
  return (str(error).strip().splitlines() or [""])[0]
