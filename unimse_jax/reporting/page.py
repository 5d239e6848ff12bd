"""The HTML report of a run: one file, readable without a network."""

import html
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.reporting import figures, tables
from unimse_jax.training.writer import read_metrics

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --page: #ffffff;
  --line: #c8c8c8; --fill: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --page: #16181c;
  --line: #4a4d55; --fill: 86, 180, 233; } }
body { color: var(--ink); background: var(--page); line-height: 1.5;
  font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto;
  padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem;
  font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line);
  text-align: right; }
th:first-child { text-align: left; }
.confusion td { background: rgba(var(--fill), calc(var(--share) * 0.45)); }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: 0.75rem; }
"""


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Writes report/index.html from the workdir's results and metrics.

  Returns:
    Its path.

  Raises:
    InputError: nothing has been evaluated there.
  """
  results = {
    split: json.loads(path.read_text())
    for split in ("test", "validation", "train")
    if (path := workdir / "results" / f"{split}.json").is_file()
  }
  if not results:
    raise InputError(
      f"Expected {workdir}/results/test.json, found no results; run "
      "`python -m unimse_jax.eval` on this workdir first."
    )
  title = (
    f"UniMSE: {next(iter(results.values()))['provenance']['config']['name']}"
  )
  parts = [f"<h1>{html.escape(title)}</h1>"]
  for split, result in results.items():
    parts.append(_split_section(split, result))
  parts.append(_curves(workdir))
  parts.append(_provenance(next(iter(results.values()))))
  page = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
    f"<body><main>{''.join(parts)}</main></body></html>\n"
  )
  path = workdir / "report" / "index.html"
  path.parent.mkdir(parents=True, exist_ok=True)
  write_atomically(path, page.encode())
  return path


def _split_section(split: str, result: Mapping[str, Any]) -> str:
  parts = [f"<h2>Scores, {html.escape(split)} split</h2>"]
  for name, scores in result["corpora"].items():
    for block in tables.corpus_blocks(name, split, scores):
      parts.append(_html_table(block))
    if "confusion" in scores:
      parts.append(
        figures.confusion_table(
          f"{name}: confusion", list(scores["per_class"]), scores["confusion"]
        )
      )
  parts.append(
    f"<p>{html.escape(tables.decoding_line(result['decoding']))}</p>"
  )
  return "".join(parts)


def _html_table(block: tables.Block) -> str:
  head, *rows = block.rows
  columns = "".join(
    f'<th scope="col">{html.escape(cell)}</th>' for cell in head
  )
  body = ""
  for first, *cells in rows:
    body += f'<tr><th scope="row">{html.escape(first)}</th>'
    body += "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
  return (
    f'<div class="wide"><table><caption>{html.escape(block.title)}</caption>'
    f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
  )


def _curves(workdir: pathlib.Path) -> str:
  """Training loss, and the validation scores that selection reads."""
  lines = list(read_metrics(workdir / "metrics.jsonl"))
  loss = [
    (line["step"], line["loss"])
    for line in lines
    if line["split"] == "train" and line["loss"] is not None
  ]
  parts = ["<h2>Learning curves</h2>"]
  parts.append(figures.line_chart("Training loss", {"loss": loss}))
  for score in ("mae", "wf1"):
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
      for name, value in line.items():
        if name.endswith(f"/{score}") and value is not None:
          curves.setdefault(name, []).append((line["step"], value))
    if curves:
      parts.append(figures.line_chart(f"Validation {score}", curves))
  return "".join(parts)


def _provenance(result: Mapping[str, Any]) -> str:
  text = json.dumps(
    {"selection": result["selection"], **result["provenance"]}, indent=2
  )
  return f"<h2>Provenance</h2><pre>{html.escape(text)}</pre>"
