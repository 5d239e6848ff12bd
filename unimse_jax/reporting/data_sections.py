"""Sections about what the run was made from: data, labels, provenance."""

import datetime
import html
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.reporting.score_tables import openings_line
from unimse_jax.reporting.section import Section, how_to, paragraph
from unimse_jax.tables.scores import BY_NAME, format_score
from unimse_jax.tables.table import Notes, Table

_SPLITS = ("train", "validation", "test")


def statistics_section(run: EvaluatedRun) -> Section:
  """Tables 1, 4, 5 and 6 of the data, beside the paper's cells."""
  title = "Data statistics: Tables 1, 4, 5 and 6"
  statistics = run.statistics
  if statistics is None:
    data = run.config.get("data", {}).get("dir", "DATA_DIR")
    command = (
      f"python -m feature_export.statistics --data {data} "
      f"--json {data}/statistics.json"
    )
    text = "There is no statistics.json beside the data."
    return Section("statistics", title, [how_to(text, command)])
  parts: list[Table | str] = [_clips(statistics), _seconds(statistics)]
  parts += [
    _emotions(name, each["emotions"], statistics)
    for name, each in statistics["corpora"].items()
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


def _clips(statistics: Mapping[str, Any]) -> Table:
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
  return Table(title, (head, *rows), "table1", notes=published.notes.by_letter)


def _seconds(statistics: Mapping[str, Any]) -> Table:
  published = _Published(statistics)
  means = {
    name: each["mean_seconds"] for name, each in statistics["corpora"].items()
  }
  means |= statistics["tasks"]
  rows = [
    (
      name,
      "-"
      if seconds is None
      else published.mark(f"{seconds:.2f}", 4, name, "seconds", "all"),
    )
    for name, seconds in means.items()
  ]
  return Table(
    "Table 4: mean length of an utterance, s",
    (("corpus or task", "seconds"), *rows),
    "table4",
    notes=published.notes.by_letter,
  )


def _emotions(
  name: str,
  counts: Mapping[str, Mapping[str, int]],
  statistics: Mapping[str, Any],
) -> Table:
  tables = {
    cell["table"]
    for cell in statistics["comparison"]
    if cell["corpus"] == name and cell["table"] in (5, 6)
  }
  number = next(iter(tables), None)
  published, rows = _Published(statistics), []
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
  return Table(
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
  used = run.result["provenance"].get("data", {}).get("labels_sha256")
  if run.audit.get("labels_sha256", used) != used:
    what = (
      f"The labels were audited ({run.audit['sheet']}), but other ones than "
      "this run has learnt from: the file was made again in between."
    )
    return Section("audit", title, [paragraph(what)])
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
  table = Table(
    "The audit of the completed labels", (("", *head), *rows), "audit"
  )
  return Section("audit", title, [paragraph(what), table])


def _plain(value: Any) -> str:
  if isinstance(value, float):
    return f"{value:.3f}"
  if isinstance(value, dict | list):
    return json.dumps(value, ensure_ascii=False)
  return "-" if value is None else str(value)


def provenance_section(run: EvaluatedRun) -> Section:
  """Where every number comes from."""
  source = run.result["provenance"]
  rows = [
    ("The run",),
    *_run_rows(run),
    ("The checkpoint",),
    *_selection_rows(run.result["selection"]),
    ("The data",),
    *_data_rows(source.get("data", {})),
    ("The programs",),
    ("commit of unimse_jax", source.get("commit") or "not in a checkout"),
    *source.get("versions", {}).items(),
  ]
  table = Table("Provenance", (("", "value"), *rows), "provenance")
  details = [
    _details("The config", source["config"]),
    _details(
      "The hashes of all shards", source.get("data", {}).get("datasets", {})
    ),
  ]
  return Section("provenance", "Provenance", [table, *details])


def _run_rows(run: EvaluatedRun) -> list[tuple[str, str]]:
  result, source = run.result, run.result["provenance"]
  rows = [
    ("config", str(run.config.get("name", "-"))),
    ("directory", str(run.run_dir.path)),
    ("split", run.split),
    ("seed", str(source.get("seed", "-"))),
  ]
  if run.seeds:
    rows.append(("seeds gathered", ", ".join(map(str, run.seeds["seeds"]))))
  rows.append(("device", source.get("device", "-")))
  rows.append(("evaluated", _time(run.run_dir.results_file(run.split))))
  if isinstance(result.get("test_openings"), int):
    rows.append(("test split", openings_line(result["test_openings"])))
  return rows


_SELECTION = {
  "checkpoint": "kind",
  "step": "training step",
  "rule": "chosen by",
  "lost_best_step": "step of the best evaluation, whose checkpoint is lost",
  "banner": "warning",
}


def _selection_rows(selection: Mapping[str, Any]) -> list[tuple[str, str]]:
  rows = [
    (
      _SELECTION.get(key, key.replace("_", " ")),
      f"{value:g}" if isinstance(value, float) else _plain(value),
    )
    for key, value in selection.items()
    if key != "best_per_score"
  ]
  for place, best in selection.get("best_per_score", {}).items():
    corpus, _, name = place.rpartition("/")
    score = BY_NAME[name]
    text = f"step {best['step']}, with {format_score(score, best['value'])}"
    rows.append((f"best step by {corpus} {score.title} alone", text))
  return rows


_DATA = {
  "labels_sha256": "sha256 of the universal labels",
  "labels_donors": "splits that labels were completed from",
  "sentences_sha256": "sha256 of the sentence vectors",
}


def _data_rows(data: Mapping[str, Any]) -> list[tuple[str, str]]:
  rows = []
  for key, value in data.items():
    if key == "labels_encoder":
      encoder = value or {}
      rows.append(("sentence encoder", str(encoder.get("name", "none"))))
      if "sha256" in encoder:
        rows.append(("sha256 of the sentence encoder", encoder["sha256"]))
    elif key != "datasets":
      rows.append((_DATA.get(key, key.replace("_", " ")), _plain(value)))
  # One for all corpora: others are refused when a mixture is loaded.
  settings = {
    each["settings_sha256"] for each in data.get("datasets", {}).values()
  }
  rows += [("sha256 of the extraction settings", each) for each in settings]
  return rows


def _time(path: pathlib.Path) -> str:
  moment = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
  return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _details(title: str, content: Any) -> str:
  text = html.escape(json.dumps(content, indent=2, ensure_ascii=False))
  return (
    f"<details><summary>{html.escape(title)}</summary>"
    f'<pre tabindex="0">{text}</pre></details>'
  )
