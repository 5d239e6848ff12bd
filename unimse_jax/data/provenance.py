"""Which data a score comes from, as hashes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from unimse_cli import storage
from unimse_jax.data import label_file
from unimse_jax.data.records import read_metadata


def of(
  metadata: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any]
) -> dict[str, Any]:
  """The hashes of what a run has learnt from.

  Args:
    metadata: name of a corpus -> what the exporter wrote of it.
    meta: what stands beside the labels.
  """
  # Of the vectors that a warm start learns from, where there are any.
  sentences = [name for name in ("sentences_sha256",) if name in meta]
  return {name: meta[name] for name in sentences} | {
    "labels_sha256": meta["labels_sha256"],
    "labels_donors": meta["donors"],
    "labels_encoder": meta["encoder"],
    "datasets": {
      name: {
        "settings_sha256": each["settings_sha256"],
        "shards": each["shards"],
      }
      for name, each in metadata.items()
    },
  }


def sha256(provenance: Mapping[str, Any]) -> str:
  """Over all hashes of datasets and labels: the same data, the same hash."""
  text = json.dumps(provenance, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def read(data_dir: str, names: Sequence[str], labels: str) -> dict[str, Any]:
  """Of what is there now, without opening or fetching a record.

  Args:
    data_dir: folder that the exporter wrote to.
    names: corpora of the mixture.
    labels: file of their universal labels.

  Raises:
    InputError: a corpus or the labels are missing, or their descriptions are
      damaged.
  """
  meta = label_file.read_meta(storage.user_path(labels))
  return of({name: read_metadata(data_dir, name) for name in names}, meta)
