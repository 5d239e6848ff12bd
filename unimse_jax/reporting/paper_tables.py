"""The paper's Tables 2 and 3, with ours beside them."""

import importlib.resources
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.reporting.tables import (
  COLUMNS,
  EMOTION,
  INTENSITY,
  Block,
  Notes,
  format_score,
)

# Of each corpus its columns, in the paper's order.
_MSA = ("mae", "corr", "acc7", "acc2", "f1")
_ERC = ("acc", "wf1")
_TABLE2 = {
  "mosi": _MSA,
  "mosei": _MSA,
  "meld": _ERC,
  "iemocap": _ERC,
}
_TABLE3 = ("mae", "corr", "acc2", "f1")  # MOSI alone
_HEADINGS = {"mae": "MAE", "corr": "Corr", "acc7": "ACC-7", "acc2": "ACC-2"}
_HEADINGS |= {"f1": "F1", "acc": "ACC", "wf1": "WF1"}
# The paper prints the two conventions in one cell.
_PAIRS = {"acc2": ("acc2_has0", "acc2_non0"), "f1": ("f1_has0", "f1_non0")}
_FACTORS = {key: factor for _, key, factor in COLUMNS}
_GROUPS = {"paper": "as printed in the paper", "later": "published later"}


def published() -> Mapping[str, Any]:
  """published.json: the tables of the paper, and what came after it."""
  file = importlib.resources.files(__package__) / "published.json"
  return json.loads(file.read_text(encoding="utf-8"))


def match_corpora(names: Sequence[str]) -> dict[str, str]:
  """Table 2's corpus -> ours: of the same name, or else named after it.

  `demo_mosi` stands in the column of MOSI where there is no `mosi`; its cells
  are marked.
  """
  found = {}
  for corpus in _TABLE2:
    named = [name for name in names if name.split("_")[-1] == corpus]
    if corpus in names:
      found[corpus] = corpus
    elif named:
      found[corpus] = named[0]
  return found


def table2(runs: Sequence[EvaluatedRun]) -> Block:
  """Table 2: the paper's rows, later ones, and the given runs'."""
  source, notes = published(), Notes()
  head = ["", *(_HEADINGS[key] for keys in _TABLE2.values() for key in keys)]
  rows = [tuple(head)]
  for group, title in _GROUPS.items():
    rows.append((title,))
    rows += [
      _published_row(row, source["marks"], notes)
      for row in source["table2"]
      if row["group"] == group
    ]
  rows.append((f"ours, {runs[0].split} split",))
  for run in runs:
    rows += _run_rows(run, source, notes)
  return Block(
    "Table 2: results on MOSI, MOSEI, MELD and IEMOCAP. ACC-2 and F1 are "
    "negative/non-negative (has0) / negative/positive (non0)",
    tuple(rows),
    "table2",
    (("", 1), *((name.upper(), len(keys)) for name, keys in _TABLE2.items())),
    notes.by_letter,
  )


def _published_row(
  row: Mapping[str, Any], marks: Mapping[str, str], notes: Notes
) -> tuple[str, ...]:
  own = row.get("marks", {})
  cells = []
  for corpus, keys in _TABLE2.items():
    for key in keys:
      cell = row["cells"].get(corpus, {}).get(key, "-")
      names = [own[at] for at in (corpus, f"{corpus}/{key}") if at in own]
      cells.append(notes.mark(cell, [marks[name] for name in names]))
  source = [row["source"]] if "source" in row else []
  return (
    notes.mark(row["name"], [f"source: {each}" for each in source]),
    *cells,
  )


def _run_rows(
  run: EvaluatedRun, source: Mapping[str, Any], notes: Notes
) -> list[tuple[str, ...]]:
  """A run's scores: of one seed with its interval, or of several."""
  corpora = match_corpora(list(run.corpora))
  single = {ours: run.corpora[ours] for ours in corpora.values()}
  low, high = ({}, {})
  for ours, scores in single.items():
    intervals = scores.get("intervals", {})
    low[ours] = {name: ends[0] for name, ends in intervals.items()}
    high[ours] = {name: ends[1] for name, ends in intervals.items()}
  seed = run.result["provenance"].get("seed", "?")
  lines = [(f"{run.name}, 1 seed", single)]
  if run.seeds and run.seeds["split"] == run.split:
    lines = [
      (f"{run.name}, mean of {len(run.seeds['seeds'])} seeds", "mean"),
      ("deviation over seeds", "sd"),
    ]
    lines = [(name, _gathered(run.seeds, field)) for name, field in lines]
    lines.append((f"seed {seed} of them", single))
  if any(low.values()):
    lines += [("95 % interval, from", low), ("95 % interval, to", high)]
  found = []
  for name, values in lines:
    cells = []
    for corpus, keys in _TABLE2.items():
      ours = corpora.get(corpus, "")
      why = _incomparable(run, corpus, ours, source) if ours else []
      for key in keys:
        cell = paper_cell(values.get(ours, {}), key)
        cells.append(notes.mark(cell, why))
    found.append((name, *cells))
  return found


