"""Tests of splits by actor."""

import pytest

from feature_export.corpora.actor_splits import check_actors, parse_split_actors
from feature_export.errors import InputError


def test_ranges_are_padded():
  assert parse_split_actors("train=01-02+07,test=5") == {
    "01": "train",
    "02": "train",
    "07": "train",
    "05": "test",
  }
  assert list(parse_split_actors("test=1001", digits=4)) == ["1001"]


@pytest.mark.parametrize(
  "text", ["train:01", "dev=01", "train=01,test=01", "train=x", "train=03-01"]
)
def test_another_form_is_refused(text):
  with pytest.raises(InputError, match="--split_actors: expected the form"):
    parse_split_actors(text)


def test_every_misfit_is_named():
  with pytest.raises(InputError) as error:
    check_actors(["01", "02"], ["02", "03"])
  assert "actor 01 has a split and no files" in str(error.value)
  assert "actor 03 has files and no split" in str(error.value)
