"""The figures of a benchmark as a table for the terminal."""

from typing import Any

WAYS = ("greedy", "constrained", "beam")  # of decoding


def format_report(report: dict[str, Any]) -> str:
  """What `training.throughput.measure` returned, as lines."""
  device, train = report["device"], report["train"]
  lines = [
    f"{report['config']} on {device['count']} x {device['kind']}: "
    f"{report['parameters'] / 1e6:.1f} M parameters, {report['dtype']}, batch "
    f"of {report['batch_size']}, {report['steps']} timed steps a bucket",
    "",
    "text    share of  step, ms                          examples  real tokens"
    "  padding   TFLOP/s   of peak  compile",
    "tokens  steps     median     min     p10     p90    a second     a second"
    "                                    s",
  ]
  steps = train["overall"]["steps_per_epoch"]
  for row in train["buckets"]:
    times = [row["step_seconds"][name] for name in ("median", "min")]
    times += [row["step_seconds"][name] for name in ("p10", "p90")]
    lines.append(
      f"{row['length']:6d}  {row['steps_per_epoch'] / steps:8.1%}"
      + "".join(f"{1e3 * value:8.1f}" for value in times)
      + _format_rates(row)
      + f"{row['compile_seconds']:9.1f}"
    )
  overall = train["overall"]
  lines.append(
    f"   all  {1:8.1%}{1e3 * overall['step_seconds']:8.1f}{'':24}"
    + _format_rates(overall)
  )
  memory, decoding = report["memory"], report["decoding"]
  return "\n".join(
    [
      *lines,
      "",
      f"An epoch of the four train sets ({steps} steps) would take "
      f"{overall['epoch_seconds']:.0f} s.",
      f"Peak memory of a device: {memory['peak_bytes'] / 2**20:.0f} MiB, "
      f"{memory['source']}.",
      f"Decoding, {decoding['length']} text tokens, all "
      f"{decoding['tokens']} places, batch of {decoding['batch_size']}:",
      *(_format_decoding(name, decoding[name]) for name in WAYS),
    ]
  )


def _format_decoding(name: str, row: dict[str, Any]) -> str:
  beams = f" of {row['beams']}" if row["beams"] > 1 else ""
  return (
    f"  {name + beams:<12}{row['examples_per_second']:10.1f} examples a second"
    f"{row['tokens_per_second']:10.0f} tokens a second "
    f"({1e3 * row['seconds']['median']:.1f} ms a batch; compiled in "
    f"{row['compile_seconds']:.1f} s)"
  )


def _format_rates(rates: dict[str, Any]) -> str:
  share = rates["share_of_peak"]
  return (
    f"{rates['examples_per_second']:12.1f}{rates['tokens_per_second']:13.0f}"
    f"{rates['padding']:9.1%}{rates['flops_per_second'] / 1e12:10.3f}"
    + (f"{'-':>10}" if share is None else f"{share:10.1%}")
  )
