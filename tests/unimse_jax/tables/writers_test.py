"""The same table in five formats, with text that each must leave as text."""

import csv
import io

import pytest

from unimse_jax.tables import writers
from unimse_jax.tables.table import Table

_TABLE = Table(
  "Scores & <more>",
  (
    ("", "MAE", "ACC-2"),
    ("published",),
    ("LMF [a]", ".917", "-/82.5"),
    ("ours",),
    ("a_b <i>", "0.5 [b, c]", "+1.0 (+0.5 to +1.5)"),
  ),
  "scores",
  (("", 1), ("MOSI", 2)),
  {"a": "source: 50 %", "b": "another N", "c": "best | seed"},
)


def test_html_has_scopes_groups_notes_and_no_markup_of_its_cells():
  text = writers.to_html(_TABLE)
  assert "<i>" not in text and "a_b &lt;i&gt;" in text
  assert text.count('scope="col"') == 3
  assert text.count('scope="row"') == 2
  assert '<th scope="colgroup" colspan="2">MOSI</th>' in text
  assert 'colspan="3">published</th>' in text
  assert "<td>0.5<sup>b, c</sup></td>" in text
  assert '+1.0 <span class="interval">(+0.5 to +1.5)</span>' in text
  assert "<li><sup>a</sup> source: 50 %</li>" in text


def test_columns_of_words_are_aligned_left_and_numbers_right():
  table = Table("t", (("", "text", "n"), ("x", "hello", "1"), ("y", "-", "-2")))
  text = writers.to_html(table)
  assert '<td class="words">hello</td><td>1</td>' in text
  assert writers.to_markdown(table).splitlines()[3] == "| :-- | :-- | --: |"
  assert "\\begin{tabular}{llr}" in writers.to_latex(table)


def test_shaded_cells_carry_their_share_of_the_row():
  table = Table("t", (("", "a", "b"), ("x", "3", "1"), ("y", "0", "0")))
  assert "--share" not in writers.to_html(table)
  shaded = Table(table.title, table.rows, shaded=True)
  text = writers.to_html(shaded)
  assert '--share:0.75">3' in text and '--share:0.25">1' in text
  assert text.count("--share:0.00") == 2


def test_a_text_that_ends_in_brackets_has_no_mark():
  table = Table("t", (("", "text"), ("x", "hello [laughs]")), notes={"a": "n"})
  assert "hello [laughs]</td>" in writers.to_html(table)
  assert "x,hello [laughs],\n" in writers.to_csv(table)
  assert "hello {[}laughs{]} \\\\" in writers.to_latex(table)


def test_markdown_escapes_and_keeps_a_row_on_a_line():
  lines = writers.to_markdown(_TABLE).splitlines()
  assert lines[0] == "**Scores & \\<more\\>**"
  assert lines[2] == "|  | MOSI MAE | MOSI ACC-2 |"
  assert lines[4] == "| **published** |  |  |"
  assert lines[5] == "| LMF <sup>a</sup> | .917 | -/82.5 |"
  assert lines[7].startswith("| a\\_b \\<i\\> | 0.5 <sup>b, c</sup> |")
  assert lines[-1] == "- c: best \\| seed"
  broken = Table("t", (("a", "b"), ("x\ny", "|")))
  assert writers.to_markdown(broken).splitlines()[-1] == "| x y | \\| |"


def test_latex_is_booktabs_with_escapes_and_raised_marks():
  text = writers.to_latex(_TABLE)
  for part in (
    "\\toprule",
    "\\midrule",
    "\\bottomrule",
    "\\cmidrule(lr){2-3}",
    "\\multicolumn{2}{c}{MOSI}",
    "\\caption{Scores \\& <more>}",
    "LMF$^{a}$ & .917 & -/82.5 \\\\",
    "a\\_b <i> & 0.5$^{b, c}$",
    "source: 50 \\%",
  ):
    assert part in text
  assert text.count("\\begin") == text.count("\\end") == 2


def test_latex_of_every_special_letter():
  table = Table("t", (("a",), ("\\ & % $ # _ { } ~ ^ ±", "x"), ("y", "1")))
  assert (
    r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} "
    r"\textasciicircum{} $\pm$" in writers.to_latex(table)
  )


def test_csv_has_the_group_first_and_the_notes_last():
  rows = list(csv.reader(io.StringIO(writers.to_csv(_TABLE))))
  assert rows == [
    ["group", "", "MOSI MAE", "MOSI ACC-2", "marks"],
    ["published", "LMF", ".917", "-/82.5", "source: 50 %"],
    [
      "ours",
      "a_b <i>",
      "0.5",
      "+1.0 (+0.5 to +1.5)",
      "another N (MOSI MAE); best | seed (MOSI MAE)",
    ],
  ]


def test_text_has_aligned_columns_groups_and_notes():
  assert writers.to_text(_TABLE).splitlines() == [
    "Scores & <more>",
    "                  MAE                ACC-2",
    "  published",
    "  LMF [a]        .917               -/82.5",
    "  ours",
    "  a_b <i>  0.5 [b, c]  +1.0 (+0.5 to +1.5)",
    "  [a] source: 50 %",
    "  [b] another N",
    "  [c] best | seed",
  ]


def test_a_latex_label_holds_no_special_letter_and_no_row_an_option():
  name = "wrong_{my%corpus}\\#1"
  table = Table(name, (("", "a"), ("[x]", "1"), ("*", "y\n\nz")), name)
  text = writers.to_latex(table)
  assert "\\label{tab:wrong_-my-corpus---1}" in text
  assert "\\caption{wrong\\_\\{my\\%corpus\\}\\textbackslash{}\\#1}" in text
  # After the end of a row LaTeX reads [x] and * as options of it.
  assert "{[}x{]} & 1" in text and "{*} & y z" in text


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_a_spreadsheet_runs_no_cell(start):
  cell = f'{start}cmd|"/c calc"!A1'
  rows = list(
    csv.reader(
      io.StringIO(writers.to_csv(Table("t", (("", "text"), ("x", cell))))),
    )
  )
  assert rows[1][2] == f"'{cell}"


@pytest.mark.parametrize(
  "cell", ["-0.05", "+1.0 (+0.5 to +1.5)", "-/82.5", "-", "-.050 ± .010"]
)
def test_numbers_stay_numbers_in_csv(cell):
  text = writers.to_csv(Table("t", (("", "a"), ("x", cell))))
  assert text == f",,a,marks\n,x,{cell},\n".replace(",,a", "group,,a")
