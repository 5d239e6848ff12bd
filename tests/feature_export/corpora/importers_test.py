"""Tests of the registry of importers and of the flags that belong to some."""

import pytest

from feature_export import export
from feature_export.corpora.importers import IMPORTERS, importer_flag_faults


def parse(corpus, *flags):
  return export.build_parser().parse_args(
    ["--corpus", corpus, "--raw", "x", "--out", "y", *flags]
  )


@pytest.mark.parametrize("corpus", sorted(IMPORTERS))
def test_no_flag_is_needed(corpus):
  assert importer_flag_faults(parse(corpus)) == []


@pytest.mark.parametrize(
  ("corpus", "flags"),
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
def test_flags_that_fit(corpus, flags):
  assert importer_flag_faults(parse(corpus, *flags)) == []


@pytest.mark.parametrize(
  ("corpus", "flags", "fault"),
  [
    ("mosi", ["--twins", "plain"], "--twins goes with --corpus meld only"),
    ("ravdess", ["--bad_clips", "keep"], "--bad_clips goes with"),
    ("meld", ["--classes", "six"], "--classes goes with --corpus iemocap only"),
    ("mosei", ["--protocol", "paper"], "--protocol goes with"),
    ("mosi", ["--seed", "1"], "--seed goes with --corpus demo or iemocap only"),
    ("iemocap", ["--seed", "1"], "--seed goes with --protocol session5"),
    ("demo", ["--seed", "-1"], "--seed must be at least 0, found -1"),
    ("meld", ["--clips", "100"], "--clips goes with --corpus demo only"),
    ("demo", ["--clips", "0"], "--clips must be in"),
    ("meld", ["--split_actors", "x"], "goes with --corpus cremad or ravdess"),
  ],
)
def test_flags_that_mean_nothing_are_refused(corpus, flags, fault):
  (found,) = importer_flag_faults(parse(corpus, *flags))
  assert fault in found
