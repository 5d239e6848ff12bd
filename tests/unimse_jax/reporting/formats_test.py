"""The same table in four formats, with text that each must leave as text."""

import csv
import io

from unimse_jax.reporting import formats
from unimse_jax.reporting.tables import Block

_BLOCK = Block(
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
  text = formats.to_html(_BLOCK)
  assert "<i>" not in text and "a_b &lt;i&gt;" in text
  assert text.count('scope="col"') == 3
  assert text.count('scope="row"') == 2
  assert '<th scope="colgroup" colspan="2">MOSI</th>' in text
  assert 'colspan="3">published</th>' in text
  assert "<td>0.5<sup>b, c</sup></td>" in text
  assert '+1.0 <span class="interval">(+0.5 to +1.5)</span>' in text
  assert "<li><sup>a</sup> source: 50 %</li>" in text


def test_columns_of_words_are_aligned_left_and_numbers_right():
  block = Block("t", (("", "text", "n"), ("x", "hello", "1"), ("y", "-", "-2")))
  text = formats.to_html(block)
  assert '<td class="words">hello</td><td>1</td>' in text
  assert formats.to_markdown(block).splitlines()[3] == "| :-- | :-- | --: |"
  assert "\\begin{tabular}{llr}" in formats.to_latex(block)


def test_shaded_cells_carry_their_share_of_the_row():
  block = Block("t", (("", "a", "b"), ("x", "3", "1"), ("y", "0", "0")))
  assert "--share" not in formats.to_html(block)
  shaded = Block(block.title, block.rows, shaded=True)
  text = formats.to_html(shaded)
  assert '--share:0.75">3' in text and '--share:0.25">1' in text
  assert text.count("--share:0.00") == 2


def test_a_text_that_ends_in_brackets_has_no_mark():
  block = Block("t", (("", "text"), ("x", "hello [laughs]")), notes={"a": "n"})
  assert "hello [laughs]</td>" in formats.to_html(block)
  assert "x,hello [laughs],\n" in formats.to_csv(block)
  assert "hello [laughs] \\\\" in formats.to_latex(block)


def test_markdown_escapes_and_keeps_a_row_on_a_line():
  lines = formats.to_markdown(_BLOCK).splitlines()
  assert lines[0] == "**Scores & \\<more\\>**"
  assert lines[2] == "|  | MOSI MAE | MOSI ACC-2 |"
  assert lines[4] == "| **published** |  |  |"
  assert lines[5] == "| LMF <sup>a</sup> | .917 | -/82.5 |"
  assert lines[7].startswith("| a\\_b \\<i\\> | 0.5 <sup>b, c</sup> |")
  assert lines[-1] == "- c: best \\| seed"
  broken = Block("t", (("a", "b"), ("x\ny", "|")))
  assert formats.to_markdown(broken).splitlines()[-1] == "| x y | \\| |"


def test_latex_is_booktabs_with_escapes_and_raised_marks():
  text = formats.to_latex(_BLOCK)
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
  block = Block("t", (("a",), ("\\ & % $ # _ { } ~ ^ ±", "x"), ("y", "1")))
  assert (
    r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} "
    r"\textasciicircum{} $\pm$" in formats.to_latex(block)
  )


def test_csv_has_the_group_first_and_the_notes_last():
  rows = list(csv.reader(io.StringIO(formats.to_csv(_BLOCK))))
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
