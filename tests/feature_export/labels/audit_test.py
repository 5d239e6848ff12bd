"""The audit sheet: drawn, marked by people, read back."""

import csv
import json

import pytest

from feature_export.errors import InputError
from feature_export.labels import audit
from feature_export.labels.completion import Donor, Sample, universal_label


@pytest.fixture
def completed():
  """Twenty films that took an emotion, and one clip that took nothing."""
  samples, found = [], []
  for number in range(20):
    samples.append(
      Sample("mosi", "train", f"v_{number}", f"text {number}", "positive", 1.5)
    )
    joy = Sample(
      "meld", "train", f"d_{number}", "yes!", "positive", None, {"meld": "joy"}
    )
    found.append({"meld": Donor(joy, 0.75)})
  samples.append(
    Sample("meld", "train", "d_0", "yes!", "positive", None, {"meld": "joy"})
  )
  found.append({})
  return samples, found


@pytest.fixture
def sheet(completed, tmp_path):
  """A sheet of eight samples, and the labels it was drawn from."""
  samples, found = completed
  labels = tmp_path / "labels.jsonl"
  rows = [
    universal_label(sample, ("intensity", "meld"), donors)
    for sample, donors in zip(samples, found, strict=True)
  ]
  labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
  path = tmp_path / "sheet.csv"
  assert audit.write_sheet(path, samples, found, 8, "mosi", seed=3) == 8
  return path, labels


def _read(path):
  with path.open(encoding="utf-8-sig", newline="") as file:
    return list(csv.DictReader(file))


def _mark(path, marks):
  rows = _read(path)
  for row, mark in zip(rows, marks, strict=True):
    row["correct"] = mark
  with path.open("w", encoding="utf-8-sig", newline="") as file:
    writer = csv.DictWriter(file, audit.COLUMNS)
    writer.writeheader()
    writer.writerows(rows)


def test_a_sheet_shows_sample_donor_and_labels(sheet):
  rows = _read(sheet[0])
  assert len(rows) == 8
  number = rows[0]["id"][2:]
  assert rows[0] == {
    "corpus": "mosi",
    "split": "train",
    "id": f"v_{number}",
    "slot": "meld",
    "text": f"text {number}",
    "polarity": "positive",
    "own_label": "+1.50",
    "donor": f"meld/train/d_{number}",
    "donor_text": "yes!",
    "similarity": "0.7500",
    "completed_label": "joy",
    "correct": "",
  }


def test_the_seed_decides_the_draw(completed, tmp_path):
  samples, found = completed
  drawn = []
  for name, seed in (("a", 1), ("b", 1), ("c", 2)):
    path = tmp_path / f"{name}.csv"
    audit.write_sheet(path, samples, found, 8, None, seed)
    drawn.append([row["id"] for row in _read(path)])
  assert drawn[0] == drawn[1] != drawn[2]


def test_marks_become_an_accuracy_with_an_interval(sheet):
  path, labels = sheet
  _mark(path, ["yes", "Y", "1", "true", "no", "yes", "yes", "0"])
  result = audit.score_sheet(path, labels)
  assert json.loads(audit.audit_file(labels).read_text()) == result
  overall = result["samples"]
  assert (overall["right"], overall["n"], overall["accuracy"]) == (6, 8, 0.75)
  # Wilson's interval of 6 of 8, as statsmodels gives it.
  assert overall["low"] == pytest.approx(0.409280, abs=1e-5)
  assert overall["high"] == pytest.approx(0.928521, abs=1e-5)
  assert result["slots"] == {"meld": overall}


