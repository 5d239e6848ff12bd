"""Sections about what the run was made from: data, labels, provenance."""

import datetime
import html
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.reporting.section import Section, how_to, paragraph
from unimse_jax.reporting.tables import Block, Notes

_SPLITS = ("train", "validation", "test")


def statistics_section(run: EvaluatedRun) -> Section:
  """Tables 1, 4, 5 and 6 of the data, beside the paper's cells."""
  title = "Data statistics: Tables 1, 4, 5 and 6"
  found = run.statistics
  if found is None:
    data = run.config.get("data", {}).get("dir", "DATA_DIR")
    command = (
      f"python -m feature_export.statistics --data {data} "
      f"--json {data}/statistics.json"
    )
    text = "There is no statistics.json beside the data."
    return Section("statistics", title, [how_to(text, command)])
  parts: list[Block | str] = [_clips(found), _seconds(found)]
  parts += [
    _emotions(name, each["emotions"], found)
    for name, each in found["corpora"].items()
    if each["emotions"]
  ]
  return Section("statistics", title, parts)


class _Published:
  """Marks cells that differ from what the paper prints."""

  def __init__(self, statistics: Mapping[str, Any]):
    self._cells = {
      (cell["table"], cell["corpus"], cell["row"], cell["column"]): cell
      for cell in statistics["comparison"]
    }
    self.notes = Notes()

  def mark(self, text: str, *place: Any) -> str:
    cell = self._cells.get(place)
    if cell is None or cell["found"] in (None, cell["published"]):
      return text
    reason = f" ({cell['reason']})" if cell["reason"] else ""
    note = f"the paper prints {cell['published']}{reason}"
    return self.notes.mark(text, [note])


def _clips(statistics: Mapping[str, Any]) -> Block:
  published, rows = _Published(statistics), []
  for name, each in statistics["corpora"].items():
    counts = [each["clips"].get(split, 0) for split in _SPLITS]
    cells = [
      published.mark(str(count), 1, name, "clips", column)
      for column, count in zip(
        (*_SPLITS, "all"), (*counts, sum(counts)), strict=True
      )
    ]
    rows.append((name, *cells, str(each["absent_audio"]), str(each["cut"])))
  head = ("corpus", *_SPLITS, "all", "without audio", "audio cut")
  title = "Table 1: utterances"
  return Block(title, (head, *rows), "table1", notes=published.notes.by_letter)


def _seconds(statistics: Mapping[str, Any]) -> Block:
  published = _Published(statistics)
  found = {
    name: each["mean_seconds"] for name, each in statistics["corpora"].items()
  }
  found |= statistics["tasks"]
  rows = [
    (
      name,
      "-"
      if seconds is None
      else published.mark(f"{seconds:.2f}", 4, name, "seconds", "all"),
    )
    for name, seconds in found.items()
  ]
  return Block(
    "Table 4: mean length of an utterance, s",
    (("corpus or task", "seconds"), *rows),
    "table4",
    notes=published.notes.by_letter,
  )


def _emotions(
  name: str, counts: Mapping[str, Mapping[str, int]], found: Mapping[str, Any]
) -> Block:
  tables = {
    cell["table"]
    for cell in found["comparison"]
    if cell["corpus"] == name and cell["table"] in (5, 6)
  }
  number = next(iter(tables), None)
  published, rows = _Published(found), []
  for word, each in counts.items():
    values = [each.get(split, 0) for split in _SPLITS]
    cells = [
      published.mark(str(value), number, name, word, column)
      for column, value in zip(
        (*_SPLITS, "all"), (*values, sum(values)), strict=True
      )
    ]
    rows.append((word, *cells))
  title = f"Table {number}: " if number else ""
  return Block(
    f"{title}emotions of {name}",
    (("emotion", *_SPLITS, "all"), *rows),
    f"emotions_{name}",
    notes=published.notes.by_letter,
  )


def audit_section(run: EvaluatedRun) -> Section | None:
  """What people said of the completed labels; None where nobody was asked."""
  if run.audit is None:
    return None
  title = "Universal-label audit"
  if not isinstance(run.audit.get("samples"), dict):
    command = (
      "python -m feature_export.universal_labels --out LABELS.jsonl "
      f"--score {run.audit.get('sheet', 'SHEET')}"
    )
    return Section(
      "audit", title, [how_to("An older version counted it.", command)]
    )
  lines = {
    "samples, all labels right": run.audit["samples"],
    **{f"labels of {name}": line for name, line in run.audit["slots"].items()},
    "all labels": run.audit["labels"],
  }
  head = ("n", "right", "accuracy", "low", "high")
  rows = [
    (name, *(_plain(line[key]) if key in line else "-" for key in head))
    for name, line in lines.items()
  ]
  what = (
    f"People judged the completed labels of {run.audit['sheet']}; low and high "
    "are Wilson's 95 % interval, in which a sample counts once."
  )
  block = Block(
    "The audit of the completed labels", (("", *head), *rows), "audit"
  )
  return Section("audit", title, [paragraph(what), block])


def _plain(value: Any) -> str:
  if isinstance(value, float):
    return f"{value:.3f}"
  if isinstance(value, dict | list):
    return json.dumps(value, ensure_ascii=False)
  return "-" if value is None else str(value)


def provenance_section(run: EvaluatedRun) -> Section:
  """Where every number comes from."""
  result, source = run.result, run.result["provenance"]
  selection = result["selection"]
  rows = [("workdir", str(run.run_dir.path)), ("split", run.split)]
  rows += [
    (f"selection, {key}", _plain(value)) for key, value in selection.items()
  ]
  rows += [
    (key, _plain(source[key]))
    for key in ("seed", "commit", "device")
    if key in source
  ]
  if run.seeds:
    rows.append(("seeds", ", ".join(map(str, run.seeds["seeds"]))))
  if "test_openings" in result:
    rows.append(
      ("times the test split was opened", _plain(result["test_openings"]))
    )
  rows.append(("evaluated", _time(run.run_dir.results_file(run.split))))
  rows += [
    (f"version of {name}", version)
    for name, version in source.get("versions", {}).items()
  ]
  data = source.get("data", {})
  rows += [
    (f"data, {key}", _plain(value))
    for key, value in data.items()
    if not isinstance(value, dict)
  ]
  rows += [
    (f"data, {name}: settings_sha256", each["settings_sha256"])
    for name, each in data.get("datasets", {}).items()
  ]
  block = Block("Provenance", (("", "value"), *rows), "provenance")
  details = [
    _details("The config", source["config"]),
    _details("The hashes of all shards", data.get("datasets", {})),
  ]
  return Section("provenance", "Provenance", [block, *details])


def _time(path: pathlib.Path) -> str:
  moment = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
  return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _details(title: str, content: Any) -> str:
  text = html.escape(json.dumps(content, indent=2, ensure_ascii=False))
  return (
    f"<details><summary>{html.escape(title)}</summary>"
    f'<pre tabindex="0">{text}</pre></details>'
  )
