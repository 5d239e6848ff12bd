"""The report is one file that parses, shows every section, runs no markup."""

import csv
import functools
import html.parser
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from unimse_jax import command_line
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run, results
from unimse_jax.evaluation.selection import BANNER
from unimse_jax.reporting import page
from unimse_jax.rundir import RunDir

SECTIONS = (
  "scores",
  "table2",
  "table3",
  "figure4",
  "modalities",
  "missing",
  "curves",
  "signal",
  "confusion",
  "parts",
  "intensity",
  "calibration",
  "wrong",
  "statistics",
  "audit",
  "provenance",
)


class Outline(html.parser.HTMLParser):
  """Checks that tags close, and collects headings, links and labels."""

  _VOID = ("meta", "link", "br")

  def __init__(self, text: str):
    super().__init__()
    self.open, self.seen, self.links, self.headings = [], [], [], []
    self.pictures, self.tables, self.ids = [], [], []
    self.feed(text)
    assert not self.open

  def handle_starttag(self, tag, attributes):
    self._note(tag, dict(attributes))
    if tag not in self._VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attributes):
    self._note(tag, dict(attributes))

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def _note(self, tag, attributes):
    self.seen.append(tag)
    self.links += [attributes[n] for n in ("src", "href") if n in attributes]
    self.ids += [attributes["id"]] if "id" in attributes else []
    if re.fullmatch(r"h\d", tag):
      self.headings.append(int(tag[1]))
    if tag == "svg" and "chart" in attributes.get("class", ""):
      self.pictures.append(attributes)
    if tag == "th":
      assert attributes["scope"] in ("col", "row", "colgroup", "rowgroup")


@pytest.fixture(scope="module")
def paper_page(paper_run):
  return page.write(paper_run).read_text()


def test_every_section_is_there_and_nothing_from_outside(paper_page):
  outline = Outline(paper_page)
  for name in SECTIONS:
    assert name in outline.ids
  inside = {link for link in outline.links if link.startswith("#")}
  assert inside == {f"#{name}" for name in SECTIONS}
  assert set(outline.links) - inside == {"data:,"}  # the empty icon
  assert "http" not in re.sub(r"<title>.*?</title>", "", paper_page)
  assert "url(" not in paper_page and "@import" not in paper_page
  assert "script" not in outline.seen


def test_headings_are_in_order_and_pictures_and_tables_have_names(paper_page):
  outline = Outline(paper_page)
  assert outline.headings == [1] + [2] * len(SECTIONS)
  assert len(outline.pictures) > 15
  for attributes in outline.pictures:
    assert attributes["role"] == "img" and len(attributes["aria-label"]) > 5
  assert outline.seen.count("table") == outline.seen.count("caption")
  assert len(set(outline.ids)) == len(outline.ids)
  assert '<html lang="en">' in paper_page and "width=device-width" in paper_page


def test_markup_in_utterances_stays_text(paper_page):
  assert "<script>" not in paper_page and "<b>" not in paper_page
  assert "&lt;script&gt;alert(1)&lt;/script&gt;" in paper_page


def test_the_numbers_of_the_results_are_on_the_page(paper_run, paper_page):
  stored = json.loads((paper_run / "results" / "test.json").read_text())
  for corpus, key in (("meld", "wf1"), ("mosi", "acc7")):
    assert f"{100 * stored['corpora'][corpus][key]:.2f}" in paper_page
  assert "ab" * 32 in paper_page  # the hash of the labels
  assert "the paper prints 686 (a sample)" in paper_page
  audit = paper_page.partition('id="audit"')[2]
  assert "0.900" in audit
  assert all(each in audit for each in ("labels of meld", "0.815", "0.948"))


def test_the_tables_are_files_too(paper_run, paper_page):
  folder = paper_run / "report"
  for name in ("table2", "figure4", "confusion_meld", "calibration", "table1"):
    for ending in ("md", "tex", "csv"):
      assert (folder / f"{name}.{ending}").stat().st_size > 50
  assert "UniMSE (paper)" in (folder / "table2.md").read_text()


def test_own_numbers_come_first(paper_page):
  first, second = re.findall(r'<section id="(\w+)"', paper_page)[:2]
  assert (first, second) == ("scores", "table2")