def test_an_interval_counts_a_sample_once(tmp_path):
  """Four samples of two labels each: eight labels, but four draws."""
  emotions = {"meld": "joy", "iemocap": "excited"}
  donor = Donor(
    Sample("erc", "train", "d", "yes!", "positive", None, emotions), 0.75
  )
  samples = [
    Sample("mosi", "train", f"v_{number}", f"text {number}", "positive", 1.5)
    for number in range(4)
  ]
  found = [{"meld": donor, "iemocap": donor}] * 4
  labels, path = tmp_path / "labels.jsonl", tmp_path / "sheet.csv"
  rows = [
    universal_label(sample, ("intensity", "meld", "iemocap"), donors)
    for sample, donors in zip(samples, found, strict=True)
  ]
  labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert audit.write_sheet(path, samples, found, 4, "mosi", seed=0) == 4
  _mark(path, ["yes", "yes", "yes", "no", "no", "no", "yes", "yes"])
  result = audit.score_sheet(path, labels)
  assert (result["samples"]["right"], result["samples"]["n"]) == (2, 4)
  # Wilson's interval of 2 of 4, as statsmodels gives it.
  assert result["samples"]["low"] == pytest.approx(0.150036, abs=1e-5)
  assert result["samples"]["high"] == pytest.approx(0.849964, abs=1e-5)
  slots = result["slots"]
  assert (slots["meld"]["right"], slots["meld"]["n"]) == (3, 4)
  assert (slots["iemocap"]["right"], slots["iemocap"]["n"]) == (2, 4)
  assert result["labels"] == {"n": 8, "right": 5, "accuracy": 0.625}


def test_unmarked_and_foreign_rows_are_all_named(sheet):
  path, labels = sheet
  _mark(path, ["yes", "", "perhaps", *["no"] * 5])
  text = path.read_text(encoding="utf-8-sig").replace("mosi,train", "x,train")
  path.write_text(text.replace("x,train", "mosi,train", 7), "utf-8-sig")
  with pytest.raises(InputError) as caught:
    audit.score_sheet(path, labels)
  message = str(caught.value)
  assert "cannot be scored (3)" in message
  assert "found ''" in message and "found 'perhaps'" in message
  assert "x/train" in message
  assert not audit.audit_file(labels).exists()


def test_a_row_counts_once(sheet):
  path, labels = sheet
  _mark(path, ["yes"] * 8)
  lines = path.read_text("utf-8-sig").splitlines()
  path.write_text("\n".join([*lines, lines[1]]) + "\n", "utf-8-sig")
  with pytest.raises(InputError, match="stands in it 2 times"):
    audit.score_sheet(path, labels)


def test_no_cell_is_a_formula_and_ids_come_back(tmp_path):
  """Texts and ids are other people's; a label of -0.50 stays a number."""
  words = ["=cmd|' /C calc'!A0", "+1 for this", "-no", "@SUM(A1)", "\t=1"]
  words += ["'quoted'", "'=quoted", "plain"]
  donor = Donor(Sample("msa", "train", "d", "=1", "negative", -0.5), 0.75)
  samples = [
    Sample("erc", "train", f"{text[0]}3g_{number}", text, "negative")
    for number, text in enumerate(words)
  ]
  found = [{"intensity": donor}] * len(samples)
  labels, path = tmp_path / "labels.jsonl", tmp_path / "sheet.csv"
  rows = [universal_label(each, ("intensity",), found[0]) for each in samples]
  labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
  audit.write_sheet(path, samples, found, len(samples), None, seed=0)
  written = _read(path)
  for row in written:
    assert row.pop("completed_label") == "-0.50"
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in row.values())
  assert [audit._unguard(row["text"]) for row in written] == words
  _mark(path, ["yes"] * len(words))
  assert audit.score_sheet(path, labels)["samples"]["right"] == len(words)


def test_a_file_that_is_no_sheet_names_the_columns(tmp_path, sheet):
  other = tmp_path / "other.csv"
  other.write_text("id,correct\n1,yes\n")
  with pytest.raises(InputError, match="found no corpus, split, slot"):
    audit.score_sheet(other, sheet[1])


def test_a_sheet_with_marks_is_never_replaced(completed, sheet):
  with pytest.raises(InputError, match="somebody's marks"):
    audit.write_sheet(sheet[0], *completed, 8, None, 0)


def test_mosi_is_drawn_from_where_it_is_there(completed):
  samples, _ = completed
  assert audit.choose_corpus(samples, None) == "mosi"
  assert audit.choose_corpus(samples[-1:], None) is None
  with pytest.raises(InputError, match="mosi, meld"):
    audit.choose_corpus(samples, "mosei")


def test_nothing_completed_is_nothing_to_judge(completed, tmp_path):
  with pytest.raises(InputError, match="nothing to judge"):
    audit.write_sheet(tmp_path / "s.csv", *completed, 8, "meld", 0)
