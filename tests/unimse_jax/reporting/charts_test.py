"""Charts place what they are given, and say so when there is nothing."""

import re

import pytest

from unimse_jax.reporting import charts
from unimse_jax.reporting.charts import Bar, Chart


def draw(chart, *arguments, **keywords) -> str:
  """The chart's HTML."""
  found = chart("slug", *arguments, **keywords)
  return found.html() if isinstance(found, Chart) else found


def test_a_line_chart_spans_its_points():
  chart = draw(charts.line_chart, "loss", {"loss": [(0, 4.0), (10, 1.0)]})
  assert 'points="46.0,10.0 350.0,212.0"' in chart
  assert "loss from 4 to 1" in chart  # for who cannot see it
  assert "nothing was recorded" in draw(charts.line_chart, "loss", {"loss": []})


def test_one_point_or_a_constant_is_drawn():
  chart = draw(charts.line_chart, "loss", {"loss": [(3, 0.0)]})
  assert "<circle" in chart and "nan" not in chart
  assert "nan" not in draw(charts.line_chart, "c", {"c": [(0, 8.0), (5, 8.0)]})


def test_the_selected_step_is_marked_where_it_is_in_sight():
  curve = {"loss": [(0, 4.0), (10, 1.0)]}
  assert "selected: step 5" in draw(charts.line_chart, "l", curve, mark=5)
  assert "selected" not in draw(charts.line_chart, "l", curve, mark=11)


def test_text_with_markup_stays_text():
  chart = draw(charts.line_chart, "a & b", {"<s>": [(1, 2.0)], "t": [(2, 3.0)]})
  assert "<s>" not in chart and "a &amp; b" in chart
  chart = draw(charts.scatter_chart, "t", {"g": [(0, 0, "<script>")]})
  assert "<script>" not in chart and "&lt;script&gt;" in chart
  chart = draw(charts.interval_chart, "t", [Bar("<b>", 1.0)], "<i>")
  assert "<b>" not in chart and "<i>" not in chart


def test_a_scatter_has_a_shape_for_each_group_and_a_diagonal_in_bounds():
  points = {f"group {n}": [(n, -n, f"hover {n}")] for n in range(6)}
  chart = draw(charts.scatter_chart, "t", points, ("x", "y"), (-6, 6))
  for number in range(6):
    assert f"<title>hover {number}</title>" in chart
    assert f"group {number} (1)" in chart
  drawn = re.findall(r'<(circle|path) class="(\w+) k(\d)"', chart)
  assert {kind for _, _, kind in drawn} == set("012345")
  assert 'class="mark"' in chart
  assert "no point" in draw(charts.scatter_chart, "t", {"g": []})


def test_bars_start_at_zero_and_intervals_span_their_ends():
  chart = draw(charts.interval_chart, "t", [Bar("a", -2.0), Bar("b", 2.0)], "x")
  (left, first), (right, second) = re.findall(
    r'<rect class="bar k0" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', chart
  )
  zero = float(right)
  assert float(left) + float(first) == pytest.approx(zero, abs=0.2)
  assert float(first) == pytest.approx(float(second), abs=0.2)
  chart = draw(charts.interval_chart, "t", [Bar("a", 1.0, 0.5, 2.0)], "x")
  assert "a: 1 (0.5 to 2)" in chart and "rect" not in chart


def test_a_reliability_diagram_leaves_empty_bins_out():
  full = {"low": 0.5, "high": 0.6, "confidence": 0.55, "accuracy": 0.4}
  empty = {"low": 0.6, "high": 0.7, "confidence": None, "accuracy": None}
  bins = [full | {"count": 10}, empty | {"count": 0}]
  chart = draw(charts.reliability_chart, "t", bins, "")
  assert chart.count("<rect") == 1
  assert "confidence 0.550, accuracy 0.400, 10 predictions" in chart
  assert "no prediction" in draw(charts.reliability_chart, "t", bins[1:], "")


@pytest.mark.parametrize(
  ("low", "high"), [(0, 1), (-3.2, 3.2), (0, 12345), (0.699, 0.701), (-7, -2)]
)
def test_ticks_are_few_round_and_inside(low, high):
  found = charts.ticks(low, high)
  assert 2 <= len(found) <= 8
  assert low - 1e-9 <= found[0] and found[-1] <= high + 1e-9
  steps = {round(b - a, 9) for a, b in zip(found, found[1:], strict=False)}
  assert len(steps) == 1
