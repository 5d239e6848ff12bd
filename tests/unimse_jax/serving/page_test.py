"""The demo page in a real browser: a clip uploaded, and one recorded."""

import struct

import pytest

_SHOWN = "return getComputedStyle(document.getElementById('{}')).display"


def _wav(seconds: float) -> bytes:
  """A silent wav file, 8 kHz."""
  count = int(seconds * 8000)
  head = struct.pack(
    "<4sI4s4sIHHIIHH",
    b"RIFF",
    count + 36,
    b"WAVE",
    b"fmt ",
    16,
    1,
    1,
    8000,
    8000,
    1,
    8,
  )
  return head + struct.pack("<4sI", b"data", count) + b"\x80" * count


@pytest.fixture
def opened(browser, serve):
  """The page of a server of its own; the console is empty."""
  server = serve(megabytes=1, seconds=2)
  browser.get_log("browser")
  browser.get(server.url)
  return browser


def by_id(browser, name):
  return browser.find_element("id", name)


def status(browser) -> str:
  return by_id(browser, "status").text


def wait(browser, condition) -> None:
  from selenium.webdriver.support.wait import WebDriverWait

  WebDriverWait(browser, 30, 0.05).until(lambda _: condition())


def upload(browser, path, content: bytes) -> None:
  path.write_bytes(content)
  by_id(browser, "file").send_keys(str(path))


def answered(browser) -> bool:
  return by_id(browser, "answer").is_displayed()


def test_a_clip_is_uploaded_and_its_answer_shown(
  way, opened, model, tmp_path, contrasts
):
  upload(opened, tmp_path / "a.wav", _wav(1))
  by_id(opened, "text").send_keys("d\u00e9j\u00e0 vu")
  by_id(opened, "ask").click()
  wait(opened, lambda: answered(opened))
  assert model.asked == [("d\u00e9j\u00e0 vu", "clip.wav", _wav(1))]
  assert by_id(opened, "label").text == (
    "positive, joy, intensity +1.50 of \u22123 to +3"
  )
  shares = opened.execute_script(
    "return [...document.querySelectorAll('.share')].map(e => [e.innerText"
    ".split('\\n').filter(Boolean).join(' '), e.querySelector('.bar')"
    ".getBoundingClientRect().width])"
  )
  texts, widths = zip(*shares, strict=True)
  assert texts == (
    *("negative 0.10", "positive 0.90", "joy 0.75"),
    "anger & <b>rage</b> 0.25",
  )
  assert widths[1] == pytest.approx(9 * widths[0], rel=0.02)
  rows = [
    [cell.text for cell in row.find_elements("css selector", "th, td")]
    for row in opened.find_elements("css selector", "#parts tr")
  ]
  assert rows == [
    ["read", "intensity", "polarity: positive", "moods: joy"],
    ["all", "+1.50", "0.90", "0.75"],
    ["without words", "\u22120.50", "0.25", "-"],
    ["without voice", "+1.25", "0.80", "0.50"],
  ]
  notes = [e.text for e in opened.find_elements("css selector", "#notes li")]
  assert notes == [
    "no face was read",
    "video absent: no_track <script>alert(1)</script>",
  ]
  width, _ = way
  assert (
    opened.execute_script("return document.documentElement.scrollWidth")
    <= width
  )
  found = contrasts()
  assert len(found) >= 4
  assert min(found.values()) >= 4.5, found
  assert opened.get_log("browser") == []
  # Nothing came from elsewhere.
  names = opened.execute_script(
    "return performance.getEntriesByType('resource').map(e => e.name)"
  )
  base = opened.current_url
  assert names and all(n.startswith((base, "blob:", "data:")) for n in names)


@pytest.mark.parametrize("button", ["film", "tape"])
def test_a_clip_is_recorded_and_stops_by_itself_at_the_limit(
  opened, model, button
):
  by_id(opened, button).click()
  wait(opened, lambda: by_id(opened, "stop").is_displayed())
  assert "Recording, 2 s at most" in status(opened)
  assert not by_id(opened, "ask").is_enabled()
  wait(opened, lambda: by_id(opened, "ask").is_enabled())
  by_id(opened, "ask").click()
  wait(opened, lambda: answered(opened))
  ((_, name, content),) = model.asked
  assert name == "clip.webm" and len(content) > 1000
  assert opened.get_log("browser") == []


def test_recording_ends_when_asked(opened, model):
  by_id(opened, "tape").click()
  wait(opened, lambda: by_id(opened, "stop").is_displayed())
  by_id(opened, "stop").click()
  wait(opened, lambda: by_id(opened, "ask").is_enabled())
  assert not by_id(opened, "stop").is_displayed()


@pytest.mark.parametrize(
  ("seconds", "message"),
  [
    (125, "Expected at most 1 MB, found 1.0."),
    (4, "Expected at most 2 s, found 4.0."),
  ],
)
def test_too_large_and_too_long_files_are_told_and_not_sent(
  opened, model, tmp_path, seconds, message
):
  upload(opened, tmp_path / "a.wav", _wav(seconds))
  by_id(opened, "text").send_keys("words")  # which alone would do
  by_id(opened, "ask").click()
  wait(opened, lambda: status(opened) == message)
  assert model.asked == []
  upload(opened, tmp_path / "b.wav", _wav(1))
  by_id(opened, "ask").click()
  wait(opened, lambda: answered(opened))
  assert model.asked == [("words", "clip.wav", _wav(1))]


def test_neither_a_clip_nor_words_is_nothing_to_send(opened, model):
  by_id(opened, "ask").click()
  wait(opened, lambda: "a clip or words, found neither" in status(opened))
  assert model.asked == []


def test_refusals_and_failures_are_shown(opened, model, tmp_path):
  upload(opened, tmp_path / "a.wav", b"<html>")
  by_id(opened, "ask").click()
  wait(
    opened, lambda: "Not answered: expected sound or video" in status(opened)
  )
  model.failure = KeyError("bug")
  upload(opened, tmp_path / "b.wav", _wav(1))
  by_id(opened, "ask").click()
  wait(opened, lambda: "an error that nobody has foreseen" in status(opened))
  assert "wrong" in by_id(opened, "status").get_attribute("class")
  assert not answered(opened)
  assert by_id(opened, "ask").is_enabled()
