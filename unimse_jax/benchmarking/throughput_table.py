"""The figures of a benchmark as tables for the terminal."""

from collections.abc import Mapping
from typing import Any

from unimse_jax.benchmarking.throughput import AHEAD, WAYS
from unimse_jax.tables import writers
from unimse_jax.tables.table import Table


def format_report(report: Mapping[str, Any]) -> str:
  """The figures of `throughput.measure`, for people."""
  device, memory = report["device"], report["memory"]
  overall = report["train"]["overall"]
  decoding = report["decoding"]
  return "\n\n".join(
    [
      f"{report['config']} on {device['count']} x {device['kind']}: "
      f"{report['parameters'] / 1e6:.1f} M parameters, {report['dtype']}, "
      f"batch of {report['batch_size']}, {report['steps']} timed steps a "
      "bucket",
      writers.to_text(_training(report["train"])),
      f"An epoch of the four train sets ({overall['steps_per_epoch']} steps) "
      f"would take {overall['epoch_seconds']:.0f} s.\n"
      f"Peak memory of a device: {memory['peak_bytes'] / 2**20:.0f} MiB, "
      f"{memory['source']}.",
      writers.to_text(_decoding(decoding)),
    ]
  )


def _training(train: Mapping[str, Any]) -> Table:
  head = ("encoder's tokens", "share of steps", "median", "min", "p10", "p90")
  head += ("examples/s", "real tokens/s", "padding", "TFLOP/s", "of peak")
  rows = [(*head, "compile, s")]
  overall = train["overall"]
  for row in train["buckets"]:
    times = [row["step_seconds"][name] for name in ("median", "min")]
    times += [row["step_seconds"][name] for name in ("p10", "p90")]
    share = row["steps_per_epoch"] / overall["steps_per_epoch"]
    rows.append(
      (
        row["shape"],
        f"{share:.1%}",
        *(f"{1e3 * value:.1f}" for value in times),
        *_rates(row),
        f"{row['compile_seconds']:.1f}",
      )
    )
  mean = f"{1e3 * overall['step_seconds']:.1f}"
  rows.append(("all", "100.0%", mean, "", "", "", *_rates(overall), ""))
  title = f"Training, ms of a step: means of {AHEAD} that start together"
  return Table(title, tuple(rows))


def _rates(rates: Mapping[str, Any]) -> tuple[str, ...]:
  share = rates["share_of_peak"]
  return (
    f"{rates['examples_per_second']:.1f}",
    f"{rates['tokens_per_second']:.0f}",
    f"{rates['padding']:.1%}",
    f"{rates['flops_per_second'] / 1e12:.3f}",
    "-" if share is None else f"{share:.1%}",
  )


def _decoding(decoding: Mapping[str, Any]) -> Table:
  rows = [("", "examples/s", "tokens/s", "ms/batch", "compile, s")]
  for name in WAYS:
    row = decoding[name]
    beams = f" of {row['beams']}" if row["beams"] > 1 else ""
    rows.append(
      (
        name + beams,
        f"{row['examples_per_second']:.1f}",
        f"{row['tokens_per_second']:.0f}",
        f"{1e3 * row['seconds']['median']:.1f}",
        f"{row['compile_seconds']:.1f}",
      )
    )
  title = (
    f"Decoding, {decoding['length']} text tokens, all {decoding['tokens']} "
    f"places, batch of {decoding['batch_size']}"
  )
  return Table(title, tuple(rows))
