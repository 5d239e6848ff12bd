"""Pictures as files: well-formed, titled, complete, nothing from outside."""

import re
from xml.etree import ElementTree

import pytest

from unimse_jax.reporting import charts, figures, page, style
from unimse_jax.reporting.charts import Bar

_SVG = "{http://www.w3.org/2000/svg}"
_DRAWN = {"line", "dot", "ring", "bar"}


def parse(text: str) -> ElementTree.Element:
  root = ElementTree.fromstring(text)
  assert root.tag == f"{_SVG}svg"
  return root


def texts(root: ElementTree.Element) -> list[str]:
  return [each.text for each in root.iter(f"{_SVG}text")]


@pytest.fixture(scope="module")
def written(paper_run, gathered_runs):
  """Every picture of two reports: path -> text."""
  found, seed = {}, gathered_runs / "seed_1"
  for run, others in ((paper_run, []), (gathered_runs, [seed])):
    folder = page.write(run, others).parent / page.FIGURES
    found |= {path: path.read_text() for path in folder.glob("*.svg")}
  return found


def test_every_picture_of_the_page_is_a_file(paper_run, written):
  folder = paper_run / "report"
  text = (folder / "index.html").read_text()
  names = (folder / "figures" / "figures.txt").read_text().split("\n")
  assert len(names) == len(set(names)) == text.count("<figure>") > 15
  assert set(names) == {
    path.name for path in written if path.parent == folder / "figures"
  }
  for name in ("figure4_a", "figure4_b", "curves_train_loss"):
    assert f"{name}.svg" in names
    assert name in text  # listed below its section


def test_each_is_well_formed_drawn_titled_and_points_nowhere(written):
  assert len(written) > 30
  for path, text in written.items():
    root = parse(text)
    title, words = root.find(f"{_SVG}title"), root.find(f"{_SVG}desc")
    assert len(title.text) > 5, path
    assert words.text, path
    # The title is also to be read, on one line or several.
    assert title.text.startswith(texts(root)[0]), path
    classes = [each.get("class", "").split() for each in root.iter()]
    assert any(_DRAWN & set(each) for each in classes), path
    assert "href" not in text and "url(" not in text and "@import" not in text
    assert "var(" not in text, path  # which few programs know
    assert set(re.findall(r"https?://[^\"]+", text)) <= {
      "http://www.w3.org/2000/svg"
    }
    assert {each.tag.removeprefix(_SVG) for each in root.iter()} <= {
      *("svg", "title", "desc", "style", "rect", "g", "text", "line"),
      *("polyline", "circle", "path"),
    }


def test_the_ground_is_opaque_and_covers_all(written):
  for text in written.values():
    root = parse(text)
    ground = root.find(f"{_SVG}rect")
    assert ground.get("fill") == style.LIGHT["page"]
    assert ground.get("width") == ground.get("height") == "100%"
    box = root.get("viewBox").split()
    assert box[2:] == [root.get("width"), root.get("height")]


def test_markup_and_what_xml_cannot_write_stay_text():
  chart = charts.scatter_chart(
    "slug", "a <b> & c", {"<i>": [(0, 0, "\x00<s>\x1b")], "j": [(1, 1, "")]}
  )
  root = parse(figures.to_svg(chart))
  assert root.find(f"{_SVG}title").text == "a <b> & c"
  assert "<i> (1)" in texts(root)
  hovers = [each.text for each in root.iter(f"{_SVG}title")]
  assert "\ufffd<s>\ufffd" in hovers


def test_a_long_title_and_legend_take_lines_inside_the_picture():
  title = "a title of many words that a single line does not hold " * 2
  curves = {f"corpus number {n}": [(0, n), (9, n + 1)] for n in range(7)}
  chart = charts.line_chart("slug", title.strip(), curves)
  root = parse(figures.to_svg(chart))
  width, height = float(root.get("width")), float(root.get("height"))
  moved = [
    tuple(map(float, re.findall(r"[\d.]+", each.get("transform"))))
    for each in root.iter(f"{_SVG}g")
  ]
  *entries, plot = moved
  assert len(entries) == 7
  assert len(set(entries)) == 7
  longest = 30 + charts.LETTER * len("corpus number 0")
  assert all(x + longest <= width for x, _ in entries)
  # Lines of the title, then the legend, then the chart, which ends in sight.
  heads = [float(each.get("y")) for each in root.findall(f"{_SVG}text")]
  assert len(heads) >= 2 and max(heads) < min(y for _, y in entries)
  assert max(y for _, y in entries) + 12 <= plot[1]
  assert plot[1] + chart.height <= height


def test_a_single_entry_wider_than_the_picture_has_its_line():
  bars = [Bar("x", 1.0)]
  chart = charts.interval_chart("slug", "title", bars, "x")
  assert len(texts(parse(figures.to_svg(chart)))) > 2
  curves = {"n" * 90: [(0, 1)], "m": [(0, 2)]}
  parse(figures.to_svg(charts.line_chart("slug", "title", curves)))
