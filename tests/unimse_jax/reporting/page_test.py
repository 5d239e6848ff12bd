"""The report is one file that parses, shows the scores and runs no markup."""

import html.parser
import json

import pytest

from unimse_jax.errors import InputError
from unimse_jax.evaluation import results
from unimse_jax.reporting import figures, page
from unimse_jax.training import evaluation_run


class _Outline(html.parser.HTMLParser):
  """Checks that tags close, and collects headings and outside links."""

  _VOID = ("meta", "link", "br", "polyline")

  def __init__(self):
    super().__init__()
    self.open, self.seen, self.links = [], [], []

  def handle_starttag(self, tag, attrs):
    self.seen.append(tag)
    self.links += [value for name, value in attrs if name in ("src", "href")]
    if tag not in self._VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.seen.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def test_the_page_holds_every_table_and_no_link(straight, tiny_config):
  run = evaluation_run.evaluate(tiny_config(), straight, "test")
  results.write(straight, "test", *run)
  path = page.write(straight)
  assert path == straight / "report" / "index.html"
  text = path.read_text()
  outline = _Outline()
  outline.feed(text)
  assert not outline.open
  assert not outline.links
  assert outline.seen.count("table") == 3  # intensity, emotion, confusion
  assert outline.seen.count("svg") >= 2
  stored = json.loads((straight / "results" / "test.json").read_text())
  assert f"{100 * stored['corpora']['friends']['wf1']:.2f}" in text


def test_without_results_it_says_what_to_run(tmp_path):
  with pytest.raises(InputError, match="unimse_jax.eval"):
    page.write(tmp_path)


def test_markup_in_names_stays_text():
  table = figures.confusion_table("<b>", ["<i>", "joy"], [[1, 0, 0], [0, 2, 1]])
  assert "<b>" not in table and "<i>" not in table
  assert "&lt;b&gt;" in table
  chart = figures.line_chart("a & b", {"<s>": [(1, 2.0), (2, 3.0)]})
  assert "<s>" not in chart and "a &amp; b" in chart


def test_a_chart_spans_its_points():
  chart = figures.line_chart("loss", {"loss": [(0, 4.0), (10, 1.0)]})
  assert "44.0,44.0 596.0,176.0" in chart
  assert "nothing was recorded" in figures.line_chart("loss", {"loss": []})
