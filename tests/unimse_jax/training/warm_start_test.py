"""A T5 that starts from random weights is taught what the texts mean."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.errors import InputError
from unimse_jax.models import T5
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer, warm_start
from unimse_jax.training.batch_order import BatchOrder


@pytest.fixture(scope="module")
def config(corpora, label_writer, tiny_config):
  labels = label_writer(corpora, "friends", "--sentences")
  return tiny_config(
    {
      "data.corpora": ("friends",),
      "data.labels": str(labels),
      "t5.warm_start": "sentences",
    }
  )


def _started(config, workdir, steps):
  opened = pipeline_lib.prepare_run(config, RunDir(workdir))
  mesh = config_mesh(config)
  batcher = opened.batcher("train")
  order = BatchOrder(batcher.lengths, batcher.corpora, config, mesh)
  params = opened.initial_params(mesh)
  before = jax.tree.map(np.array, params)
  after = warm_start.warm_start(opened, params, mesh, batcher, order, steps)
  return before, after


def test_the_encoder_comes_nearer_to_the_vectors(config, tmp_path, caplog):
  logging.set_verbosity(logging.INFO)
  before, after = _started(config, tmp_path, 30)
  first, last = caplog.records[-1].args[1:]
  assert last > first + 0.1
  # The rest is as it was, the decoder too: nothing there has a gradient.
  same = jax.tree.map(
    lambda a, b: bool((a == np.array(b)).all()), before, after
  )
  assert all(jax.tree.leaves(same["t5"].pop("decoder")))
  assert not any(jax.tree.leaves(same["t5"]["encoder"]["layers_0"]))
  del same["t5"]
  assert all(jax.tree.leaves(same))


def test_it_is_the_same_each_time(config, tmp_path):
  _, first = _started(config, tmp_path, 3)
  _, second = _started(config, tmp_path, 3)
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_only_the_utterances_own_tokens_are_read(tiny_t5, fill):
  t5 = T5(tiny_t5)
  tokens = jnp.array([[5, 6, 7, 1], [8, 9, 1, 0]])
  params = {
    "t5": fill(t5, tokens, tokens > 0, tokens),
    "head": {"kernel": jnp.eye(16, 3)},
  }
  batch = {
    "encoder_input_tokens": tokens,
    "encoder_mask": tokens > 0,
    "segment_ids": jnp.array([[0, 1, 1, 0], [0, 0, 0, 0]]),
    "sentence_vectors": jnp.array([[0.6, 0.8, 0.0], [0.0, 1.0, 0.0]]),
  }
  encoded = t5.apply(
    {"params": params["t5"]}, tokens, tokens > 0, method="encode"
  )
  mean = np.array(encoded)[0, 1:3, :3].mean(0)
  # The second row has no token of its own and counts in nothing.
  expected = 1 - mean @ [0.6, 0.8, 0.0] / np.linalg.norm(mean)
  plain = T5(dataclasses.replace(tiny_t5, dropout=0.0))
  found = warm_start.distance(params, batch, jax.random.key(0), t5=plain)
  # float32 sums in another order.
  assert found == pytest.approx(expected, abs=1e-5)


def test_packed_texts_have_the_same_distance(tiny_t5, make_batch, fill, pack):
  t5 = T5(dataclasses.replace(tiny_t5, dropout=0.0))
  batch = make_batch(rows=8)
  tokens = batch["encoder_input_tokens"]
  batch["sentence_vectors"] = np.random.default_rng(0).normal(size=(8, 3))
  params = {
    "t5": fill(t5, tokens, tokens > 0, tokens),
    "head": {"kernel": jnp.eye(16, 3)},
  }
  of = jax.value_and_grad(warm_start.distance)
  expected = of(params, batch, jax.random.key(0), t5=t5)
  found = of(params, pack(batch), jax.random.key(0), t5=t5)
  # float32 sums over other shapes.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    found,
    expected,
  )


def test_labels_without_vectors_are_refused(
  corpora, label_writer, tiny_config, tmp_path
):
  labels = label_writer(corpora, "films")
  config = tiny_config(
    {
      "data.corpora": ("films",),
      "data.labels": str(labels),
      "t5.warm_start": "sentences",
    }
  )
  with pytest.raises(InputError, match="universal_labels --sentences"):
    trainer.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()
