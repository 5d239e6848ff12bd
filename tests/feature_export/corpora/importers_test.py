"""Tests of the registry of importers and of the flags that belong to some."""

import pickle

import numpy as np
import pytest
from absl import flags

from feature_export import options
from feature_export.corpora.importers import (
  IMPORTERS,
  ImportOptions,
  import_corpora,
  importer_flag_faults,
)
from feature_export.errors import InputError


def parse(corpus, *given):
  values = flags.FlagValues()
  options.define(values, ImportOptions)
  values(["export", "--corpus", corpus, "--raw", "x", *given])
  return options.read(values, ImportOptions)


@pytest.mark.parametrize("corpus", sorted(IMPORTERS))
def test_no_flag_is_needed(corpus):
  assert importer_flag_faults(parse(corpus)) == []


@pytest.mark.parametrize(
  ("corpus", "given"),
  [
    ("meld", ["--twins", "prefer", "--bad_clips", "keep"]),
    ("iemocap", ["--classes", "agreed", "--protocol", "session5"]),
    ("iemocap", ["--protocol", "session5", "--seed", "3"]),
    ("demo", ["--seed", "3", "--clips", "100"]),
    ("cremad", ["--split_actors", "train=1001"]),
    ("ravdess", ["--split_actors", "train=01"]),
    ("manifest", ["--scheme", "cremad"]),
  ],
)
def test_flags_that_fit(corpus, given):
  assert importer_flag_faults(parse(corpus, *given)) == []


@pytest.mark.parametrize(
  ("corpus", "given", "fault"),
  [
    ("mosi", ["--twins", "plain"], "--twins goes with --corpus meld only"),
    ("ravdess", ["--bad_clips", "keep"], "--bad_clips goes with"),
    ("meld", ["--classes", "six"], "--classes goes with --corpus iemocap only"),
    ("mosei", ["--protocol", "paper"], "--protocol goes with"),
    ("mosi", ["--seed", "1"], "--seed goes with --corpus demo or iemocap only"),
    ("iemocap", ["--seed", "1"], "--seed goes with --protocol session5"),
    ("demo", ["--seed", "-1"], "--seed must be at least 0, found -1"),
    ("meld", ["--clips", "100"], "--clips goes with --corpus demo only"),
    ("demo", ["--clips", "0"], "--clips must be in [1, 1000000], found 0"),
    ("demo", ["--name", "mine"], "--name does not go with --corpus demo"),
    ("meld", ["--split_actors", "x"], "goes with --corpus cremad or ravdess"),
  ],
)
def test_flags_that_mean_nothing_are_refused(corpus, given, fault):
  (found,) = importer_flag_faults(parse(corpus, *given))
  assert fault in found


def test_a_corpus_may_come_from_one_file_alone(tmp_path):
  """Two generations of the authors' feature file: one would be lost."""
  content = {
    split: {
      "vision": np.ones((1, 32, 64), np.float32),
      "audio": np.ones((1, 157, 64), np.float32),
      "labels": np.ones((1, 1, 1), np.float32),
      "id": np.array([[f"{split}_1".encode()]]),
    }
    for split in ("train", "valid", "test")
  }
  for name in ("mosi_data_0424.pkl", "mosi_data_0610.pkl"):
    (tmp_path / name).write_bytes(pickle.dumps(content))
  (tmp_path / "label.csv").write_text(
    "video_id,clip_id,text,label,annotation,mode\n"
    + "".join(f"{split},1,hi,1.0,Positive,{split}\n" for split in content)
  )
  given = parse("unimse_pickles", "--raw", str(tmp_path))
  with pytest.raises(InputError, match="one file .* several of mosi. Give one"):
    import_corpora(given)
  one = tmp_path / "mosi_data_0610.pkl"
  texts = ["--texts", str(tmp_path)]
  given = parse("unimse_pickles", "--raw", str(one), *texts)
  assert [each.name for each in import_corpora(given)] == ["mosi"]
