"""How often completed labels are right, judged by people (paper, section 4.1).

`write_sheet` draws samples whose labels were completed into a CSV file with an
empty column, `correct`; people fill it in; `score_sheet` reads it back. The
paper reports about 90 % for 80 samples of MOSI.
"""

import csv
import hashlib
import io
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from feature_export.errors import InputError, list_faults
from feature_export.files import parse_json, write_whole
from feature_export.labels.completion import INTENSITY, Donor, Sample

PAPER_CORPUS = "mosi"
_CONFIDENCE = 0.95
COLUMNS = (
  *("corpus", "split", "id", "slot", "text", "polarity", "own_label"),
  *("donor", "donor_text", "similarity", "completed_label", "correct"),
)
_RIGHT = {"1": True, "yes": True, "y": True, "true": True}
_WRONG = {"0": False, "no": False, "n": False, "false": False}
MARKS = _RIGHT | _WRONG
# Spreadsheets run a cell that begins with one of these as a formula, and texts
# and ids of a corpus are whatever somebody wrote (an id of MOSEI begins with
# "-"). A quote in front makes it plain text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"
_NUMBER = re.compile(r"[+-]\d+(\.\d+)?")


def audit_file(labels: Path) -> Path:
  """The file beside FILE.jsonl: FILE.audit.json."""
  return labels.with_suffix(".audit.json")


def _guard(cell: str) -> str:
  """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
  if _NUMBER.fullmatch(cell):
    return cell
  # A quote of the text's own gets one too, so that `_unguard` can tell them.
  return _QUOTE + cell if cell.startswith((*_FORMULA, _QUOTE)) else cell


def _unguard(cell: str) -> str:
  """What `_guard` was given."""
  guarded = cell.startswith(_QUOTE) and cell[1:2] in (*_FORMULA, _QUOTE)
  return cell[1:] if guarded else cell


def _own_label(sample: Sample) -> str:
  """A sample's own annotations, in words for people."""
  labels = [*sample.emotions.values()]
  if sample.intensity is not None:
    labels.insert(0, f"{sample.intensity:+.2f}")
  return ", ".join(labels)


def _rows(sample: Sample, donors: Mapping[str, Donor]) -> list[dict]:
  """One row per completed slot of a sample, fit for spreadsheets."""
  rows = []
  for slot, donor in donors.items():
    label = donor.sample.label(slot)
    row = {
      "corpus": sample.corpus,
      "split": sample.split,
      "id": sample.id,
      "slot": slot,
      "text": sample.text,
      "polarity": sample.polarity,
      "own_label": _own_label(sample),
      "donor": "/".join(donor.sample.key),
      "donor_text": donor.sample.text,
      "similarity": f"{donor.similarity:.4f}",
      "completed_label": f"{label:+.2f}" if slot == INTENSITY else label,
      "correct": "",
    }
    rows.append({column: _guard(cell) for column, cell in row.items()})
  return rows


def choose_corpus(samples: Sequence[Sample], corpus: str | None) -> str | None:
  """The corpus to draw from: the given one, MOSI if it is there, else all.

  Raises:
    InputError: the given corpus is not in the mixture.
  """
  names = list(dict.fromkeys(sample.corpus for sample in samples))
  if corpus is not None and corpus not in names:
    raise InputError(
      f"--audit_corpus: expected one of {', '.join(names)}, found {corpus!r}."
    )
  return corpus or (PAPER_CORPUS if PAPER_CORPUS in names else None)


def _draw(
  samples: Sequence[Sample],
  completions: Sequence[Mapping[str, Donor]],
  count: int,
  corpus: str | None,
  seed: int,
) -> list[int]:
  """Draws the samples of a sheet; arguments as in `write_sheet`.

  Returns:
    Their positions, in rising order.

  Raises:
    InputError: no label was completed.
  """
  completed = [
    place
    for place, donors in enumerate(completions)
    if donors and corpus in (None, samples[place].corpus)
  ]
  if not completed:
    raise InputError(
      f"--audit: no label of {corpus or 'any corpus'} was completed; there is "
      "nothing to judge."
    )
  drawn = random.Random(seed).sample(completed, min(count, len(completed)))
  return sorted(drawn)


def check_sheet(path: Path) -> None:
  """Raises InputError if the sheet exists: it may hold people's marks."""
  if path.exists():
    raise InputError(
      f"{path} is there already and may hold somebody's marks. Move it away, "
      "or give --audit_sheet another name."
    )


def write_sheet(
  path: Path,
  samples: Sequence[Sample],
  completions: Sequence[Mapping[str, Donor]],
  count: int,
  corpus: str | None,
  seed: int,
) -> int:
  """Draws samples whose labels were completed, and writes the sheet.

  Args:
    path: CSV file, UTF-8 with a byte order mark for spreadsheets.
    samples: all samples of the mixture.
    completions: slot -> donor, for each of the samples.
    count: number of samples to draw at most.
    corpus: corpus to draw from; None: all of them.
    seed: random seed of the draw.

  Returns:
    The number of samples in the sheet.

  Raises:
    InputError: no label was completed, or the sheet exists.
  """
  check_sheet(path)
  chosen = _draw(samples, completions, count, corpus, seed)
  content = io.StringIO()
  writer = csv.DictWriter(content, COLUMNS, lineterminator="\n")
  writer.writeheader()
  for place in chosen:
    writer.writerows(_rows(samples[place], completions[place]))
  # Without the byte order mark, spreadsheets take the file for one in the
  # system's encoding.
  write_whole(path, "\ufeff" + content.getvalue())
  return len(chosen)


