"""The report in a real browser: Debian's Chromium, without a window."""

import re

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
# The ink and the ground of every element that holds text of its own.
_COLOURS = """
const ground = e => {
  for (; e; e = e.parentElement) {
    const found = getComputedStyle(e).backgroundColor;
    if (found != "rgba(0, 0, 0, 0)") return found;
  }
};
const pairs = {};
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  if (!own || e.tagName == "title") continue;
  const style = getComputedStyle(e);
  const ink = e.closest("svg") ? style.fill : style.color;
  pairs[ink + "|" + ground(e)] = e.tagName + ": " + e.textContent.slice(0, 40);
}
return pairs;"""
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
  shown, way, request
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
  assert _parse(ground) == pytest.approx(_parse(expected))


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


def test_all_text_that_is_shown_has_contrast(shown, request):
  pairs = shown.execute_script(_COLOURS)
  assert len(pairs) >= _LEAST[request.node.callspec.params["shown"]][2]
  for pair, example in pairs.items():
    ink, ground = map(_parse, pair.split("|"))
    assert _contrast(ink, ground) >= 4.5, (pair, example)


def test_markup_in_an_utterance_is_read_as_text(browser, pages):
  browser.get(pages["paper"].as_uri())
  scripts, bold, text = browser.execute_script(
    "return [document.scripts.length, "
    "document.querySelectorAll('section b').length, "
    "document.body.textContent.includes('<script>alert(1)</script>')]"
  )
  assert (scripts, bold, text) == (0, 0, True)


def _parse(colour: str) -> tuple[float, ...]:
  """Red, green and blue in [0, 1] of what CSS calls a colour."""
  if colour.startswith("#"):
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
  numbers = [float(each) for each in re.findall(r"[\d.]+", colour)]
  if colour.startswith("rgb"):
    assert len(numbers) == 3 or numbers[3] == 1, colour
    return tuple(each / 255 for each in numbers[:3])
  assert colour.startswith("color(srgb "), colour
  return tuple(numbers[:3])


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
  """(L1 + 0.05) / (L2 + 0.05) of WCAG 2.2."""

  def luminance(colour):
    red, green, blue = (
      each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
      for each in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

  low, high = sorted((luminance(one), luminance(other)))
  return (high + 0.05) / (low + 0.05)


def test_pictures_show_as_files_with_all_inside(browser, pages):
  files = sorted((pages["paper"].parent / page.FIGURES).glob("*.svg"))
  assert len(files) > 15
  files.append(pages["timeline"].with_suffix(".svg"))
  browser.get_log("browser")
  for file in files:
    browser.get(file.as_uri())
    found = browser.execute_script(_FILE)
    assert found["drawn"] > 0 and found["outside"] == 0, (file, found)
    assert _parse(found["ground"]) == _parse(style.LIGHT["page"])
  assert browser.get_log("browser") == []
