"""The report in a real browser: Debian's Chromium, without a window."""

import re
import shutil

import pytest

from unimse_jax.reporting import page, style

pytest.importorskip("selenium", reason="selenium is absent: extra `test`")
_BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
_DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
  not (_BROWSER and _DRIVER),
  reason="no Chromium: apt-get install chromium chromium-driver",
)

_ARGUMENTS = (
  "--headless",
  "--no-sandbox",  # needed as root; the page is our own
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
)
_WAYS = {
  "wide": (1280, "light"),
  "phone": (390, "light"),
  "dark": (1280, "dark"),
  "dark phone": (390, "dark"),
}
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
def browser(tmp_path_factory):
  from selenium import webdriver
  from selenium.webdriver.chrome.service import Service

  options = webdriver.ChromeOptions()
  options.binary_location = _BROWSER
  folder = tmp_path_factory.mktemp("chromium")
  for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
    options.add_argument(argument)
  options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
  driver = webdriver.Chrome(options=options, service=Service(_DRIVER))
  yield driver
  driver.quit()


@pytest.fixture(scope="module")
def pages(paper_run, gathered_runs):
  return {
    "paper": page.write(paper_run),
    "gathered": page.write(gathered_runs, [gathered_runs / "seed_1"]),
  }


@pytest.fixture(params=_WAYS)
def way(request, browser):
  """The browser's window and colour scheme; the width and the scheme."""
  width, scheme = _WAYS[request.param]
  size = {"width": width, "height": 800, "deviceScaleFactor": 1}
  browser.execute_cdp_cmd(
    "Emulation.setDeviceMetricsOverride", size | {"mobile": width < 600}
  )
  feature = {"name": "prefers-color-scheme", "value": scheme}
  browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
  return width, scheme


@pytest.fixture(params=["paper", "gathered"])
def shown(request, browser, way, pages):
  """The page in the browser; what the console said before is forgotten."""
  browser.get_log("browser")
  browser.get(pages[request.param].as_uri())
  return browser


def test_sections_show_charts_are_drawn_and_the_console_is_silent(shown, way):
  width, scheme = way
  sections = shown.execute_script(
    "return [...document.querySelectorAll('section')].map(s => [s.id, "
    "s.querySelector('h2').getBoundingClientRect().height, "
    "s.getBoundingClientRect().height, s.innerText.length])"
  )
  assert len(sections) >= 13
  for name, heading, height, letters in sections:
    assert heading > 15 and height > heading + 20 and letters > 40, name
  charts = shown.execute_script(_CHARTS)
  assert len(charts) > 15
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


def test_all_text_that_is_shown_has_contrast(shown):
  pairs = shown.execute_script(_COLOURS)
  assert len(pairs) >= 5
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
  browser.get_log("browser")
  for file in files:
    browser.get(file.as_uri())
    found = browser.execute_script(_FILE)
    assert found["drawn"] > 0 and found["outside"] == 0, (file, found)
    assert _parse(found["ground"]) == _parse(style.LIGHT["page"])
  assert browser.get_log("browser") == []
