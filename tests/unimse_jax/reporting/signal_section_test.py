"""What reaches the label, as the metrics of a run tell it."""

import dataclasses

import pytest

from unimse_jax.reporting import run_files
from unimse_jax.reporting.signal_section import signal_section


@pytest.fixture(scope="module")
def run(paper_run):
  return run_files.load(paper_run)


def test_a_chart_for_each_modality_and_each_other_figure(run):
  section = signal_section(run)
  words = {chart.slug: chart.summary for chart in section.charts}
  # Shares of the stream as percent, steps without the modality left out.
  layers = ("layers_10", "layers_11")
  assert words == {
    "signal_audio": "; ".join(f"{each} from 0 to 48" for each in layers),
    "signal_video": "; ".join(f"{each} from 0.4 to 0.4" for each in layers),
    "signal_segments": "segments from 2 to 2",
    "signal_stream": "; ".join(f"{each} from 80 to 80" for each in layers),
    "signal_saturated": "; ".join(f"{each} from 0.5 to 0.5" for each in layers),
    "signal_gradient_t5": "t5 from 0.9 to 0.9",
    "signal_gradient_encoders": "encoders from 0 to 0",
  }


def test_a_run_that_measured_nothing_has_no_section(run):
  old = [
    {k: v for k, v in line.items() if not k.startswith(("signal", "gradient"))}
    for line in run.metrics
  ]
  assert any(line["split"] == "train" for line in old)
  assert signal_section(dataclasses.replace(run, metrics=old)) is None
