"""A system in UniMSE's place trains, resumes and is evaluated as UniMSE is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.models.dense import Dense
from unimse_jax.prediction import package
from unimse_jax.prediction.predictor import Predictor
from unimse_jax.rivals import registry
from unimse_jax.rivals.streams import (
  MEMORY,
  TEXT,
  Fused,
  to_dialogues,
  to_rows,
)
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer


class Previous(nn.Module):
  """Reads the utterance and the one before it; counts its batches."""

  width: int
  dropout: float

  @staticmethod
  def memory(shape, examples):
    del shape
    return {"seen": jnp.zeros((examples,), jnp.int32)}

  @nn.compact
  def __call__(self, streams, batch, deterministic):
    own = Dense(self.width)(streams[TEXT].mean())
    rows = batch["dialogue_rows"]
    dialogues = to_dialogues(own, rows)
    before = jnp.pad(dialogues[:, :-1], ((0, 0), (1, 0), (0, 0)))
    vector = own + Dense(self.width)(to_rows(before, rows, len(own)))
    if deterministic:
      return Fused(vector)
    seen = self.variable(MEMORY, "seen")
    seen.value = seen.value.at[batch["example"]].add(
      batch["example"] >= 0, mode="drop"
    )
    return Fused(vector, {"size": 0.01 * jnp.mean(jnp.square(vector))})


@pytest.fixture
def previous(monkeypatch) -> None:
  system = registry.System("Previous", Previous, dialogues=True)
  monkeypatch.setitem(registry.SYSTEMS, "previous", system)


def last_state(config, workdir):
  """Parameters and memory of the newest checkpoint."""
  with RunDir(workdir).open_checkpoints(read_only=True) as checkpointer:
    opened = pipeline_lib.open_pipeline(config, RunDir(workdir))
    params = opened.abstract_params()
    restored = checkpointer.restore(params, subtree="params")
    memory = jax.eval_shape(lambda: {"rival": Previous.memory(None, 42)})
    kept = {}
    if config.rival.system == "previous":
      kept = checkpointer.restore(memory, subtree=MEMORY).state
  return restored.state, kept


@pytest.fixture(scope="module")
def early_fusion(tiny_config, tmp_path_factory) -> tuple:
  """A config and the workdir of its run."""
  config = tiny_config({"rival.system": "early_fusion", "train.epochs": 1})
  workdir = tmp_path_factory.mktemp("early_fusion")
  assert trainer.train(config, workdir).finished
  return config, workdir


def test_early_fusion_is_scored_as_unimse_is(early_fusion):
  evaluation, _, _ = evaluation_run.evaluate(
    *early_fusion, "test", withhold=True, missing=(0.5,)
  )
  assert evaluation.corpora["films"]["n_intensity"] == 5
  assert evaluation.corpora["friends"]["n_emotion"] == 5
  assert evaluation.decoding["malformed"] == 0
  assert set(evaluation.withheld) == {"audio", "video", "audio_video"}
  chances = evaluation.predictions[-1].probabilities["moods"]
  assert sum(chances.values()) == pytest.approx(1.0, rel=1e-5)  # float32


def test_a_resumed_run_of_dialogues_and_memory_ends_as_a_straight_one(
  tiny_config, tmp_path, previous
):
  changes = {"rival.system": "previous", "optimizer.schedule": "constant"}
  config = tiny_config(changes)
  outcome = trainer.train(config, tmp_path / "straight")
  first = tiny_config({**changes, "train.epochs": 1})
  trainer.train(first, tmp_path / "resumed")
  again = trainer.train(config, tmp_path / "resumed")
  assert (again.step, again.finished) == (outcome.step, True)
  straight = last_state(config, tmp_path / "straight")
  jax.tree.map(
    np.testing.assert_array_equal,
    straight,
    last_state(config, tmp_path / "resumed"),
  )
  # Every utterance once an epoch.
  np.testing.assert_array_equal(straight[1]["rival"]["seen"], 2)


def test_a_batch_too_small_for_a_dialogue_leaves_no_run_behind(
  tiny_config, tmp_path, previous
):
  small = tiny_config({"rival.system": "previous", "train.batch_size": 4})
  with pytest.raises(InputError, match="batch_size: expected at least 5"):
    trainer.train(small, tmp_path)
  assert not RunDir(tmp_path).exists()


def test_on_several_devices_dialogues_give_the_same(
  tiny_config, tmp_path, previous
):
  changes = {"rival.system": "previous", "t5.dropout": 0.0}
  changes |= {"train.epochs": 1, "rival.dropout": 0.0}
  one, four = (
    tiny_config({**changes, "parallel.devices": count}) for count in (1, 4)
  )
  trainer.train(one, tmp_path / "one")
  trainer.train(four, tmp_path / "four")
  jax.tree.map(
    # float32 sums over the rows in another order, through Adam's division.
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    last_state(one, tmp_path / "one"),
    last_state(four, tmp_path / "four"),
  )


def test_what_does_not_go_together_is_refused(tiny_config, tmp_path):
  for changes, message in (
    ({"rival.system": "unknown"}, "config.rival.system: expected one of"),
    (
      {"rival.system": "early_fusion", "rival.options": ["rank=4"]},
      "early_fusion has the options none; found 'rank=4'",
    ),
  ):
    with pytest.raises(InputError, match=message):
      trainer.train(tiny_config(changes), tmp_path / "run")
  with pytest.raises(InputError, match=r"train\.microbatches: expected 1"):
    tiny_config({"rival.system": "early_fusion", "train.microbatches": 2})


def test_a_run_of_another_system_is_no_predictor(early_fusion, tmp_path):
  _, workdir = early_fusion
  message = "expected a run of UniMSE, found one of rival.system = early_fus"
  with pytest.raises(InputError, match=message):
    Predictor.from_workdir(workdir)
  with pytest.raises(InputError, match=message):
    package.write(workdir, tmp_path / "package", overwrite=False)
