"""A face network computed by ONNX Runtime, which takes half as long on a CPU.

PyTorch writes the network as ONNX, in memory, when a process starts. Values
differ from PyTorch's in the last bits: sums are added up in another order.
"""

import importlib.util
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from feature_export.errors import InputError

if TYPE_CHECKING:
  import torch

ENGINES = ("torch", "onnxruntime")
# Pictures per pass; passes of two take a tenth less time than those of four.
BATCH = 2


def check_engine(engine: str, device: str, is_transformer: bool) -> None:
  """Checks that an engine can compute a network here.

  Args:
    engine: one of `ENGINES`.
    device: "auto", "cpu" or "cuda".
    is_transformer: True: CLIP or DINOv2.

  Raises:
    InputError: packages that are missing, another device, another network.
  """
  if engine == "torch":
    return
  if device == "cuda":
    raise InputError(
      "--engine onnxruntime: expected --device cpu or auto, found cuda."
    )
  if is_transformer:
    raise InputError(
      "--engine onnxruntime: expected --backbone efficientnet_lite0, hsemotion "
      "or timm:NAME, found clip or dinov2. Give --engine torch."
    )
  missing = [
    name
    for name in ("onnx", "onnxruntime")
    if importlib.util.find_spec(name) is None
  ]
  if missing:
    raise InputError(
      f"--engine onnxruntime needs {' and '.join(missing)}: "
      'pip install ".[onnx]", or give --engine torch.'
    )


def compile_features(
  network: "torch.nn.Module",
  features: Callable[["torch.Tensor"], "torch.Tensor"],
  image_size: int,
) -> Callable[["torch.Tensor"], "torch.Tensor"]:
  """The same function, computed by ONNX Runtime in one thread.

  Args:
    network: frozen network on the CPU.
    features: function float32[V, 3, S, S] -> float32[V, D] that runs it.
    image_size: S.

  Raises:
    InputError: a network that PyTorch cannot write as ONNX.
  """
  import onnxruntime
  import torch

  class Features(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.network = network

    def forward(self, pictures):
      return features(pictures)

  written = io.BytesIO()
  axes = {"pictures": {0: "V"}, "features": {0: "V"}}
  try:
    torch.onnx.export(
      Features().eval(),
      (torch.zeros(BATCH, 3, image_size, image_size),),
      written,
      dynamo=False,  # the other way needs another package
      input_names=["pictures"],
      output_names=["features"],
      dynamic_axes=axes,
    )
  except (RuntimeError, ValueError, TypeError) as error:
    raise InputError(
      f"--engine onnxruntime: PyTorch cannot write this network as ONNX "
      f"({error}). Give --engine torch."
    ) from error
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = options.inter_op_num_threads = 1
  session = onnxruntime.InferenceSession(
    written.getvalue(), options, providers=["CPUExecutionProvider"]
  )

  def run(pictures: "torch.Tensor") -> "torch.Tensor":
    given = {"pictures": np.ascontiguousarray(pictures.numpy())}
    return torch.from_numpy(session.run(None, given)[0])

  return run
