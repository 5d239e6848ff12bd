"""Runs of other versions are read as they were, or refused by name."""

import json
import pathlib

import pytest

from unimse_jax import config as config_lib
from unimse_jax.config import FIELDS, Config
from unimse_jax.config.paths import flatten
from unimse_jax.errors import InputError

# config.json of the demo as it was when the oldest runs were made that are
# still read. It is never changed: a new field says in `before` what they did.
_EARLIEST = pathlib.Path(__file__).with_name("earliest_config.json")


@pytest.fixture
def values() -> dict:
  return json.loads(_EARLIEST.read_text())


def refusal(values: dict) -> str:
  with pytest.raises(InputError) as refused:
    config_lib.read_stored(values, "RUN/config.json")
  assert "RUN/config.json" in str(refused.value)
  return str(refused.value)


def test_the_earliest_run_is_read_with_what_was_done_then(values):
  stored = config_lib.read_stored(values, "RUN/config.json")
  assert stored.removed == {"data.mixing": values["data"].pop("mixing")}
  read = flatten(config_lib.to_dict(stored.config))
  assert flatten(values) | json.loads(json.dumps(stored.added)) == read
  assert stored.added["train.average"] == 0.0
  assert stored.added["train.init_from"] == ""
  assert set(stored.added) >= {
    *("loss.class_balance", "train.remat", "train.patience"),
    *("train.wandb_project", "decoding.logit_adjustment"),
  }


def test_what_was_done_before_a_field_is_a_legal_value_of_it(values):
  stored = config_lib.read_stored(values, "RUN/config.json")
  for path, before in stored.added.items():
    assert before == FIELDS[path].before
    assert not FIELDS[path].faults(before)


def test_a_config_of_today_is_read_as_it_is():
  values = config_lib.to_dict(Config())
  stored = config_lib.read_stored(values, "RUN/config.json")
  assert (stored.config, stored.added, stored.removed) == (Config(), {}, {})


def test_a_field_that_always_was_there_is_missed_by_name(values):
  del values["seed"], values["model"]["pmf_layers"]
  assert "expected seed, model.pmf_layers in RUN" in refusal(values)


def test_a_field_of_a_newer_version_is_named(values):
  values["train"]["foresight"] = 2
  values["hearing"] = {"range": 3}
  message = refusal(values)
  assert "found train.foresight, hearing.range: a newer version" in message


def test_a_value_that_is_no_longer_legal_is_named_with_the_file(values):
  values["train"]["selection"] = "mean_rank"
  assert "config.train.selection: expected one of" in refusal(values)
