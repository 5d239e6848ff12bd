"""Our speed beside that of the same model in torch, turn by turn.

The peer is `tests/peers/timed_torch.py`, a process of its own: unimse_jax knows
no torch. The two take turns and never run at once; the one that waits holds no
core.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import logging
from jax.sharding import Mesh

from unimse_jax import config as config_lib
from unimse_jax import processes
from unimse_jax.benchmarking import synthetic
from unimse_jax.benchmarking.throughput import time_runs
from unimse_jax.benchmarking.workload import (
  make_lstms,
  make_step,
  make_workload,
)
from unimse_jax.config import Config
from unimse_jax.data.batching import Batch
from unimse_jax.errors import InputError
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh

SCRIPT = pathlib.Path(__file__).parents[2] / "tests/peers/timed_torch.py"
DECODING_SCRIPT = SCRIPT.with_name("timed_generate.py")
# Name -> arguments of the script.
PEERS = {
  "torch": (),
  "torch_compile": ("--compiled",),
  "torch_float32": ("--float32",),
}
_TEXTS = ("encoder_input_tokens", "encoder_mask", "segment_ids")
_TEXT = 64  # tokens of every text of the equal shapes
_TURNS = 4  # of each side


@dataclasses.dataclass(frozen=True)
class Task:
  """The same rows, as we and as the peer would batch them.

  Attributes:
    title: what they are.
    ours: arrays of our batch.
    theirs: arrays of the peer's.
  """

  title: str
  ours: Batch
  theirs: Batch


class Peer:
  """The peer's process."""

  def __init__(self, folder: pathlib.Path, name: str, part: str):
    """Starts it; the folder holds config.json and the batches."""
    command = [sys.executable, SCRIPT, "--folder", folder, "--part", part]
    command += PEERS[name]
    self._process = subprocess.Popen(
      [str(each) for each in command],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env=processes.child_environment(),
    )

  def time(self, task: str, count: int) -> float:
    """Seconds of a run, of `count` in a row with the batch of that name."""
    with contextlib.suppress(BrokenPipeError):  # what it said is told below
      self._process.stdin.write(f"{task} {count}\n")
      self._process.stdin.flush()
    for line in self._process.stdout:
      kind, _, values = line.partition(" ")
      if kind == "seconds":
        return float(values)
    raise InputError(
      f"--peer: expected times of the peer {SCRIPT}, found that it ended with "
      f"status {self._process.wait()}; its message is above."
    )

  def close(self) -> None:
    with contextlib.suppress(BrokenPipeError):  # it ended by itself
      self._process.stdin.close()
    self._process.wait()
    self._process.stdout.close()


def measure(config: Config, name: str, part: str, steps: int) -> dict[str, Any]:
  """Times both.

  Args:
    config: shapes, losses and optimizer.
    name: one of `PEERS`.
    part: "train", the whole training step, or "lstm", forward and backward of
      the LSTMs alone.
    steps: timed runs of each side and task, rounded up to four equal turns.

  Returns:
    Values of JSON types, times in s; `format_report` names them.

  Raises:
    InputError: the peer is not to be had, or the config asks for more than one
      device.
  """
  mesh = config_mesh(config)
  _check(mesh, SCRIPT)
  if part == "train":
    tasks, run = make_train_tasks(config, mesh), make_step(config, mesh)
  else:
    tasks, run = _lstm_tasks(config), make_lstms(config, mesh)
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    values = json.dumps(config_lib.to_dict(config))
    (folder / "config.json").write_text(values)
    for key, task in tasks.items():
      np.savez(folder / f"{key}.npz", **task.theirs)
    peer = Peer(folder, name, part)
    try:
      found = {}
      for key, task in tasks.items():
        batch = sharding.shard_batch(task.ours, mesh)
        ours = functools.partial(_time_turn, functools.partial(run, batch))
        theirs = functools.partial(peer.time, key)
        found[key] = _take_turns(ours, theirs, steps) | {"title": task.title}
    finally:
      peer.close()
  return {
    "config": config.name,
    "peer": name,
    "part": part,
    "device": mesh.devices.flat[0].device_kind,
    "dtype": config.t5.dtype,
    "tasks": found,
  }


def measure_decoding(config: Config, steps: int) -> dict[str, Any]:
  """Times greedy decoding beside transformers' generate, in one process.

  Args:
    config: shape of the T5, its decoding and labels.
    steps: turns of both.

  Returns:
    Values of JSON types; `format_decoding` says them in words.

  Raises:
    InputError: the peer is not to be had.
  """
  _check(config_mesh(config), DECODING_SCRIPT)
  tokens = min(_TEXT, config.text.max_tokens)
  with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "config.json"
    file.write_text(json.dumps(config_lib.to_dict(config)))
    command = [sys.executable, str(DECODING_SCRIPT), "--config", str(file)]
    command += ["--texts", str(config.train.batch_size)]
    command += ["--tokens", str(tokens), "--rounds", str(steps)]
    done = subprocess.run(
      command,
      stdout=subprocess.PIPE,
      text=True,
      env=processes.child_environment(),
    )
  if done.returncode:
    raise InputError(
      f"--peer: expected times of the peer {DECODING_SCRIPT}, found that it "
      f"ended with status {done.returncode}; its message is above."
    )
  return {
    "config": config.name,
    "peer": "generate",
    "dtype": config.t5.dtype,
    "tokens": tokens,
    "ways": json.loads(done.stdout.splitlines()[-1]),
  }