def test_other_corpora_have_a_banner_and_tables_of_their_own(
  gathered_runs, paper_page
):
  text = page.write(gathered_runs, projection="none").read_text()
  above = text.partition("<table")[0]
  assert "Not the paper&#x27;s corpora: demo_mosi, demo_meld." in above
  assert "synthetic" in above
  assert (gathered_runs / "report" / "table2_other.csv").is_file()
  assert (gathered_runs / "report" / "table3_other.csv").is_file()
  assert "Not the paper" not in paper_page


def test_the_donors_words_are_shown(paper_page):
  wrong = paper_page.partition('id="wrong"')[2]
  assert re.search(
    r"iemocap ← meld/train/donor\d+ “what donor \d+ said”", wrong
  )


def test_provenance_is_in_words(paper_page):
  text = paper_page.partition('id="provenance"')[2].partition("<details")[0]
  for cell in ("training step", "chosen by", "sha256 of the universal labels"):
    assert f'<th scope="row">{cell}</th>' in text
  assert "scored for the first time" in text
  assert "{" not in text and "_" not in re.sub(
    r"<[^>]+>|/\S+", "", text
  ).replace("made_up", "").replace("unimse_jax", "")


def test_a_gathered_run_has_table3_with_its_differences(gathered_runs):
  text = page.write(gathered_runs, projection="none").read_text()
  Outline(text)
  assert "mean ± deviation of 3 seeds" in text and "w/o PMF" in text
  assert 'id="figure4"' not in text
  folder = gathered_runs / "report"
  assert "±" in (folder / "table3_other.csv").read_text()
  assert "w/o A" in (folder / "table3_differences_emotion.csv").read_text()


def test_compared_runs_have_rows_and_differences(paper_run, make_run, tmp_path):
  other = tmp_path / "other_run"
  make_run(other, {"mosi": 60, "meld": 70}, seed=4, skill=0.3)
  text = page.write(other, [paper_run], "none").read_text()
  assert "other_run, 1 seed" in text and f"{paper_run.name}, 1 seed" in text
  assert 'id="comparison"' in text
  assert (other / "report" / "comparison_intensity.csv").is_file()


def test_compared_runs_of_one_name_have_a_row_each(make_run, tmp_path):
  for number, folder in enumerate(("a/x", "b/x", "c/seed_1")):
    make_run(tmp_path / folder, {"mosi": 20}, seed=number)
  others = [tmp_path / "b" / "x", tmp_path / "a" / "x", tmp_path / "c/seed_1"]
  page.write(tmp_path / "a" / "x", others, "none")
  path = tmp_path / "a" / "x" / "report" / "comparison_intensity.csv"
  rows = path.read_text().splitlines()[1:]
  assert [row.split(",")[1] for row in rows] == [
    *("minus x", f"minus {tmp_path / 'a' / 'x'}", "minus c/seed_1")
  ]


def test_tables_of_an_earlier_report_go_and_other_files_stay(
  make_run, tmp_path
):
  make_run(tmp_path / "one", {"mosi": 20})
  make_run(tmp_path / "two", {"mosi": 20}, seed=1)
  page.write(tmp_path / "one", [tmp_path / "two"], "none")
  folder = tmp_path / "one" / "report"
  (folder / "notes.md").write_text("mine")
  assert (folder / "comparison_intensity.tex").is_file()
  page.write(tmp_path / "one", projection="none")
  assert not list(folder.glob("comparison*"))
  names = {path.name for path in folder.iterdir()}
  listed = (folder / "tables.txt").read_text().split("\n")
  assert names == {"notes.md", "index.html", "tables.txt", "figures", *listed}
  pictures = {path.name for path in (folder / "figures").iterdir()}
  listed = (folder / "figures" / "figures.txt").read_text().split("\n")
  assert pictures == {"figures.txt", *listed}


