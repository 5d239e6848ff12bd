"""Directories of the Hugging Face hub, by name."""

import logging
import pathlib
from collections.abc import Callable, Sequence

from unimse_jax.errors import InputError


def snapshot(
  what: str,
  name: str,
  patterns: Sequence[str] | None,
  advice: str,
  *,
  is_whole: Callable[[pathlib.Path], bool] | None,
) -> pathlib.Path:
  """The local copy of a repository of the hub, downloaded if need be.

  Args:
    what: kind of thing, for the message.
    name: "owner/name", or "owner/name@revision" with a branch, tag or commit.
    patterns: files that are wanted; None for all.
    advice: what to do where it cannot be had.
    is_whole: whether a copy that is there has all that is read; such a one is
      taken without asking the hub for a newer one. Another program may have
      fetched a part. None: the hub is always asked. Without a network the copy
      is taken in any case.

  Raises:
    InputError: it is neither there nor to be had.
  """
  # They take half a second, and only this needs them.
  import huggingface_hub
  from huggingface_hub.errors import HFValidationError
  from huggingface_hub.utils import validate_repo_id

  repository, _, revision = name.partition("@")
  try:
    validate_repo_id(repository)
  except HFValidationError as error:
    raise InputError(
      f"{what}: expected a directory or a name of the Hugging Face hub "
      f"(owner/name), found {name!r}, which is neither. {advice}"
    ) from error
  find = {"allow_patterns": patterns, "revision": revision or None}
  if is_whole is not None:
    try:
      cached = pathlib.Path(
        huggingface_hub.snapshot_download(
          repository, local_files_only=True, **find
        )
      )
      if is_whole(cached):
        return cached
    except Exception:  # not cached
      logging.getLogger(__name__).info("%s is not in the hub cache.", name)
    print(f"Downloading {name} from the Hugging Face hub ...", flush=True)
  try:
    return pathlib.Path(
      huggingface_hub.snapshot_download(repository, etag_timeout=5, **find)
    )
  except Exception as error:  # the hub client raises many kinds
    raise InputError(
      f"{what}: {name!r} is not a directory, is not in the hub cache "
      f"({huggingface_hub.constants.HF_HUB_CACHE}) and could not be "
      f"downloaded ({type(error).__name__}). {advice}"
    ) from error
