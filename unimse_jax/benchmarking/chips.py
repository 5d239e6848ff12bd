"""What an accelerator does at most, and how long a program takes at least."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Tpu:
  """Peaks of one chip, which jax calls one device.

  Attributes:
    kind: what jax calls it, a regular expression.
    flops: dense bfloat16 FLOP/s.
    memory_bytes: size of HBM.
    memory_rate: bytes/s between HBM and the chip.
    network_rate: bytes/s that leave the chip over all of its links to others.
  """

  kind: str
  flops: float
  memory_bytes: int
  memory_rate: float
  network_rate: float

  def least_seconds(
    self, flops: float, moved_bytes: float, sent_bytes: float
  ) -> dict[str, float]:
    """The roofline: s of each part by itself; the longest bounds the program.

    Args:
      flops: operations of the chip.
      moved_bytes: bytes between HBM and the chip.
      sent_bytes: bytes to other chips.
    """
    return {
      "compute": flops / self.flops,
      "memory": moved_bytes / self.memory_rate,
      "network": sent_bytes / self.network_rate,
    }


# Google's pages "TPU v4", "TPU v5e", "TPU v5p" and "TPU v6e" of the Cloud TPU
# documentation. They give links in Gbit/s a chip: 2400, 1600, 4800 and 3200. A
# slice without wrap-around links, as 2x4, has fewer of them.
TPUS = (
  Tpu(r"^TPU v4$", 275e12, 32 * 2**30, 1228e9, 300e9),
  Tpu(r"^TPU (v5 lite|v5e)$", 197e12, 16 * 2**30, 819e9, 200e9),
  Tpu(r"^TPU v5p?$", 459e12, 95 * 2**30, 2765e9, 600e9),
  Tpu(r"^TPU (v6 lite|v6e)$", 918e12, 32 * 2**30, 1600e9, 400e9),
)
# Dense bfloat16 FLOP/s by what jax calls a GPU; first match wins. NVIDIA's data
# sheets, without sparsity.
_GPU_FLOPS = (
  (r"^NVIDIA A100", 312e12),
  (r"^NVIDIA H100 PCIe", 756e12),
  (r"^NVIDIA H100 NVL", 835e12),
  (r"^NVIDIA (H100|H200|GH200)", 989e12),
)


def find_tpu(device_kind: str) -> Tpu | None:
  """The peaks of a TPU; None where they are not known."""
  return next((tpu for tpu in TPUS if re.search(tpu.kind, device_kind)), None)


def peak_flops(device_kind: str) -> float | None:
  """Peak dense bfloat16 FLOP/s of a device; None where it is not known."""
  tpu = find_tpu(device_kind)
  if tpu is not None:
    return tpu.flops
  for pattern, peak in _GPU_FLOPS:
    if re.search(pattern, device_kind):
      return peak
  return None
