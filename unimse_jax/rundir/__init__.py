"""The directory of a run: every file in it is named, written and read here."""

from unimse_jax.rundir.metrics import MetricWriter
from unimse_jax.rundir.run_dir import SELECTION, RunDir
from unimse_jax.rundir.trained import ENDED, EPOCH

__all__ = ["ENDED", "EPOCH", "SELECTION", "MetricWriter", "RunDir"]
