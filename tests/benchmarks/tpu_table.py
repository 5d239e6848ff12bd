"""The table of TPU programs in docs/performance.md, one program after another.

  python tests/benchmarks/tpu_table.py --out tpu_table.jsonl
    [--programs "usual step,longest step,decoding"] [--only base,t5-3b]

Needs the `tpu` extra and no TPU. Every program is compiled in a process of its
own and takes minutes; what --out holds already is not compiled again, so that
the command may be stopped and given again. Prints what is there as a table.
"""

import argparse
import dataclasses
import importlib
import json
import multiprocessing
import os
import pathlib
import sys
from concurrent import futures

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

_SLICES = ("v5e:1x1", "v5e:2x4", "v5e:4x4", "v5p:2x2x2", "v6e:4x4")
_LARGE = {  # google/flan-t5-large
  "t5.width": 1024,
  "t5.hidden": 2816,
  "t5.heads": 16,
  "t5.encoder_layers": 24,
  "t5.decoder_layers": 24,
  "t5.activation": "gelu_new",
  "t5.gated": True,
}
_3B = {  # google-t5/t5-3b
  "t5.width": 1024,
  "t5.head_width": 128,
  "t5.hidden": 16384,
  "t5.heads": 32,
  "t5.encoder_layers": 24,
  "t5.decoder_layers": 24,
}
_11B = _3B | {"t5.hidden": 65536, "t5.heads": 128}  # google-t5/t5-11b


@dataclasses.dataclass(frozen=True)
class Row:
  """A config on a slice.

  Attributes:
    name: what the table calls the config.
    config: module of `configs`.
    topology: slice.
    changes: fields, as "parallel.fsdp", and their values.
  """

  name: str
  config: str
  topology: str
  changes: dict

  @property
  def label(self) -> str:
    fsdp = self.changes.get("parallel.fsdp", 1)
    return f"{self.name}, fsdp {fsdp}" if fsdp > 1 else self.name


def _rows() -> list[Row]:
  found = []
  for name in ("base", "paper"):
    found += [Row(name, name, topology, {}) for topology in _SLICES]
    found += [
      Row(name, name, topology, {"parallel.fsdp": _devices(topology)})
      for topology in _SLICES[1:]
    ]
  for name, shape, topologies in (
    ("flan-t5-large", _LARGE, ("v5e:2x4", "v5e:4x4")),
    ("t5-3b", _3B, ("v5e:4x4", "v5p:2x2x2", "v6e:4x4")),
    ("t5-11b", _11B, ("v5p:2x2x2", "v5p:2x2x4")),
  ):
    found += [
      Row(name, "base", each, shape | {"parallel.fsdp": _devices(each)})
      for each in topologies
    ]
  return found


def _devices(topology: str) -> int:
  count = 1
  for size in topology.split(":")[1].split("x"):
    count *= int(size)
  return count


def compile_row(row: Row, kind: str) -> dict:
  """What compiling found, or the message where the program does not fit."""
  os.environ.setdefault("JAX_PLATFORMS", "cpu")
  from unimse_jax.benchmarking import ahead_of_time
  from unimse_jax.config import validate
  from unimse_jax.errors import InputError

  values = importlib.import_module(f"configs.{row.config}").get_config()
  with values.unlocked():
    for path, value in row.changes.items():
      section, field = path.split(".")
      values[section][field] = value
  try:
    devices = ahead_of_time.topology_devices(row.topology)
    found = ahead_of_time.check_program(
      validate(values.to_dict()), devices, kind
    )
  except InputError as error:
    return {"fault": str(error)}
  sent = sum(each.sent_bytes for each in found.collectives.values())
  least = found.chip.least_seconds(found.flops, found.moved_bytes, sent)
  return dataclasses.asdict(found) | {"least": least, "sent_bytes": sent}


def _read(path: pathlib.Path) -> dict[tuple[str, str, str], dict]:
  lines = path.read_text().splitlines() if path.exists() else []
  return {
    (found["label"], found["topology"], found["kind"]): found
    for found in map(json.loads, lines)
  }


def _format(found: dict) -> str:
  start = f"| {found['label']} | {found['topology']} | {found['kind']} |"
  if "fault" in found:
    return f"{start} {found['fault']} | | | | | |"
  collectives = ", ".join(
    f"{each['count']} {kind}" for kind, each in found["collectives"].items()
  )
  times = " / ".join(f"{1e3 * each:.2g}" for each in found["least"].values())
  binds = max(found["least"], key=found["least"].__getitem__)
  return (
    f"{start} {found['total_bytes'] / 2**20:,.0f} | {found['flops'] / 1e9:,.0f}"
    f" | {found['moved_bytes'] / 2**20:,.0f} | "
    f"{found['sent_bytes'] / 2**20:,.0f} ({collectives or 'none'}) | "
    f"{times}: {binds} | {found['seconds']:,.0f} |"
  )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--out", type=pathlib.Path, required=True)
  parser.add_argument("--programs", default="usual step,longest step,decoding")
  parser.add_argument(
    "--only", default="", help="names of configs; all if none"
  )
  flags = parser.parse_args()
  names, kinds = flags.only.split(","), flags.programs.split(",")
  jobs = [
    (row, kind)
    for kind in kinds
    for row in _rows()
    if not flags.only or row.name in names
  ]
  for row, kind in jobs:
    key = (row.label, row.topology, kind)
    if key in _read(flags.out):
      continue
    print(f"compiling {', '.join(key)}", file=sys.stderr, flush=True)
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(1, mp_context=context) as process:
      found = process.submit(compile_row, row, kind).result()
    head = dict(zip(("label", "topology", "kind"), key, strict=True))
    with flags.out.open("a") as file:
      file.write(json.dumps(head | found) + "\n")
  print(
    "| config | slice | program | MiB a device | GFLOP | MiB moved |", end=""
  )
  print(" MiB sent | least ms: compute / memory / network | compiled in s |")
  print("|---|---|---|---|---|---|---|---|---|")
  for found in _read(flags.out).values():
    print(_format(found))


if __name__ == "__main__":
  main()
