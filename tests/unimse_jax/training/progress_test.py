"""What a training says before and while it runs."""

import jax
import numpy as np

from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.pipeline import Experiment
from unimse_jax.training import progress
from unimse_jax.training.batch_order import BatchOrder


def test_the_start_says_what_is_trained_on_what(straight, tiny_config):
  from unimse_jax import pipeline
  from unimse_jax.rundir import RunDir

  opened: Experiment = pipeline.open_run(tiny_config(), RunDir(straight))
  params = {"a": np.zeros((3, 1000)), "b": jax.ShapeDtypeStruct((7,), "f4")}
  mesh = make_mesh(devices=2)
  order = BatchOrder([30] * 48, ["films"] * 48, tiny_config(), mesh)
  rest = (opened.mixture, params, mesh, order, 4, 8)
  text = progress.starting_block(tiny_config(), *rest)
  assert "contrast " not in text
  lines = text.splitlines()
  assert lines[0] == "devices     2 x cpu (cpu)"
  assert lines[1] == "parameters  3,007"
  assert lines[2] == "steps       4 of 8 done, 4 an epoch"
  assert lines[3] == (
    "encoder     rows x tokens: 6 x 64; 93.8% of them real; each shape is "
    "compiled when its first batch comes"
  )
  counts = {
    split: sum(each.corpus == "films" for each in examples)
    for split, examples in opened.mixture.examples.items()
  }
  assert lines[4] == (
    f"corpus      films: {counts['train']} train, "
    f"{counts['validation']} validation, {counts['test']} test"
  )
  parts = {"train.microbatches": 3}
  lines = progress.starting_block(tiny_config(parts), *rest).splitlines()
  assert lines[4] == (
    "contrast    each utterance with the 3 others of its part of the batch, "
    "not with 11 (train.microbatches = 3)"
  )
  parts |= {"loss.alpha": 0.0, "loss.beta": 0.0}
  text = progress.starting_block(tiny_config(parts), *rest)
  assert "contrast " not in text


def test_without_a_terminal_a_line_comes_at_first_and_then_each_minute(
  monkeypatch, caplog
):
  now = [0.0]
  monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
  monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False)
  with (
    caplog.at_level("INFO", logger="absl"),
    progress.Progress(start=10, total_steps=110) as shown,
  ):
    for step, seconds in ((11, 30.0), (12, 31.0), (20, 60.0), (30, 91.0)):
      now[0] = seconds
      shown.measured(step, 2.5, 7.0)
  messages = [record.getMessage() for record in caplog.records]
  lines = [each for each in messages if each.startswith("step")]
  assert lines == [
    "step 11 of 110, loss 2.500, 7 examples/s, about 50 min left",
    "step 30 of 110, loss 2.500, 7 examples/s, about 6 min left",
  ]
