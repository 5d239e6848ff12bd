"""Tables 2 and 3 hold what was published, ours, and what sets them apart."""

import dataclasses
import json

import pytest

from unimse_jax.reporting import paper_tables, published, run_files


def _row(table, name):
  return next(row for row in table.rows if row[0].partition(" [")[0] == name)


def test_every_published_row_is_there_as_printed(paper_run):
  (table,) = paper_tables.table2([run_files.load(paper_run)])
  names = [row[0].partition(" [")[0] for row in table.rows]
  source = published.load()["table2"]["rows"]
  for row in source:
    assert row["name"] in names
  assert names.index("LMF") < names.index("UniMSE (paper)")
  assert names.index("UniMSE (paper)") < names.index("published later")
  # Our own numbers stand first.
  assert names.index("ours, test split") < names.index(
    "as printed in the paper"
  )
  assert len(table.rows[0]) == sum(count for _, count in table.spans) == 15
  assert _row(table, "UniMSE (paper)")[1:] == (
    ".691",
    ".809",
    "48.68",
    "85.85/86.9 [i]",
    "85.83/86.42",
    ".523",
    ".773",
    "54.39",
    "85.86/87.50",
    "85.79/87.46",
    "65.09",
    "65.51",
    "70.56 [i]",
    "70.66",
  )


def test_every_mark_has_its_note_and_every_note_a_mark(paper_run):
  (table,) = paper_tables.table2([run_files.load(paper_run)])
  used = {
    mark
    for row in table.rows
    for cell in row
    if cell.endswith("]")
    for mark in cell.rpartition("[")[2][:-1].split(", ")
  }
  assert used == table.notes.keys()


def test_ours_have_scores_interval_constant_and_their_n_marked(paper_run):
  run = run_files.load(paper_run)
  (table,) = paper_tables.table2([run])
  row = _row(table, f"{run.name}, 1 seed")
  mae = f"{run.corpora['mosi']['mae']:.3f}".removeprefix("0")
  assert row[1].partition(" ")[0] == mae
  mark = row[1].partition("[")[2][:-1]
  assert table.notes[mark] == "another N: 60, the published test split has 686"
  low, high = run.corpora["mosi"]["intervals"]["mae"]
  cell, _, mark = _row(table, "95 % interval")[1].partition(" [")
  assert [float(end) for end in cell.split(" to ")] == pytest.approx(
    [low, high], abs=5e-4
  )
  assert table.notes[mark[:-1]] == "interval over 15 dialogues"
  constant = _row(table, "always the train median or majority")[1]
  expected = run.corpora["mosi"]["constant_sentiment"]["mae"]
  assert float(constant.partition(" ")[0]) == pytest.approx(expected, abs=5e-4)


def test_single_utterances_are_an_option_and_the_table_says_so(paper_run):
  run = run_files.load(paper_run, single=True)
  (table,) = paper_tables.table2([run])
  mark = _row(table, "95 % interval")[1].partition("[")[2][:-1]
  assert table.notes[mark] == "interval over 60 single utterances"
  plain = run_files.load(paper_run).corpora["mosi"]
  assert run.corpora["mosi"]["intervals"] == plain["utterance_intervals"]
  assert plain["intervals"] != plain["utterance_intervals"]


def test_the_published_n_needs_no_mark(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 686})
  (table,) = paper_tables.table2([run_files.load(tmp_path)])
  row = _row(table, f"{tmp_path.name}, 1 seed")
  assert "[" not in row[1] and row[6:] == ("-",) * 9


def test_labels_from_test_donors_are_marked(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 686})
  file = tmp_path / "results/test.json"
  stored = json.loads(file.read_text())
  stored["provenance"]["data"] = {"labels_donors": "all_splits"}
  file.write_text(json.dumps(stored))
  (table,) = paper_tables.table2([run_files.load(tmp_path)])
  assert _row(table, f"{tmp_path.name}, 1 seed")[1].endswith(" [a]")
  assert table.notes["a"].startswith("labels completed from all splits")


def test_intensities_of_a_corpus_with_emotions_may_stand_alone(
  make_run, tmp_path
):
  """As of a scored file that says nothing of its emotions."""
  make_run(tmp_path, {"mosi": 20})
  file = tmp_path / "results/test.json"
  stored = json.loads(file.read_text())
  stored["corpora"]["meld"] = stored["corpora"]["mosi"]
  file.write_text(json.dumps(stored))
  (table,) = paper_tables.table2([run_files.load(tmp_path)])
  assert _row(table, f"{tmp_path.name}, 1 seed")[1] != "-"


def test_a_seed_without_the_means_of_its_split_is_no_single_run(
  gathered_runs,
):
  run = run_files.load(gathered_runs)
  other = dataclasses.replace(run, seeds=run.seeds | {"split": "validation"})
  names = [
    row[0] for table in paper_tables.table2([other]) for row in table.rows
  ]
  assert not any("1 seed" in name for name in names)
  assert any(name.startswith(f"{run.name}, seed 0") for name in names)


def test_another_split_is_marked(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 20}, split="validation")
  (table,) = paper_tables.table2([run_files.load(tmp_path)])
  assert "not the test split but validation, N = 20" in table.notes.values()
  assert ("ours, validation split",) in table.rows


def test_other_corpora_never_stand_under_the_papers_columns(gathered_runs):
  run = run_files.load(gathered_runs)
  other, table = paper_tables.table2([run])
  # In the paper's own table there is no row of ours at all.
  assert not any(row[0].startswith(("ours", run.name)) for row in table.rows)
  assert other.spans == (("", 1), ("demo_mosi", 5), ("demo_meld", 2))
  assert "not comparable" in other.title
  assert not any("UniMSE" in cell for row in other.rows for cell in row)
  found = run.seeds["corpora"]["demo_meld"]["wf1"]
  cell = _row(other, f"{run.name}, mean ± deviation of 3 seeds")[7]
  assert cell == f"{100 * found['mean']:.2f} ± {100 * found['sd']:.2f}"


