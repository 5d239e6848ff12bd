"""Tests of the registry of importers and of the flags that belong to some."""

import pytest
from absl import flags

from feature_export import options
from feature_export.corpora.importers import (
  IMPORTERS,
  ImportOptions,
  importer_flag_faults,
)


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
