"""Training fills the memory of a system, and a checkpoint keeps it."""

import jax
import numpy as np

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.rivals import MEMORY
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer

EXAMPLES = 42  # of both corpora's training splits


def test_self_mm_makes_labels_for_the_annotated_utterances(
  tiny_config, tmp_path
):
  config = tiny_config({"rival.system": "self_mm", "train.epochs": 2})
  assert trainer.train(config, tmp_path).finished
  with RunDir(tmp_path).open_checkpoints(read_only=True) as checkpointer:
    model = pipeline_lib.open_pipeline(config, RunDir(tmp_path)).model
    memory = jax.eval_shape(lambda: model.memory(EXAMPLES))
    state = checkpointer.restore(memory, subtree=MEMORY).state
  kept = jax.tree.map(np.asarray, state["rival"])
  annotated = kept["fusion_labels"] != 0
  # Once an epoch; one corpus annotates no intensities.
  assert set(kept["visits"][annotated]) == {2}
  assert 0 < annotated.sum() < EXAMPLES
  assert not kept["text_labels"][kept["visits"] == 0].any()
  made = kept["text_labels"][annotated]
  assert (np.abs(made) <= 3).all()
  assert (made != kept["fusion_labels"][annotated]).all()
