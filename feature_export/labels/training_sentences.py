"""The vectors of the training texts, for a T5 that starts from random weights.

The trainer has no sentence encoder. Where `t5.warm_start = sentences`, it
teaches its T5 to give each training text the vector that the encoder gave it,
and reads those vectors from the file written here.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from feature_export.labels.completion import Sample


def sentences_file(labels: Path) -> Path:
  """The file beside FILE.jsonl: FILE.sentences.npz."""
  return labels.with_suffix(".sentences.npz")


def pack(
  samples: Sequence[Sample], text_rows: np.ndarray, embeddings: np.ndarray
) -> bytes:
  """The file's content; held-out texts are not in it.

  Args:
    samples: samples of all splits.
    text_rows, embeddings: from `label_mixture.embed_texts` of these samples.

  Returns:
    An npz of `keys` str[N], "corpus/id" of each training sample; `rows`
    int32[N], its row of `vectors`; `vectors` float16[U, D], one a distinct
    text, of length 1.
  """
  places = [at for at, each in enumerate(samples) if each.split == "train"]
  used, rows = np.unique(text_rows[places], return_inverse=True)
  keys = [f"{samples[at].corpus}/{samples[at].id}" for at in places]
  content = io.BytesIO()
  np.savez(
    content,
    keys=np.array(keys, dtype=str),
    rows=rows.astype(np.int32),
    vectors=embeddings[used].astype(np.float16),
  )
  return content.getvalue()
