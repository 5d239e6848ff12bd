"""The page of a recording: what is drawn where, and that words stay words."""

import re
from xml.etree import ElementTree

import pytest

from unimse_jax.errors import InputError
from unimse_jax.labels import ParsedLabel
from unimse_jax.prediction import Prediction, TimedPrediction
from unimse_jax.reporting import timeline, timeline_chart

_CLASSES = ("joy", "anger")


def answer(start: float, end: float, value: float = 0.0, **changes):
  """What a model says from start to end; it writes joy at 0 and above."""
  joy = 0.5 + value / 8
  emotion = _CLASSES[value < 0]
  polarity = "positive" if value > 0 else "negative"
  fields = {"polarity": polarity, "intensity": value, "moods": emotion}
  words = {"speaker": "", "text": "so", "notes": (), "error": None, **changes}
  probabilities = {
    "polarity": {"negative": 1 - joy, "positive": joy},
    "moods": {"joy": joy, "anger": 1 - joy},
  }
  prediction = Prediction(
    f"{polarity}, {value:g}, {emotion}",
    ParsedLabel(fields, malformed=False),
    probabilities,
    notes=words["notes"],
  )
  if words["error"]:
    prediction = Prediction.failed(words["error"])
  return TimedPrediction(
    "talk_1", start, end, words["speaker"], words["text"], prediction
  )


def draw(*answers) -> str:
  return timeline_chart.draw("slug", "title", answers).html()


def rectangles(drawing: str, kind: str) -> list[tuple[float, ...]]:
  """x, y, width and height of the rectangles of a class."""
  found = re.findall(
    f'<rect class="{kind}" x="([-\\d.]+)" y="([-\\d.]+)" width="([\\d.]+)" '
    'height="([\\d.]+)"',
    drawing.partition('<svg class="chart"')[2],
  )
  return [tuple(map(float, each)) for each in found]


def test_intensities_are_bars_from_zero_at_their_times():
  chart = draw(answer(0, 10, 3.0), answer(10, 30, -1.5), answer(30, 40, 0.0))
  # "intensity" has nine letters of 6.6 px; 16 px are free beside it.
  left = 9 * 6.6 + 16
  scale = (760 - 24 - left) / 40
  up, zero = rectangles(chart, "bar k0")
  assert up == pytest.approx((left, 8, 10 * scale - 1, 40), abs=0.1)
  (down,) = rectangles(chart, "bar k1")
  assert down == pytest.approx(
    (left + 10 * scale, 48, 20 * scale - 1, 20), abs=0.1
  )
  assert zero[1::2] == (47, 2)


def test_classes_are_lanes_that_tell_probability_and_what_was_written():
  chart = draw(answer(0, 10, 2.0), answer(10, 20, -3.0))
  # Below the panel of 96 px and a heading of 20.
  shaded = re.findall(
    r'class="bar k2" x="([\d.]+)" y="([\d.]+)".*?:([\d.]+)"', chart
  )
  assert [(y, share) for _, y, share in shaded] == [
    ("117.5", "0.75"),
    ("117.5", "0.12"),
    ("133.5", "0.25"),
    ("133.5", "0.88"),
  ]
  joy, anger = rectangles(chart, "ring ink")
  assert (joy[1], anger[1]) == (117.5, 133.5)
  assert joy[0] < anger[0]
  assert ">moods<" in chart and ">polarity<" not in chart
  assert "joy" in chart and "2 utterances in 0:20" in chart


def test_without_intensities_polarity_has_lanes():
  one = answer(0, 10, 1.0)
  one.prediction.parsed.fields.pop("intensity")
  chart = draw(one)
  assert ">polarity<" in chart and ">intensity<" not in chart
  assert rectangles(chart, "bar k0") == []


@pytest.mark.parametrize(
  ("length", "strips", "marks"),
  [
    (2.5, 1, ["0:00", "0:01", "0:02"]),
    (60, 1, ["0:00", "0:10", "0:20", "0:30", "0:40", "0:50", "1:00"]),
    (61, 2, ["0:00", "0:10"]),
    (480, 8, ["0:00", "0:10"]),
    (1800, 6, ["0:00", "1:00", "2:00", "3:00", "4:00", "5:00", "5:00"]),
    (36000, 8, ["0:00", "10:00"]),
  ],
)
def test_a_long_recording_goes_over_several_strips(length, strips, marks):
  chart = draw(answer(0, 1), answer(length - 1, length))
  assert chart.count('<g transform="translate(0 ') == strips
  shown = re.findall(r">((?:\d+:)?\d+:\d\d)</text>", chart)
  assert shown[: len(marks)] == marks
  assert chart.count("<title>") == 2


def test_an_utterance_over_the_end_of_a_strip_is_in_both():
  chart = draw(answer(50, 70, 1.0), answer(70, 100, 1.0))
  assert chart.count("<title>0:50 to 1:10, so") == 2
  first, second, third = rectangles(chart, "bar k0")
  assert first[0] + first[2] == pytest.approx(735, abs=0.2)
  assert second[0] == pytest.approx(9 * 6.6 + 16, abs=0.1)
  assert third[0] == pytest.approx(second[0] + second[2] + 1, abs=0.2)


def test_hovering_tells_who_says_what_and_what_the_model_wrote():
  chart = draw(answer(3599, 3661, 1.0, speaker="Ann", text="Oh & <b>no"))
  expected = (
    "<title>59:59 to 1:01:01, Ann: Oh &amp; &lt;b&gt;no \u2192 positive, 1, joy"
  )
  assert expected in chart
  assert "(no words)" in draw(answer(0, 1, text=""))


def test_page_and_picture_are_written_with_all_utterances(tmp_path):
  page = tmp_path / "deep" / "talk.html"
  answers = [
    answer(0, 2, 1.25, speaker="Ann", notes=("audio absent: silence",)),
    answer(2, 4, -1.0, text="<script>alert(1)</script>\x00", speaker="Bob"),
    answer(5, 6, error="no words at all"),
  ]
  timeline.write(page, "/where/talk & more.mp4", answers)
  text = page.read_text()
  assert "<title>talk &amp; more.mp4</title>" in text
  assert "<script>" not in text
  rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", text)
  cells = [re.sub(r"<[^>]+>", "|", row) for row in rows]
  assert [re.sub(r"\|+", "|", row) for row in cells] == [
    "0:00|a|Ann|so|+1.25|positive 0.66|joy 0.66|",
    "0:02|Bob|&lt;script&gt;alert(1)&lt;/script&gt;\x00|-1.00|negative 0.62|"
    "anger 0.62|",
    "0:05|b|-|so|-|-|-|",
  ]
  assert "not answered: no words at all" in text
  assert "not what anybody felt" in text
  picture = ElementTree.parse(page.with_suffix(".svg")).getroot()
  hovers = [each.text for each in picture.iter() if each.tag.endswith("title")]
  assert len(hovers) == 3  # its own, and two utterances
  assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_recording_without_answers_has_a_page_without_a_picture(tmp_path):
  timeline.write(tmp_path / "a.html", "a.mp4", [answer(0, 1, error="none")])
  assert "no utterance was answered" in (tmp_path / "a.html").read_text()
  assert not (tmp_path / "a.svg").exists()


def test_a_page_that_cannot_be_written_is_one_message(tmp_path):
  (tmp_path / "file").write_text("so")
  with pytest.raises(InputError, match="--timeline: .* cannot be written"):
    timeline.write(tmp_path / "file" / "a.html", "a.mp4", [answer(0, 1)])
