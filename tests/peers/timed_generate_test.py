"""Ours and transformers' generate write the same texts."""

import dataclasses
import importlib

import numpy as np
import pytest

from tests.peers import timed_generate
from unimse_jax import config as config_lib


@pytest.fixture(scope="module")
def runs():
  values = importlib.import_module("configs.demo").get_config().to_dict()
  config = config_lib.validate(values)
  t5 = dataclasses.replace(
    config.t5, width=32, hidden=48, encoder_layers=2, decoder_layers=2
  )
  config = dataclasses.replace(config, t5=t5)
  return timed_generate.make_runs(config, texts=5, tokens=9)


@pytest.mark.parametrize("name", ["greedy", "constrained"])
def test_both_write_the_same_tokens(runs, name):
  ours, theirs = (run() for run in runs[name])
  assert ours.shape == (5, 25)
  assert timed_generate.compare(ours, theirs) == 5
  assert (ours > 1).any()


def test_another_token_and_another_end_are_found():
  ours = np.array([[5, 6, 1, 0], [5, 1, 0, 0], [5, 6, 1, 0]])
  theirs = np.array([[5, 6, 1], [5, 6, 1], [5, 7, 1]])
  assert timed_generate.compare(ours, theirs) == 1
  assert timed_generate.compare(np.array([[5, 6, 7, 8]]), theirs[:1]) == 0


def test_tokens_are_counted_up_to_the_end():
  texts = np.array([[5, 6, 1, 0], [1, 0, 0, 0], [5, 5, 5, 5]])
  assert timed_generate.count_tokens(texts) == 3 + 1 + 4
