"""Scalars reach Weights & Biases, with the names that TensorBoard has."""

import json
import pathlib
import struct
import sys
import time

import pytest

from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir


def read_history(directory: pathlib.Path) -> list[dict]:
  """The logged steps of every offline run, in order.

  A file is 7 bytes of header, then a checksum, a length, a kind and a record
  each time (the log format of LevelDB; small records are whole).
  """
  from wandb.proto import wandb_internal_pb2

  steps = []
  for path in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
    content, at = path.read_bytes(), 7
    while at + 7 <= len(content):
      _, length, kind = struct.unpack_from("<IHB", content, at)
      record = wandb_internal_pb2.Record()
      assert kind == 1
      record.ParseFromString(content[at + 7 : at + 7 + length])
      at += 7 + length
      if record.HasField("history"):
        items = record.history.item
        names = ["/".join(each.nested_key) or each.key for each in items]
        values = [json.loads(each.value_json) for each in items]
        steps.append(dict(zip(names, values, strict=True)))
  return steps


@pytest.fixture
def offline(monkeypatch, tmp_path):
  monkeypatch.setenv("WANDB_MODE", "offline")
  monkeypatch.setenv("WANDB_SILENT", "true")
  for name in ("CACHE", "CONFIG", "DATA"):
    monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "elsewhere"))


def test_scalars_are_logged_by_step_and_resumed(offline, tiny_config, tmp_path):
  config = tiny_config({"train.wandb_project": "emotions"})
  run_dir = RunDir(tmp_path / "run")
  run_dir.path.mkdir()
  with run_dir.open_metrics(0, config=config) as writer:
    writer.write(3, "train", {"loss": 1.5}, {"examples_per_second": 40.0})
    writer.write(3, "validation", {"films/mae": 0.75})
  with run_dir.open_metrics(3, config=config) as writer:
    writer.write(5, "train", {"loss": 1.0})
  # W&B's own process writes the file, and may be a moment behind.
  deadline = time.monotonic() + 30
  while len(history := read_history(run_dir.path)) < 2:
    assert time.monotonic() < deadline, history
    time.sleep(0.2)
  assert [each["_step"] for each in history][0] == 3
  merged = {}
  for each in history:
    merged |= {(each["_step"], k): v for k, v in each.items()}
  assert merged[3, "train/loss"] == 1.5
  assert merged[3, "train/examples_per_second"] == 40.0
  assert merged[3, "validation/films/mae"] == 0.75
  assert merged[5, "train/loss"] == 1.0
  names = {path.name for path in run_dir.path.glob("wandb/offline-run-*")}
  # One run on the server, whichever process logged.
  assert len({name.rpartition("-")[2] for name in names}) == 1


def test_without_wandb_the_field_says_what_to_install(
  tiny_config, tmp_path, monkeypatch
):
  monkeypatch.setitem(sys.modules, "wandb", None)
  config = tiny_config({"train.wandb_project": "emotions"})
  with pytest.raises(InputError, match=r"unimse_jax\[wandb\]"):
    RunDir(tmp_path).open_metrics(0, config=config)


def test_no_project_needs_no_wandb(tiny_config, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "wandb", None)
  with RunDir(tmp_path).open_metrics(0, config=tiny_config()) as writer:
    writer.write(1, "train", {"loss": 1.0})
  assert len(RunDir(tmp_path).metrics()) == 1
