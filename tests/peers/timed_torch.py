"""Times the model in torch, for `python -m unimse_jax.benchmark --peer torch`.

python tests/peers/timed_torch.py --folder FOLDER [--compiled] [--float32]

It is what a user of PyTorch would write for speed: transformers' T5 with its
fused attention, LSTMs of torch, losses without loops, fused AdamW, in bfloat16
autocast where the config asks for it, compiled as one graph with --compiled
(but for the LSTMs, which torch.compile does not take). With --float32 it leaves
precision to PyTorch: float32, no TF32 on a GPU. Learning rates stay at their
start.

`benchmarking.peers` starts it, leaves the config and the batches in the folder
and writes lines "NAME COUNT" to its input; it answers each with a line
"seconds S", the time of a step, of COUNT in a row with the batch NAME.
"""

import argparse
import contextlib
import json
import pathlib
import re
import sys
import time
from collections.abc import Callable

# Run as a script, which finds the folder of the script alone.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import numpy as np
import torch
from torch.nn import functional

from tests.peers import torch_paths
from tests.peers.unimse_torch import Batch, UniMSETorch
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic, workload
from unimse_jax.config import Config, LossConfig
from unimse_jax.training.optimizer import GROUPS

Step = Callable[[Batch], None]


def contrastive_loss(found: Batch, name: str, loss: LossConfig) -> torch.Tensor:
  """Eq. 4 as `unimse_torch.contrastive_loss`, all rows at once."""
  present = found[f"present_{name}"]
  count = present.sum()
  total, number = torch.zeros((), device=present.device), 0
  while f"anchor_{number}" in found:
    anchors, keys = found[f"anchor_{number}"], found[f"key_{name}"]
    if loss.normalize:
      anchors = functional.normalize(anchors, dim=1)
      keys = functional.normalize(keys, dim=1)
    scores = anchors @ keys.T / loss.temperature
    positive = scores.diagonal()
    whole = scores.masked_fill(~present, -1e9).logsumexp(1)
    if loss.count_positive_twice:
      whole = torch.logaddexp(whole, positive)
    total = total + ((whole - positive) * present).sum()
    number += 1
  if loss.contrastive_units == "chance":
    total = total / (number * count.clamp(min=2).log())
  return total / count.clamp(min=1)


def total_loss(found: Batch, batch: Batch, loss: LossConfig) -> torch.Tensor:
  """Eq. 5."""
  weights = batch["loss_weights"]
  nll = functional.cross_entropy(
    found["logits"].flatten(0, 1),
    batch["decoder_target_tokens"].flatten(),
    reduction="none",
  )
  total = (nll * weights.flatten()).sum() / weights.sum()
  for name, factor in (("audio", loss.alpha), ("video", loss.beta)):
    if f"key_{name}" in found:
      total = total + factor * contrastive_loss(found, name, loss)
  return total


def make_optimizer(model: UniMSETorch, config: Config) -> torch.optim.Optimizer:
  """AdamW with the config's four learning rates and its decay."""
  fields = config.optimizer
  rates = {
    "t5": fields.lr_t5,
    "pmf": fields.lr_pmf,
    "segment": fields.lr_segment,
    "main": fields.lr_main,
  }
  groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
  for name, parameter in model.named_parameters():
    if parameter.requires_grad:
      path, _ = torch_paths.path(name)
      group = next(kind for rule, kind in GROUPS if re.search(rule, path))
      decay = fields.weight_decay if re.search(fields.decayed, path) else 0.0
      groups.setdefault((rates[group], decay), []).append(parameter)
  return torch.optim.AdamW(
    [
      {"params": each, "lr": rate, "weight_decay": decay}
      for (rate, decay), each in groups.items()
    ],
    fused=True,
  )


def make_training(config: Config, device: str, compiled: bool) -> Step:
  """The step of a model with random weights."""
  shape = workload.synthetic_model(config).config
  model = UniMSETorch(shape, synthetic.frame_widths(config)).to(device)
  optimizer = make_optimizer(model, config)
  precision = contextlib.nullcontext()
  if config.t5.dtype == "bfloat16":
    precision = torch.autocast(device, torch.bfloat16)

  def forward(batch: Batch, clips) -> torch.Tensor:
    return total_loss(model.fuse(batch, clips), batch, config.loss)

  if compiled:
    forward = torch.compile(forward, fullgraph=True, dynamic=False)

  def step(batch: Batch) -> None:
    with precision:
      loss = forward(batch, model.read(batch))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if config.optimizer.clip_norm:
      torch.nn.utils.clip_grad_norm_(
        model.parameters(), config.optimizer.clip_norm
      )
    optimizer.step()

  return step


def make_lstms(config: Config, device: str) -> Step:
  """Forward and backward of the LSTMs alone."""
  shape = workload.synthetic_model(config).config
  readers = UniMSETorch(shape, synthetic.frame_widths(config)).modality_encoder
  readers = readers.to(device)

  def step(batch: Batch) -> None:
    readers.zero_grad(set_to_none=True)
    total = 0.0
    for name, reader in readers.items():
      vector, states = reader(batch[name], batch[f"{name}_mask"])
      total = total + vector.square().sum() + states.square().sum()
    total.backward()

  return step


def load(path: pathlib.Path, device: str) -> Batch:
  tensors = {}
  with np.load(path) as arrays:
    for name, value in arrays.items():
      if value.dtype == np.int32:
        value = value.astype(np.int64)
      tensors[name] = torch.from_numpy(value).to(device)
  return tensors


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--folder", type=pathlib.Path, required=True)
  parser.add_argument("--part", choices=("train", "lstm"), default="train")
  parser.add_argument("--compiled", action="store_true")
  parser.add_argument("--float32", action="store_true")
  options = parser.parse_args()
  values = json.loads((options.folder / "config.json").read_text())
  if options.float32:
    values["t5"]["dtype"] = "float32"
  config = config_lib.validate(values)
  device = "cuda" if torch.cuda.is_available() else "cpu"
  torch.manual_seed(config.seed)
  if device == "cuda" and not options.float32:
    torch.set_float32_matmul_precision("high")  # TF32
  if options.part == "train":
    step = make_training(config, device, options.compiled)
  else:
    step = make_lstms(config, device)
  for line in sys.stdin:
    name, count = line.split()
    batch = load(options.folder / f"{name}.npz", device)
    start = time.perf_counter()
    for _ in range(int(count)):
      step(batch)
    if device == "cuda":
      torch.cuda.synchronize()
    print("seconds", (time.perf_counter() - start) / int(count), flush=True)


if __name__ == "__main__":
  main()