def test_a_run_of_both_has_a_row_in_both_tables(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 20, "demo_mosi": 24})
  run = run_files.load(tmp_path)
  other, table = paper_tables.table2([run])
  name = f"{run.name}, 1 seed"
  assert len(_row(other, name)) == 6 and len(_row(table, name)) == 15
  maes = [run.corpora[each]["mae"] for each in ("demo_mosi", "mosi")]
  # A run that has none of a table's corpora has no row in it.
  make_run(tmp_path / "alone", {"mosi": 20})
  alone = run_files.load(tmp_path / "alone")
  names = [
    {row[0] for row in x.rows} for x in paper_tables.table2([run, alone])
  ]
  assert [f"{alone.name}, 1 seed" in each for each in names] == [False, True]
  cells = [_row(table, name)[1].partition(" ")[0] for table in (other, table)]
  assert [float(cell) for cell in cells] == pytest.approx(maes, abs=5e-4)


@pytest.mark.parametrize(
  ("scores", "key", "cell"),
  [
    ({"mae": 0.691}, "mae", ".691"),
    ({"mae": 1.41}, "mae", "1.410"),
    ({"corr": -0.05}, "corr", "-.050"),
    ({"mae": 10.5}, "mae", "10.500"),
    ({"corr": None}, "corr", "-"),
    ({"acc7": 0.4868}, "acc7", "48.68"),
    ({"acc2_has0": 0.8585, "acc2_non0": 0.869}, "acc2", "85.85/86.90"),
    ({"acc2_has0": 0.8585}, "acc2", "85.85/-"),
    ({}, "f1", "-"),
  ],
)
def test_cells_are_in_the_papers_manner(scores, key, cell):
  columns = {each.key: each for each in published.columns("mosi")}
  form = paper_tables._valued(scores)
  assert columns[key].cell(form) == cell


def test_table3_has_the_papers_rows_beside_ours_on_mosi(gathered_runs):
  text = (gathered_runs / "ablation.json").read_text()
  ablation = json.loads(text.replace("demo_mosi", "mosi"))
  table, other = paper_tables.table3(ablation["rows"])
  row = _row(table, "w/o PMF")
  assert row[1:5] == (".722", ".785", "85.13/86.59", "85.03/86.37")
  found = ablation["rows"][2]["corpora"]["mosi"]["mae"]
  mean, deviation = map(float, row[5].split(" ± "))
  assert mean == pytest.approx(found["mean"], abs=5e-4)
  assert deviation == pytest.approx(found["sd"], abs=5e-4)
  assert row[-1] == "3"
  # What was not run, and what the paper does not show.
  assert _row(table, "w/o MOSEI")[5:] == ("-",) * 5
  assert _row(table, "PMF in the first layers")[1:5] == ("-",) * 4
  assert len(table.rows) == 1 + 9 + 1
  assert other.rows[0] == ("", "demo_meld WF1", "seeds")


def test_on_other_corpora_ours_are_a_table_of_their_own(gathered_runs):
  ablation = json.loads((gathered_runs / "ablation.json").read_text())
  table, other = paper_tables.table3(ablation["rows"])
  assert table.spans == (("", 1), ("the paper, MOSI", 4))
  assert {len(row) for row in table.rows} == {5}
  assert "not comparable with the paper" in other.title
  assert other.rows[0] == ("", "demo_mosi MAE", "demo_meld WF1", "seeds")
  found = ablation["rows"][2]["corpora"]["demo_mosi"]["mae"]
  cell = _row(other, "w/o PMF")[1]
  assert cell == f"{found['mean']:.3f} ± {found['sd']:.3f}"


def test_a_row_of_one_seed_has_no_deviation():
  cell = {"mae": {"mean": 0.5, "sd": None, "values": [0.5]}}
  row = {"row": "full", "title": "UniMSE", "seeds": [0], "split": "test"}
  row |= {"corpora": {"mosi": cell}}
  (table,) = paper_tables.table3([row])
  assert _row(table, "UniMSE")[5] == ".500"
  assert not table.notes
  row |= {"reservations": ["too good"], "n": {"mosi": 48}}
  (table,) = paper_tables.table3([row])
  assert _row(table, "UniMSE")[0] == "UniMSE [a, b]"
  assert [*table.notes.values()] == [
    "too good",
    "another N: 48, the published test split has 686",
  ]


def test_systems_stand_with_what_they_are_and_take():
  def row(name, title, mean, **cost):
    scores = {"wf1": {"mean": mean, "sd": 0.01, "values": [mean]}}
    own = {"row": name, "title": title, "seeds": [0, 1, 2], "split": "test"}
    return own | {"corpora": {"meld": scores}} | cost

  table = paper_tables.systems(
    [
      row("full", "UniMSE", 0.557, parameters=1234567, seconds_a_step=0.1234),
      row(
        *("tfidf", "TF-IDF", 0.554),
        parameters=None,
        seconds_a_step=None,
        reservations=["too good"],
      ),
    ]
  )
  heads = ("", "meld WF1", "parameters", "s a step", "seeds")
  assert table.rows[0] == heads
  unimse = ("UniMSE", "55.70 ± 1.00", "1,234,567", "0.123", "3")
  assert table.rows[1] == unimse
  assert table.rows[2] == ("TF-IDF [a]", "55.40 ± 1.00", "-", "-", "3")
  assert table.notes == {"a": "too good"}
