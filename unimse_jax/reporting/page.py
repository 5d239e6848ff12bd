"""The HTML report of a run: one file, readable without a network."""

import html
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence

from unimse_cli.storage import make_directory
from unimse_jax.evaluation import selection
from unimse_jax.evaluation.results import EXTERNAL
from unimse_jax.files import write_atomically
from unimse_jax.reporting import (
  data_sections,
  figures,
  paper_tables,
  parts_section,
  run_files,
  score_sections,
  score_tables,
  signal_section,
  style,
  utterance_sections,
)
from unimse_jax.reporting.charts import Chart
from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.reporting.section import Gallery, Section
from unimse_jax.rundir import RunDir
from unimse_jax.tables import reservations, writers
from unimse_jax.tables.table import Table

NO_PROJECTION = "none"
FIGURES = "figures"  # the folder of the pictures
_TABLES, _PICTURES = "tables.txt", "figures.txt"  # the names of all files


def write(
  root: pathlib.Path,
  compared: Sequence[pathlib.Path] = (),
  projection: str = "tsne",
  single: bool = False,
) -> pathlib.Path:
  """Writes report/index.html, its tables and its pictures.

  Tables as Markdown, LaTeX and CSV beside it, pictures as SVG in figures/.
  Arguments and errors are those of `gather`; returns the path of the page.
  """
  return save(root, *gather(root, compared, projection, single))


def gather(
  root: pathlib.Path,
  compared: Sequence[pathlib.Path] = (),
  projection: str = "tsne",
  single: bool = False,
  split: str | None = None,
) -> tuple[EvaluatedRun, list[Section]]:
  """Reads and computes all that a page shows; writes nothing.

  Args:
    root: workdir, or directory that gathers seeds or ablations.
    compared: other such directories, evaluated on the same utterances.
    projection: method of Figure 4, one of `projection.METHODS`, or "none".
    single: whether intervals draw single utterances, not dialogues.
    split: split to show first; None: test where there are results of it.

  Returns:
    (the run of `root`, the sections of its page).

  Raises:
    InputError: nothing has been evaluated in one of them, a damaged file, or
      runs that cannot be compared.
  """
  run = run_files.load(root, single, split)
  # All of them by the same split, or one table would hold scores of several.
  others = [run_files.load(path, single, run.split) for path in compared]
  return run, build(run, others, projection, single)


def save(
  root: pathlib.Path, run: EvaluatedRun, sections: Sequence[Section]
) -> pathlib.Path:
  """Writes what `gather` returned; the path of the page."""
  path = RunDir(root).report_file
  folder = path.parent
  make_directory(folder)
  tables = {
    f"{file_name(table)}.{ending}": render(table)
    for section in sections
    for table in section.tables
    for ending, render in writers.WRITERS.items()
  }
  pictures = {
    f"{file_name(chart)}.svg": figures.to_svg(chart)
    for section in sections
    for chart in section.charts
  }
  _replace_files(folder, tables, _TABLES)
  _replace_files(folder / FIGURES, pictures, _PICTURES)
  # Last: a page that is there has its tables and pictures beside it.
  path = folder / "index.html"
  write_atomically(path, render_page(run, sections).encode())
  return path


def _replace_files(
  folder: pathlib.Path, files: Mapping[str, str], listing_name: str
) -> None:
  """Writes files by name, and takes away those of before.

  An earlier report may have compared other runs: its tables must not be taken
  for this one's. The listing names ours; other files are left alone.
  """
  make_directory(folder)
  listing = folder / listing_name
  if listing.is_file():
    for name in set(listing.read_text().split("\n")) - files.keys():
      if name and "/" not in name:
        (folder / name).unlink(missing_ok=True)
  write_atomically(listing, "\n".join(files).encode())
  for name, text in files.items():
    write_atomically(folder / name, text.encode())


def build(
  run: EvaluatedRun,
  others: Sequence[EvaluatedRun],
  projection: str,
  single: bool,
) -> list[Section]:
  """The sections in the order of the page: the run's own numbers first."""
  sections = [
    score_sections.scores_section(run),
    score_sections.comparison_section(run, others, single) if others else None,
    score_sections.table2_section([run, *others]),
    score_sections.ablation_section(run),
    None
    if projection == NO_PROJECTION
    else utterance_sections.figure4_section(run, projection),
    score_sections.withheld_section(run),
    score_sections.missing_section(run),
    score_sections.curves_section(run),
    signal_section.signal_section(run),
    utterance_sections.confusion_section(run),
    parts_section.parts_section(run),
    utterance_sections.intensity_section(run),
    utterance_sections.calibration_section(run),
    utterance_sections.wrong_section(run),
    data_sections.statistics_section(run),
    data_sections.audit_section(run),
    data_sections.provenance_section(run),
  ]
  return [section for section in sections if section is not None]


def file_name(part: Table | Chart) -> str:
  """The slug with what a file system may not like replaced."""
  return re.sub(r"[^\w.-]", "_", part.slug)


