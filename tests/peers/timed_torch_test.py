"""The peer that is timed computes what the oracle computes."""

import numpy as np
import pytest
import torch

from configs import base
from tests.peers import timed_torch, unimse_torch
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic


def make(**loss):
  values = base.get_config().to_dict()
  values["t5"] |= {"width": 16, "head_width": 4, "hidden": 24, "heads": 3}
  values["t5"] |= {"encoder_layers": 2, "decoder_layers": 1}
  values["t5"] |= {"pretrained": "", "dtype": "float32"}
  values["tokenizer"]["vocab_size"] = 64
  values["model"] |= {"pmf_layers": 1, "modality_width": 5}
  values["data"] |= {"audio_frames": 6, "video_frames": 3}
  values["optimizer"]["lr_main"] = 2e-3
  values["loss"] |= loss
  return config_lib.validate(values)


def make_tensors(config, folder):
  batch = synthetic.make_batch(config, np.array([5, 9, 7, 3]), 4, 9)
  batch["audio_mask"][1] = False  # absent
  batch["video_mask"][2, 1:] = False
  np.savez(folder / "equal.npz", **batch)
  return timed_torch.load(folder / "equal.npz", "cpu")


@pytest.mark.parametrize(
  "loss",
  [
    {},
    {"normalize": False, "contrastive_units": "nats"},
    {"count_positive_twice": True, "temperature": 1.0},
  ],
)
def test_losses_without_loops_are_the_oracle_s(loss, tmp_path):
  config = make(**loss)
  torch.manual_seed(0)
  model = unimse_torch.UniMSETorch(
    timed_torch.workload.synthetic_model(config).config,
    synthetic.frame_widths(config),
  ).eval()
  batch = make_tensors(config, tmp_path)
  found = model(batch)
  expected = unimse_torch.losses(found, batch, config.loss)["loss"]
  # Float32 sums in another order.
  torch.testing.assert_close(
    timed_torch.total_loss(found, batch, config.loss),
    expected,
    rtol=1e-6,
    atol=1e-6,
  )


def test_every_weight_learns_at_its_own_rate():
  config = make()
  model = unimse_torch.UniMSETorch(
    timed_torch.workload.synthetic_model(config).config,
    synthetic.frame_widths(config),
  )
  optimizer = timed_torch.make_optimizer(model, config)
  counts = {
    (group["lr"], group["weight_decay"]): len(group["params"])
    for group in optimizer.param_groups
  }
  fields = config.optimizer
  assert sum(counts.values()) == sum(
    each.requires_grad for each in model.parameters()
  )
  assert counts[fields.lr_segment, fields.weight_decay] == 1
  assert counts[fields.lr_pmf, 0.0] == 6  # two adapters' biases


def test_a_step_learns(tmp_path):
  config = make()
  torch.manual_seed(0)
  batch = make_tensors(config, tmp_path)
  losses = []
  original = timed_torch.total_loss

  def spy(*arguments):
    losses.append(original(*arguments))
    return losses[-1]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(timed_torch, "total_loss", spy)
    step = timed_torch.make_training(config, "cpu", compiled=False)
    for _ in range(30):
      step(batch)
  # Dropout makes single losses uncertain.
  assert np.mean([float(x) for x in losses[-5:]]) < float(losses[0]) - 0.5