def _gathered(
  seeds: Mapping[str, Any], field: str
) -> dict[str, dict[str, float]]:
  """corpus -> score -> its `field` over the seeds ("mean" or "sd")."""
  return {
    corpus: {name: found[field] for name, found in scores.items()}
    for corpus, scores in seeds["corpora"].items()
  }


def _incomparable(
  run: EvaluatedRun, corpus: str, ours: str, source: Mapping[str, Any]
) -> list[str]:
  """Why the run's cells cannot be held against the published ones."""
  scores, reasons = run.corpora[ours], []
  n = scores["n_intensity"] or scores["n_emotion"]
  printed = source["n"][corpus]
  if ours != corpus:
    reasons.append(f"another corpus: {ours}, N = {n}")
  elif run.split != "test":
    reasons.append(f"not the test split but {run.split}, N = {n}")
  elif n != printed:
    reasons.append(f"another N: {n}, the published test split has {printed}")
  classes = source["classes"].get(corpus)
  if ours == corpus and classes and len(scores["per_class"]) != classes:
    reasons.append(
      f"another number of classes: {len(scores['per_class'])}, published "
      f"with {classes}"
    )
  return reasons


def paper_cell(scores: Mapping[str, Any], key: str) -> str:
  """A cell in the paper's manner: ".691", "48.68", "85.85/86.90"."""
  if key in _PAIRS:
    parts = [_short(scores.get(name), 100) for name in _PAIRS[key]]
    return "-" if set(parts) == {"-"} else "/".join(parts)
  return _short(scores.get(key), _FACTORS[key])


def _short(value: float | None, factor: int) -> str:
  text = format_score(value, factor)
  # The paper leaves the nought out; a minus stays.
  return re.sub(r"^(-?)0\.", r"\1.", text) if factor == 1 else text


def table3(ablation: Mapping[str, Any]) -> Block:
  """Table 3: the paper's rows on MOSI beside ours (mean ± deviation)."""
  rows = {row["row"]: row for row in ablation["rows"]}
  printed = {row["row"]: row for row in published()["table3"]}
  names = {name for row in rows.values() for name in row["corpora"]}
  ours = match_corpora(sorted(names)).get("mosi", "")
  body = []
  for row in dict.fromkeys([*printed, *rows]):
    theirs = printed.get(row, {}).get("cells", {}).get("mosi", {})
    cells = [theirs.get(key, "-") for key in _TABLE3]
    found = rows.get(row, {}).get("corpora", {}).get(ours, {})
    mean = {name: each["mean"] for name, each in found.items()}
    deviation = {name: each["sd"] for name, each in found.items()}
    for key in _TABLE3:
      cell = paper_cell(mean, key)
      if any(value is not None for value in deviation.values()):
        cell = cell if cell == "-" else f"{cell} ± {paper_cell(deviation, key)}"
      cells.append(cell)
    seeds = str(len(rows[row]["seeds"])) if row in rows else "-"
    title = rows[row]["title"] if row in rows else printed[row]["name"]
    body.append((title, *cells, seeds))
  headings = [_HEADINGS[key] for key in _TABLE3]
  split = next((row["split"] for row in ablation["rows"]), "test")
  return Block(
    f"Table 3: what each part is worth; ours on {ours or 'no such corpus'}, "
    f"{split} split, mean ± standard deviation over seeds",
    (("", *headings, *headings, "seeds"), *body),
    "table3",
    (("", 1), ("the paper, MOSI", 4), (f"ours, {ours or '-'}", 4), ("", 1)),
  )


def difference_blocks(
  title: str,
  rows: Mapping[str, Mapping[str, Mapping[str, Sequence[float | None]]]],
  slug: str,
) -> list[Block]:
  """Differences with their intervals, a line for each row and corpus.

  Args:
    title: what is subtracted from what.
    rows: row -> corpus -> score -> (value, low, high).
    slug: the beginning of the names of its files.

  Returns:
    A table for each task that has differences.
  """
  blocks = []
  for task, columns in (("intensity", INTENSITY), ("emotion", EMOTION)):
    body = [
      (row, corpus, *(_difference(found.get(key), f) for _, key, f in columns))
      for row, corpora in rows.items()
      for corpus, found in corpora.items()
      if any(key in found for _, key, _ in columns)
    ]
    if body:
      head = ("", "corpus", *(name for name, _, _ in columns))
      told = any("[a]" in cell for row in body for cell in row[2:])
      notes = {"a": "the 95 % interval excludes zero"} if told else {}
      name = f"{slug}_{task}"
      heading = f"{task.capitalize()}: {title}"
      blocks.append(Block(heading, (head, *body), name, notes=notes))
  return blocks


def _difference(found: Sequence[float | None] | None, factor: int) -> str:
  if not found or found[0] is None:
    return "-"
  value, *ends = found
  text = format_score(value, factor, "+")
  if None in ends:
    return text
  low, high = ends
  told = " [a]" if low > 0 or high < 0 else ""
  ends = (format_score(end, factor, "+") for end in (low, high))
  return f"{text} ({' to '.join(ends)}){told}"
