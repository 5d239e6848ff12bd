"""The section about what reaches the label, from a run's metrics."""

from collections.abc import Mapping, Sequence

from unimse_jax.reporting import charts
from unimse_jax.reporting.charts import Point
from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.reporting.section import Gallery, Section, paragraph

_EXPLAINED = (
  "What each modality changes in the text stream of a fused layer: the RMS of "
  "the adapter's output minus its output without that modality, in percent of "
  "the stream's RMS, over the training batches. Below 1 % the label can hardly "
  "depend on it; how much it does depend is in the section Modality "
  "contribution."
)
# What is drawn besides the modalities: name of the metric, title, y axis.
_LAYERS = (
  ("stream", "RMS of the text stream", "RMS"),
  ("saturated", "Share of saturated adapter units", "share"),
)


def signal_section(run: EvaluatedRun) -> Section | None:
  """Changes by modality, segment rows, gradients, saturation, over steps.

  Returns:
    None for a run without such metrics: one without PMF and segments, or of a
    version that did not measure them.
  """
  curves = _curves(run.metrics)
  signals = {
    name.removeprefix("signal/"): points
    for name, points in curves.items()
    if name.startswith("signal/")
  }
  if not signals:
    return None
  mark = run.result["selection"].get("step")
  drawn = {name for name, _, _ in _LAYERS}
  modalities = dict.fromkeys(
    modality
    for _, _, modality in (name.partition("/") for name in signals)
    if modality and modality not in drawn
  )
  pictures = [
    charts.line_chart(
      f"signal_{modality}",
      f"What {modality} changes in the text stream",
      _percent(_by_layer(signals, modality)),
      "%",
      mark,
    )
    for modality in modalities
  ]
  if "segments" in signals:
    title = "Difference of the segment rows, of a token embedding"
    points = _percent({"segments": signals["segments"]})
    pictures.append(
      charts.line_chart("signal_segments", title, points, "%", mark)
    )
  for name, title, label in _LAYERS:
    if layers := _by_layer(signals, name):
      slug = f"signal_{name}"
      pictures.append(charts.line_chart(slug, title, layers, label, mark))
  # One scale for each: T5's gradient may be a thousand times the segments'.
  for name, points in curves.items():
    kind, _, group = name.partition("/")
    if kind == "gradient":
      title = f"Gradient norm: {group}"
      slug = f"signal_gradient_{group}"
      pictures.append(
        charts.line_chart(slug, title, {group: points}, "norm", mark)
      )
  parts = [paragraph(_EXPLAINED), Gallery(pictures)]
  return Section("signal", "What reaches the label", parts)


def _curves(lines: Sequence[Mapping]) -> dict[str, list[Point]]:
  """The training metrics by name; steps without a value are left out."""
  curves: dict[str, list[Point]] = {}
  for line in lines:
    if line.get("split") == "train":
      for name, value in line.items():
        if "/" in name and value is not None:
          curves.setdefault(name, []).append((line["step"], value))
  return curves


def _by_layer(
  signals: Mapping[str, list[Point]], wanted: str
) -> dict[str, list[Point]]:
  """The curves of one kind, "layers_11/audio", by their layers."""
  return {
    layer: points
    for layer, kind, points in (
      (*name.partition("/")[::2], points) for name, points in signals.items()
    )
    if kind == wanted
  }


def _percent(curves: Mapping[str, list[Point]]) -> dict[str, list[Point]]:
  return {
    name: [(step, 100 * value) for step, value in points]
    for name, points in curves.items()
  }
