"""The directory of a run: every file in it is named, written and read here."""

from unimse_jax.rundir.metrics import MetricWriter
from unimse_jax.rundir.run_dir import ENDED, EPOCH, SELECTION, RunDir

__all__ = ["ENDED", "EPOCH", "SELECTION", "MetricWriter", "RunDir"]