def render_page(run: EvaluatedRun, sections: Sequence[Section]) -> str:
  """The whole document."""
  entries = "".join(
    f'<li><a href="#{each.slug}">{html.escape(each.title)}</a></li>'
    for each in sections
  )
  lead = f"Run {run.root}, {run.split} split, {_source(run)}."
  return document(
    _title(run),
    f'<p class="lead">{html.escape(lead)}</p>{_alerts(run)}'
    f'<nav aria-label="Sections"><ul>{entries}</ul></nav>',
    "".join(map(_render_section, sections)),
  )


def document(title: str, header: str, main: str) -> str:
  """A page with the report's style that needs no network.

  Args:
    title: heading, as text.
    header: HTML below the heading.
    main: HTML of the content.
  """
  title = html.escape(title)
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    # Browsers ask the network for an icon unless they are given one.
    '<link rel="icon" href="data:,">'
    f"<title>{title}</title><style>{style.sheet()}</style></head><body>"
    f"<header><h1>{title}</h1>{header}</header>"
    f"<main>{main}</main></body></html>\n"
  )


def _title(run: EvaluatedRun) -> str:
  name = run.config.get("name", run.name)
  if _is_external(run):
    return f"{name}, on the records of {', '.join(run.corpora)}"
  return f"UniMSE: {name}"


def _source(run: EvaluatedRun) -> str:
  """What made the predictions."""
  if _is_external(run):
    return "predictions of another program, scored by unimse_jax.score"
  selection = run.result["selection"]
  return (
    f"{selection.get('checkpoint', '')} checkpoint, training step "
    f"{selection.get('step', '?')}"
  )


def _is_external(run: EvaluatedRun) -> bool:
  return run.result["selection"].get("checkpoint") == EXTERNAL


def _alerts(run: EvaluatedRun) -> str:
  """What a reader must know before the first number."""
  alerts = [*reservations.of_results(run.result), *_other_corpora(run)]
  alerts += [
    f"{split} split: {warning}"
    for split, result in run.results.items()
    for warning in result["decoding"]["collapse"]["warnings"]
  ]
  if not run.rows:
    alerts.append(
      "The predictions are missing, or an older version wrote them: the "
      f"sections on single utterances are empty. Run `{run.eval_command}` "
      "again."
    )
  alerts += _overtaken(run)
  openings = run.result.get("test_openings")
  if isinstance(openings, int) and openings > 1:
    alerts.append(
      f"{score_tables.openings_line(openings)} Whoever chooses by these scores "
      "selects on the test split, and they are then too good."
    )
  lines = "".join(f"<p>{html.escape(each)}</p>" for each in alerts)
  return f'<div class="alert" role="note">{lines}</div>' if alerts else ""


def _overtaken(run: EvaluatedRun) -> Iterator[str]:
  """Yields a warning if training has found a better checkpoint since eval."""
  evaluations = run.run_dir.evaluations()
  for split, result in run.results.items():
    selected = result["selection"]
    rule = result["provenance"]["config"].get("train", {}).get("selection")
    if not rule or selected["checkpoint"] in (EXTERNAL, "chosen"):
      continue
    lines = evaluations[selection.split_of(rule)]
    best = selection.lost_best(rule, lines, selected["step"])
    # The results themselves say so where that one was already lost.
    if best is not None and best != selected.get("lost_best_step"):
      yield (
        f"{split} split: these are the scores of step {selected['step']}; "
        f"training has gone on since, and step {best} is now the best. Run "
        f"`python -m unimse_jax.eval --workdir {run.run_dir.path} --split "
        f"{split}` again."
      )


def _other_corpora(run: EvaluatedRun) -> Iterator[str]:
  """Yields a warning if the run has corpora that the paper does not have."""
  names = list(paper_tables.other_corpora([run]))
  if names:
    yield (
      f"Not the paper's corpora: {', '.join(names)}. Their scores cannot be "
      "compared with published ones, and stand in tables of their own."
    )
  if any(name.startswith("demo_") for name in names):
    yield "The corpora demo_* are synthetic: a program drew and spoke them."


def _render_section(section: Section) -> str:
  parts = []
  for part in section.parts:
    if isinstance(part, Gallery):
      part = part.html()
    parts.append(writers.to_html(part) if isinstance(part, Table) else part)
  files = _list_files(".md, .tex and .csv beside this page", section.tables)
  files += _list_files(f".svg in {FIGURES}/", section.charts)
  return (
    f'<section id="{section.slug}" aria-labelledby="{section.slug}-title">'
    f'<h2 id="{section.slug}-title">{html.escape(section.title)}</h2>'
    f"{''.join(parts)}{files}</section>"
  )


def _list_files(where: str, parts: Sequence[Table | Chart]) -> str:
  if not parts:
    return ""
  names = html.escape(", ".join(map(file_name, parts)))
  return f'<p class="files">Also as {where}: {names}</p>'