def _share(marks: Sequence[bool]) -> dict:
  """The share of right marks and its interval (Wilson 1927)."""
  from scipy.stats import binomtest

  right, n = sum(marks), len(marks)
  interval = binomtest(right, n).proportion_ci(_CONFIDENCE, method="wilson")
  return {
    "n": n,
    "right": right,
    "accuracy": right / n,
    "low": float(interval.low),
    "high": float(interval.high),
  }


def _read_labels(labels: Path) -> dict[tuple[str, str, str], dict]:
  try:
    lines = labels.read_text(encoding="utf-8").splitlines()
    rows = [parse_json(line) for line in lines]
    return {(row["corpus"], row["split"], row["id"]): row for row in rows}
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"--out: expected the label file that the sheet was drawn from, found "
      f"{labels}: {error}."
    ) from error


def _fault(row: Mapping[str, str], known: Mapping) -> str | None:
  """The fault of one row of a sheet, or None.

  Args:
    row: column -> cell.
    known: (corpus, split, id) -> row of the label file.
  """
  label = known.get((row["corpus"], row["split"], row["id"]))
  if label is None or row["slot"] not in label["completed"]:
    return "no completed label of this id and slot in the label file"
  if label["completed"][row["slot"]]["donor"] != row["donor"]:
    return "another donor than in the label file"
  mark = row["correct"].strip().lower()
  if mark not in MARKS:
    return f"`correct` must be yes or no, found {mark!r}"
  return None


def _read_sheet(sheet: Path, known: Mapping) -> list[dict[str, str]]:
  """The rows of a marked sheet.

  Raises:
    InputError: no such sheet, or rows that are not marked or do not belong to
      the labels; with every fault.
  """
  try:
    text = sheet.read_text(encoding="utf-8-sig")
  except (OSError, UnicodeDecodeError) as error:
    raise InputError(
      f"--score: expected a marked sheet, found {error}."
    ) from error
  reader = csv.DictReader(io.StringIO(text))
  absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
  if absent:
    raise InputError(
      f"{sheet}: expected the columns of --audit, found no {', '.join(absent)}."
    )
  rows = [
    # A row that is too short has None, one that is too long a list.
    {name: _unguard(row[name] or "") for name in COLUMNS}
    for row in reader
  ]
  faults = [
    f"row {number}, {row['corpus']}/{row['split']}/{row['id']}: {fault}"
    for number, row in enumerate(rows, start=2)
    if (fault := _fault(row, known))
  ]
  keys = Counter(tuple(row[name] for name in COLUMNS[:4]) for row in rows)
  faults += [
    f"{'/'.join(key)} stands in it {count} times"
    for key, count in keys.items()
    if count > 1
  ]
  if faults or not rows:
    raise InputError(
      list_faults(f"{sheet} cannot be scored", faults or ["no rows"])
    )
  return rows


def _judge(rows: Sequence[Mapping[str, str]]) -> dict:
  """Shares of right labels, by sample, by slot and over all labels.

  Samples are independent draws. The labels of one sample are not, because they
  were all completed for the same words. So an interval counts a sample once: in
  a slot it has one label anyway; over all slots it counts as right when all its
  labels are.
  """
  by_sample, by_slot = defaultdict(list), defaultdict(list)
  for row in rows:
    mark = MARKS[row["correct"].strip().lower()]
    by_sample[row["corpus"], row["split"], row["id"]].append(mark)
    by_slot[row["slot"]].append(mark)
  marks = [mark for own in by_sample.values() for mark in own]
  return {
    "samples": _share([all(own) for own in by_sample.values()]),
    "slots": {slot: _share(own) for slot, own in by_slot.items()},
    "labels": {
      "n": len(marks),
      "right": sum(marks),
      "accuracy": sum(marks) / len(marks),
    },
  }


def score_sheet(sheet: Path, labels: Path) -> dict:
  """Reads a marked sheet and writes FILE.audit.json beside the labels.

  Returns:
    The content of that file: {"sheet", "labels_sha256", "samples": {"n",
    "right", "accuracy", "low", "high"}, "slots": {slot: the same}, "labels":
    {"n", "right", "accuracy"}}; low and high are Wilson's 95 % interval.

  Raises:
    InputError: no such sheet, rows that are not marked, or rows that do not
      belong to the labels; with every fault.
  """
  rows = _read_sheet(sheet, _read_labels(labels))
  result = {
    "sheet": sheet.name,
    "labels_sha256": hashlib.sha256(labels.read_bytes()).hexdigest(),
    **_judge(rows),
  }
  target = audit_file(labels)
  write_whole(target, json.dumps(result, indent=2) + "\n")
  return result


def format_scores(result: dict) -> str:
  """The accuracy of completed labels for the terminal.

  Args:
    result: content of the audit file, from `score_sheet`.
  """
  shares = {"samples with every label right": result["samples"]}
  shares |= {
    f"{slot} labels right": each for slot, each in result["slots"].items()
  }
  every = result["labels"]
  return "\n".join(
    [
      f"{name}: {each['right']} of {each['n']}, {each['accuracy']:.3f} "
      f"(95 % interval {each['low']:.3f} to {each['high']:.3f})"
      for name, each in shares.items()
    ]
    + [
      f"labels of all slots right: {every['right']} of {every['n']}, "
      f"{every['accuracy']:.3f} (no interval: labels of one sample "
      "are not independent)"
    ]
  )
