"""Tables 2 and 3 hold what was published, ours, and what sets them apart."""

import json

import pytest

from unimse_jax.reporting import paper_tables, run_files


def _row(block, name):
  return next(row for row in block.rows if row[0].partition(" [")[0] == name)


def test_every_published_row_is_there_as_printed(paper_run):
  block = paper_tables.table2([run_files.load(paper_run)])
  names = [row[0].partition(" [")[0] for row in block.rows]
  source = paper_tables.published()["table2"]
  for row in source:
    assert row["name"] in names
  assert names.index("LMF") < names.index("UniMSE (paper)")
  assert names.index("UniMSE (paper)") < names.index("published later")
  assert names.index("published later") < names.index("ours, test split")
  assert len(block.rows[0]) == sum(count for _, count in block.spans) == 15
  assert _row(block, "UniMSE (paper)")[1:] == (
    ".691",
    ".809",
    "48.68",
    "85.85/86.9 [a]",
    "85.83/86.42",
    ".523",
    ".773",
    "54.39",
    "85.86/87.50",
    "85.79/87.46",
    "65.09",
    "65.51",
    "70.56 [a]",
    "70.66",
  )


def test_every_mark_has_its_note_and_every_note_a_mark(paper_run):
  block = paper_tables.table2([run_files.load(paper_run)])
  used = {
    mark
    for row in block.rows
    for cell in row
    if cell.endswith("]")
    for mark in cell.rpartition("[")[2][:-1].split(", ")
  }
  assert used == block.notes.keys()


def test_ours_have_scores_interval_seeds_and_their_n_marked(paper_run):
  run = run_files.load(paper_run)
  block = paper_tables.table2([run])
  row = _row(block, f"{run.name}, 1 seed")
  mae = f"{run.corpora['mosi']['mae']:.3f}".removeprefix("0")
  assert row[1].partition(" ")[0] == mae
  mark = row[1].partition("[")[2][:-1]
  assert block.notes[mark] == "another N: 60, the published test split has 686"
  low = run.corpora["mosi"]["intervals"]["mae"][0]
  cell = _row(block, "95 % interval, from")[1].partition(" ")[0]
  assert float(cell) == pytest.approx(low, abs=5e-4)


def test_the_published_n_needs_no_mark(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 686})
  block = paper_tables.table2([run_files.load(tmp_path)])
  row = _row(block, f"{tmp_path.name}, 1 seed")
  assert "[" not in row[1] and row[6:] == ("-",) * 9


def test_another_split_is_marked(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 20}, split="validation")
  block = paper_tables.table2([run_files.load(tmp_path)])
  assert "not the test split but validation, N = 20" in block.notes.values()
  assert ("ours, validation split",) in block.rows


def test_several_seeds_have_mean_and_deviation(gathered_runs):
  run = run_files.load(gathered_runs)
  block = paper_tables.table2([run])
  found = run.seeds["corpora"]["demo_meld"]["wf1"]
  mean = _row(block, f"{run.name}, mean of 3 seeds")
  deviation = _row(block, "deviation over seeds")
  assert mean[12].partition(" ")[0] == f"{100 * found['mean']:.2f}"
  assert deviation[12].partition(" ")[0] == f"{100 * found['sd']:.2f}"
  note = block.notes[mean[12].partition("[")[2][:-1]]
  assert note == "another corpus: demo_meld, N = 50"


def test_corpora_match_by_name_and_else_by_their_ending():
  match = paper_tables.match_corpora
  assert match(["demo_mosi", "mosi", "meld"]) == {
    "mosi": "mosi",
    "meld": "meld",
  }
  assert match(["demo_mosi", "demo_mosei"]) == {
    "mosi": "demo_mosi",
    "mosei": "demo_mosei",
  }
  assert match(["ravdess"]) == {}


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
  assert paper_tables.paper_cell(scores, key) == cell


def test_table3_has_the_papers_rows_and_ours_beside_them(gathered_runs):
  ablation = json.loads((gathered_runs / "ablation.json").read_text())
  block = paper_tables.table3(ablation)
  assert "demo_mosi" in block.title
  row = _row(block, "w/o PMF")
  assert row[1:5] == (".722", ".785", "85.13/86.59", "85.03/86.37")
  found = ablation["rows"][2]["corpora"]["demo_mosi"]["mae"]
  mean, deviation = map(float, row[5].split(" ± "))
  assert mean == pytest.approx(found["mean"], abs=5e-4)
  assert deviation == pytest.approx(found["sd"], abs=5e-4)
  assert row[-1] == "3"
  # What was not run, and what the paper does not show.
  assert _row(block, "w/o MOSEI")[5:] == ("-",) * 5
  assert _row(block, "PMF in the first layers")[1:5] == ("-",) * 4
  assert len(block.rows) == 1 + 9 + 1


def test_a_row_of_one_seed_has_no_deviation():
  cell = {"mae": {"mean": 0.5, "sd": None, "values": [0.5]}}
  row = {"row": "full", "title": "UniMSE", "seeds": [0], "split": "test"}
  block = paper_tables.table3({"rows": [row | {"corpora": {"mosi": cell}}]})
  assert _row(block, "UniMSE")[5] == ".500"


def test_differences_are_marked_where_their_interval_excludes_zero():
  rows = {
    "w/o A": {
      "mosi": {"mae": [0.03, 0.01, 0.05], "acc7": [-0.01, -0.02, 0.01]},
      "meld": {"wf1": [-0.02, None, None], "acc": [None, None, None]},
    }
  }
  intensity, emotion = paper_tables.difference_blocks("t", rows, "d")
  assert intensity.rows[1][:3] == (
    "w/o A",
    "mosi",
    "+0.030 (+0.010 to +0.050) [a]",
  )
  assert intensity.rows[1][4] == "-1.00 (-2.00 to +1.00)"
  assert intensity.notes == {"a": "the 95 % interval excludes zero"}
  assert emotion.rows[1][2:4] == ("-", "-2.00") and not emotion.notes
