"""The report in a real browser: Debian's Chromium, without a window."""

import pytest

from unimse_jax.labels import ParsedLabel
from unimse_jax.prediction import Prediction, TimedPrediction
from unimse_jax.reporting import page, style, timeline

# Page -> the least number of its sections, charts, and pairs of colours.
_LEAST = {"paper": (13, 16, 5), "gathered": (13, 16, 5), "timeline": (2, 1, 4)}
# Every picture with its box and the boxes of what is drawn in it.
_CHARTS = """
return [...document.querySelectorAll("svg.chart")].map(svg => {
  const box = svg.getBoundingClientRect();
  const drawn = [...svg.querySelectorAll(".line,.dot,.ring,.bar")];
  const boxes = drawn.map(e => e.getBoundingClientRect());
  return {
    label: svg.getAttribute("aria-label"), width: box.width, height: box.height,
    drawn: boxes.filter(b => b.width + b.height > 1).length,
    outside: boxes.filter(b => b.left < box.left - 1 || b.right > box.right + 1
      || b.top < box.top - 1 || b.bottom > box.bottom + 1).length,
    text: Math.min(...[...svg.querySelectorAll("text")].map(
      e => 12 * e.getScreenCTM().d || 99)),
  };
});"""
# A picture that is a document of its own.
_FILE = """
const svg = document.documentElement, box = svg.getBoundingClientRect();
const inside = b => b.left >= box.left - 1 && b.right <= box.right + 1
  && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
const boxes = q => [...svg.querySelectorAll(q)].map(
  e => e.getBoundingClientRect());
return {
  drawn: boxes(".line,.dot,.ring,.bar").filter(b => b.width + b.height > 1
    && inside(b)).length,
  outside: boxes("text,.line,.dot,.ring,.bar").filter(b => !inside(b)).length,
  ground: getComputedStyle(svg.querySelector("rect")).fill,
};"""


@pytest.fixture(scope="module")
def pages(paper_run, gathered_runs, tmp_path_factory):
  talk = tmp_path_factory.mktemp("talk") / "talk.html"
  timeline.write(talk, "talk.mp4", [*map(_answer, range(40))])
  return {
    "paper": page.write(paper_run),
    "gathered": page.write(gathered_runs, [gathered_runs / "seed_1"]),
    "timeline": talk,
  }


def _answer(number: int) -> TimedPrediction:
  """What a model says about an utterance of a talk of six minutes."""
  value, emotion = number % 7 - 3.0, ("joy", "fear")[number % 2]
  prediction = Prediction(
    f"{value:g}, {emotion}",
    ParsedLabel({"intensity": value, "moods": emotion}, malformed=False),
    {"moods": {"joy": 0.7, "fear": 0.3}},
    notes=("text: empty",),
  )
  text = "<b>words</b> of a longer sentence, " * 4
  return TimedPrediction(
    f"talk_{number}", 9.0 * number, 9.0 * number + 5, "Ann", text, prediction
  )


@pytest.fixture(params=_LEAST)
def shown(request, browser, way, pages):
  """The page in the browser; what the console said before is forgotten."""
  browser.get_log("browser")
  browser.get(pages[request.param].as_uri())
  return browser


def test_sections_show_charts_are_drawn_and_the_console_is_silent(
  shown, way, request, parse_colour
):
  width, scheme = way
  least = _LEAST[request.node.callspec.params["shown"]]
  sections = shown.execute_script(
    "return [...document.querySelectorAll('section')].map(s => [s.id, "
    "s.querySelector('h2').getBoundingClientRect().height, "
    "s.getBoundingClientRect().height, s.innerText.length])"
  )
  assert len(sections) >= least[0]
  for name, heading, height, letters in sections:
    assert heading > 15 and height > heading + 20 and letters > 40, name
  charts = shown.execute_script(_CHARTS)
  assert len(charts) >= least[1]
  for chart in charts:
    assert chart["drawn"] > 0 and chart["outside"] == 0, chart
    assert chart["width"] > 250 and chart["height"] > 70, chart
    assert chart["text"] >= 9, chart  # px of the smallest letters
  assert shown.get_log("browser") == []
  resources = "return performance.getEntriesByType('resource').length"
  assert shown.execute_script(resources) == 0
  ground = shown.execute_script(
    "return getComputedStyle(document.body).backgroundColor"
  )
  expected = {"light": style.LIGHT, "dark": style.DARK}[scheme]["page"]
  assert parse_colour(ground) == pytest.approx(parse_colour(expected))


def test_wide_tables_scroll_in_their_own_box(shown, way):
  width, _ = way
  page_width, boxes = shown.execute_script(
    "return [document.documentElement.scrollWidth, "
    "[...document.querySelectorAll('.wide')].map(e => [e.clientWidth, "
    "e.scrollWidth, e.getBoundingClientRect().right])]"
  )
  assert page_width <= width
  assert all(right <= width for _, _, right in boxes)
  if width < 600:
    assert any(inner > outer for outer, inner, _ in boxes)


def test_all_text_that_is_shown_has_contrast(shown, request, contrasts):
  found = contrasts()
  assert len(found) >= _LEAST[request.node.callspec.params["shown"]][2]
  assert min(found.values()) >= 4.5, found


def test_markup_in_an_utterance_is_read_as_text(browser, pages):
  browser.get(pages["paper"].as_uri())
  scripts, bold, text = browser.execute_script(
    "return [document.scripts.length, "
    "document.querySelectorAll('section b').length, "
    "document.body.textContent.includes('<script>alert(1)</script>')]"
  )
  assert (scripts, bold, text) == (0, 0, True)


def test_pictures_show_as_files_with_all_inside(browser, pages, parse_colour):
  files = sorted((pages["paper"].parent / page.FIGURES).glob("*.svg"))
  assert len(files) > 15
  files.append(pages["timeline"].with_suffix(".svg"))
  browser.get_log("browser")
  for file in files:
    browser.get(file.as_uri())
    found = browser.execute_script(_FILE)
    assert found["drawn"] > 0 and found["outside"] == 0, (file, found)
    assert parse_colour(found["ground"]) == parse_colour(style.LIGHT["page"])
  assert browser.get_log("browser") == []
