"""What runs a model: vocabulary, scale of the frames, label text, weights.

Training makes it in the run directory (`prepare_run`); evaluation and
prediction open it from there (`open_run`, `open_pipeline`).
"""

from unimse_jax.pipeline.experiment import Experiment, open_run, prepare_run
from unimse_jax.pipeline.pipeline import Pipeline, open_pipeline, restore_params

__all__ = [
  "Experiment",
  "Pipeline",
  "open_pipeline",
  "open_run",
  "prepare_run",
  "restore_params",
]
