"""Peaks, and the least time that they allow."""

import pytest

from unimse_jax.benchmarking import chips


def test_peaks_go_by_the_names_that_jax_gives():
  assert chips.peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
  assert chips.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
  assert chips.peak_flops("NVIDIA H100 PCIe") == 756e12
  assert chips.peak_flops("NVIDIA H200") == 989e12
  assert chips.peak_flops("TPU v4") == 275e12
  assert chips.peak_flops("TPU v5 lite") == 197e12
  assert chips.peak_flops("TPU v5") == 459e12
  assert chips.peak_flops("TPU v6 lite") == 918e12
  for unknown in ("cpu", "TPU v4 lite", "NVIDIA T4"):
    assert chips.peak_flops(unknown) is None


def test_the_least_time_is_that_of_each_part_by_itself():
  tpu = chips.find_tpu("TPU v5 lite")
  seconds = tpu.least_seconds(flops=197e9, moved_bytes=1638e6, sent_bytes=600e6)
  assert seconds == pytest.approx(
    {"compute": 1e-3, "memory": 2e-3, "network": 3e-3}
  )


@pytest.mark.parametrize(
  ("kind", "gib"),
  [("TPU v4", 32), ("TPU v5 lite", 16), ("TPU v5", 95), ("TPU v6 lite", 32)],
)
def test_each_tpu_has_the_memory_of_its_page(kind, gib):
  assert chips.find_tpu(kind).memory_bytes == gib * 2**30


def test_a_gpu_is_no_tpu():
  assert chips.find_tpu("NVIDIA H200") is None