def format_decoding(report: dict[str, Any]) -> str:
  """The figures of `measure_decoding`, for people."""
  lines = [
    f"{report['config']}, {report['dtype']}, texts of {report['tokens']} "
    "tokens and fewer: unimse_jax beside transformers' generate, taking turns"
  ]
  for name, way in report["ways"].items():
    turns = np.array(way["turns"])
    ours, theirs = np.median(turns, axis=0)
    ratios = turns[:, 1] / turns[:, 0]
    lines.append(
      f"  {name}: {ours:.3f} s, {way['written'] / ours:.0f} tokens/s; generate "
      f"{theirs:.3f} s, {way['written'] / theirs:.0f} tokens/s: "
      f"{np.median(ratios):.2f} x ({ratios.min():.2f} to {ratios.max():.2f} in "
      f"a turn); {way['equal']} of {way['texts']} texts equal"
    )
  return "\n".join(lines)


def _check(mesh: Mesh, script: pathlib.Path) -> None:
  for package in ("torch", "transformers"):
    if importlib.util.find_spec(package) is None:
      raise InputError(
        f"--peer: expected the package {package}, found none. Install the "
        "extras export and test: pip install -e '.[export,test]'."
      )
  if not script.is_file():
    raise InputError(
      f"--peer: expected the peer at {script}, found no such file. It comes "
      "with the repository: run the command from a clone."
    )
  if mesh.size != 1:
    raise InputError(
      f"--peer: expected one device, for the peer knows no more; found "
      f"{mesh.size}. Set config.parallel.devices=1."
    )


def _time_turn(run: Callable[[], Any], count: int) -> float:
  """As `Peer.time`, of ours."""
  (seconds,) = time_runs(run, count, ahead=count)
  return seconds


def _take_turns(
  ours: Callable[[int], float], theirs: Callable[[int], float], steps: int
) -> dict[str, Any]:
  """Seconds of a run of both, by turns, and their ratio."""
  seconds = {"ours": [], "theirs": []}
  sides = tuple(zip(seconds, (ours, theirs), strict=True))
  for _, run in sides:
    run(2)  # compiles and allocates
  for number in range(1, _TURNS + 1):
    for side, run in sides:
      run(1)  # after the other's turn, to warm the caches
      seconds[side].append(run(-(-steps // _TURNS)))
    logging.info(
      "Turn %d of %d: %.4g s, the peer %.4g s.",
      number,
      _TURNS,
      *(turns[-1] for turns in seconds.values()),
    )
  medians = {side: float(np.median(turns)) for side, turns in seconds.items()}
  ratios = np.divide(seconds["theirs"], seconds["ours"])
  return {
    "seconds": seconds,
    "median": medians,
    "ratio": medians["theirs"] / medians["ours"],
    "ratio_of_turns": [float(ratios.min()), float(ratios.max())],
  }


def make_train_tasks(config: Config, mesh: Mesh) -> dict[str, Task]:
  """Equal texts in equal rows, and a batch of the corpora's lengths."""
  size = config.train.batch_size
  tokens = min(_TEXT, config.text.max_tokens)
  equal = synthetic.make_batch(config, np.full(size, tokens), size, tokens)
  workload = make_workload(config, mesh)
  plans = [each for each in workload.plans if len(each.rows) == size]
  longest = [workload.lengths[list(each.rows)].max() for each in plans]
  # The full batch whose longest text is the median of all batches' longest.
  plan = plans[np.argsort(longest)[len(longest) // 2]]
  lengths = workload.lengths[list(plan.rows)]
  drawn = synthetic.make_batch(config, lengths, size, plan.length)
  drawn, voices = _with_drawn_voices(config, drawn)
  packed = drawn | workload.order.layout(plan)
  padded = {
    key: values[:, : lengths.max()] if key in _TEXTS else values
    for key, values in drawn.items()
  }
  rows, length = workload.order.shape(plan)
  return {
    "equal": Task(f"{size} texts of {tokens} tokens", equal, equal),
    "drawn": Task(
      f"{size} texts of {lengths.min()} to {lengths.max()} tokens "
      f"(mean {lengths.mean():.0f}), {voices}; ours packed into {rows} rows of "
      f"{length}",
      packed,
      padded,
    ),
  }


def _lstm_tasks(config: Config) -> dict[str, Task]:
  """Clips of all frames, and voices of unequal length."""
  size = config.train.batch_size
  equal = synthetic.make_batch(config, np.full(size, 2), size, 2)
  frames = " and ".join(
    f"{count} of {name}" for name, count in config.data.frames.items()
  )
  drawn, voices = _with_drawn_voices(config, equal)
  return {
    "equal": Task(f"{size} clips, frames: {frames}", equal, equal),
    "drawn": Task(f"the same, {voices}", drawn, drawn),
  }


def _with_drawn_voices(config: Config, batch: Batch) -> tuple[Batch, str]:
  """The batch with voices of unequal length, and what is said of them."""
  if "audio" not in config.data.modalities:
    return batch, "without voice"
  counts = synthetic.voice_frames(config, len(batch["audio"]))
  mask = np.arange(batch["audio"].shape[1]) < counts[:, None]
  audio = batch["audio"] * mask[..., None]
  return (
    {**batch, "audio": audio, "audio_mask": mask},
    f"voices of {counts.min()} to {counts.max()} frames (mean "
    f"{counts.mean():.0f})",
  )


def format_report(report: dict[str, Any]) -> str:
  """The figures of `measure`, for people."""
  lines = [
    f"{report['config']} on {report['device']}, {report['dtype']}, "
    f"{report['part']}: unimse_jax beside {report['peer']}, taking turns"
  ]
  for task in report["tasks"].values():
    median, (low, high) = task["median"], task["ratio_of_turns"]
    lines.append(
      f"  {task['title']}:\n"
      f"    {1e3 * median['ours']:.4g} ms, {report['peer']} "
      f"{1e3 * median['theirs']:.4g} ms: {task['ratio']:.2f} x "
      f"({low:.2f} to {high:.2f} in a turn)"
    )
  return "\n".join(lines)