def test_parts_of_the_split_are_tables_and_curves(make_run, tmp_path):
  rows = make_run(tmp_path, {"mosi": 60, "meld": 60})
  path = tmp_path / "predictions" / "test.jsonl"
  named = [{**row, "speaker": f"s{n % 25}"} for n, row in enumerate(rows)]
  path.write_text(
    "".join(
      json.dumps({k: v for k, v in row.items() if k != "mood"}) + "\n"
      for row in named
    )
  )
  page.write(tmp_path, projection="none")
  folder = tmp_path / "report"

  def read(name):
    with (folder / f"{name}.csv").open() as file:
      return [*csv.DictReader(file)]

  speakers = read("speakers_meld_emotion")
  assert len(speakers) == 20  # of 25
  assert {"speaker", "N", "ACC", "WF1"} <= speakers[0].keys()
  assert sum(int(line["N"]) for line in read("ranges_mosi")) == 60
  stored = json.loads((tmp_path / "results" / "test.json").read_text())
  accuracy = 100 * stored["corpora"]["meld"]["acc"]
  covered = {line["coverage"]: line["meld"] for line in read("coverage_meld")}
  assert covered["100%"] == f"{accuracy:.2f}"
  assert len(covered) == 11
  assert (folder / "figures" / "coverage_meld.svg").is_file()
  assert {"0%", "10%", "50%"} <= read("missing_mosi")[0].keys()


def test_warnings_stand_before_the_first_table(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 20})
  path = tmp_path / "results" / "test.json"
  stored = json.loads(path.read_text())
  stored["decoding"]["collapse"]["warnings"] = ["collapse: all <same>"]
  stored["test_openings"] = 3
  path.write_text(json.dumps(stored))
  text = page.write(tmp_path, projection="none").read_text()
  above = text.partition("<table")[0]
  assert "test split: collapse: all &lt;same&gt;" in above
  assert "has been scored 3 times by now. Whoever" in above


def test_a_bare_run_is_reported_with_what_to_run(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 20})
  path = tmp_path / "results" / "test.json"
  stored = json.loads(path.read_text())
  for key in ("withheld", "missing", "test_openings"):
    del stored[key]
  for key in ("intervals", "calibration"):
    del stored["corpora"]["mosi"][key]
  path.write_text(json.dumps(stored))
  (tmp_path / "metrics.jsonl").unlink()
  for file in (tmp_path / "predictions").iterdir():
    file.unlink()
  text = page.write(tmp_path).read_text()
  Outline(text)
  # Advice names the run's own config, and can be run as it stands.
  for command in (
    "unimse_jax.ablate --config configs/made_up.py --rows all "
    f"--workdir {tmp_path}",
    f"unimse_jax.eval --workdir {tmp_path} --split test",
    f"unimse_jax.eval --workdir {tmp_path} --split test --missing 0.1,0.3",
    "feature_export.statistics --data data/none",
  ):
    assert f"python -m {command}" in text
  assert "..." not in text
  assert "predictions are missing" in text and 'id="audit"' not in text


def test_a_trained_run_is_reported(straight, tiny_config, corpora):
  from feature_export import statistics

  run = evaluation_run.evaluate(tiny_config(), straight, "test")
  results.write(RunDir(straight), "test", *run)
  # What the exporter writes beside the data is what the report reads.
  counts = corpora / "statistics.json"
  assert not statistics.main(["--data", str(corpora), "--json", str(counts)])
  path = page.write(straight)
  counts.unlink()
  assert "films,21,6,5,32" in (straight / "report" / "table1.csv").read_text()
  assert (straight / "report" / "emotions_friends.md").is_file()
  assert path == straight / "report" / "index.html"
  text = path.read_text()
  Outline(text)
  stored = json.loads((straight / "results" / "test.json").read_text())
  assert f"{100 * stored['corpora']['friends']['wf1']:.2f}" in text
  assert "Training: loss" in text


def test_the_command_reads_several_runs_after_one_flag():
  repeat = functools.partial(command_line.repeat_flag, name="compare")
  assert repeat(["r", "--compare", "a", "b", "--workdir", "c"]) == [
    *("r", "--compare", "a", "--compare", "b", "--workdir", "c")
  ]
  assert repeat(["r", "--compare=a", "b"]) == ["r", "--compare=a", "b"]
  assert repeat(["r", "x"]) == ["r", "x"]


def test_a_users_mistake_is_one_message(make_run, tmp_path):
  make_run(tmp_path / "one", {"mosi": 8})
  make_run(tmp_path / "two", {"mosi": 9})
  command = [sys.executable, "-m", "unimse_jax.report"]
  command += ["--workdir", str(tmp_path / "one"), "--projection", "none"]
  command += ["--compare", str(tmp_path / "one"), str(tmp_path / "two")]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 2
  assert "mosi: 8 here, 9 there" in done.stderr
  assert "Traceback" not in done.stderr
  assert not (tmp_path / "one" / "report").exists()


def test_a_missing_library_is_named(paper_run, monkeypatch):
  monkeypatch.setitem(sys.modules, "sklearn", None)
  with pytest.raises(InputError, match=r"unimse_jax\[report\]"):
    page.write(paper_run)


def test_the_figure_may_be_flattened_by_pca(paper_run):
  text = page.write(paper_run, projection="pca").read_text()
  assert "PCA 1" in text and "t-SNE" not in text
  assert np.isfinite(
    [float(x) for x in re.findall(r'cx="([\d.-]+)"', text)]
  ).all()


def test_compared_runs_are_shown_by_the_same_split(make_run, tmp_path):
  one, other = tmp_path / "one", tmp_path / "other"
  make_run(one, {"demo_mosi": 12}, split="validation")
  make_run(other, {"demo_mosi": 12}, seed=1)
  with pytest.raises(InputError, match="other --split validation` first"):
    page.gather(one, [other], projection="none")
  make_run(other, {"demo_mosi": 12}, seed=1, skill=0.1, split="validation")
  stored = json.loads((other / "results" / "validation.json").read_text())
  mae = stored["corpora"]["demo_mosi"]["mae"]
  page.write(one, [other], projection="none")
  table = (one / "report" / "table2_other.csv").read_text()
  assert f"{mae:.3f}" in table


def test_a_run_selected_on_test_says_so_before_its_numbers(make_run, tmp_path):
  make_run(tmp_path, {"mosi": 12})
  path = tmp_path / "results" / "test.json"
  stored = json.loads(path.read_text())
  stored["selection"]["banner"] = BANNER
  path.write_text(json.dumps(stored))
  text = page.write(tmp_path, projection="none").read_text()
  assert BANNER in text[: text.index("<table")]
  table = (tmp_path / "report" / "table2.md").read_text()
  assert BANNER.partition(":")[0] in table


@pytest.mark.parametrize(
  ("known", "skill", "said"),
  [
    ({}, 0.4, False),
    ({}, 0.6, True),
    ({"lost_best_step": 500}, 0.6, False),
    ({"checkpoint": "chosen"}, 0.6, False),
  ],
  ids=["worse since", "better since", "lost before", "chosen by the user"],
)
def test_results_older_than_the_best_checkpoint_say_so(
  make_run, tmp_path, known, skill, said
):
  make_run(tmp_path, {"mosi": 12})
  path = tmp_path / "results" / "test.json"
  stored = json.loads(path.read_text())
  stored["selection"] |= known
  stored["provenance"]["config"]["train"] = {"selection": "mean_skill"}
  path.write_text(json.dumps(stored))
  with (tmp_path / "metrics.jsonl").open("a") as file:
    for step, value in ((400, 0.5), (500, skill)):
      line = {"step": step, "split": "validation", "skill": value}
      file.write(json.dumps(line) + "\n")
  text = page.write(tmp_path, projection="none").read_text()
  sentence = (
    "test split: these are the scores of step 400; training has gone on since, "
    "and step 500 is now the best."
  )
  assert (sentence in text[: text.index("<table")]) == said


def test_an_audit_of_other_labels_is_not_shown(make_run, tmp_path):
  data = tmp_path / "data"
  make_run(tmp_path / "run", {"mosi": 12}, data=data)
  judged = {"n": 80, "right": 72, "accuracy": 0.9, "low": 0.815, "high": 0.948}
  content = {"sheet": "labels.audit.csv", "labels_sha256": "of others"}
  content |= {"samples": judged, "slots": {}, "labels": judged}
  data.mkdir()
  (data / "labels.audit.json").write_text(json.dumps(content))
  text = page.write(tmp_path / "run", projection="none").read_text()
  section = text.partition('id="audit"')[2].partition("</section>")[0]
  assert "other ones than this run has learnt from" in section
  assert "0.815" not in section
