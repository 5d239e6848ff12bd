"""The file that `statistics --json` writes.

{"corpora": {name: {"clips": {split: n}, "emotions": {class: {split:
n}}, "audio_clips": n, "mean_seconds": s | null, "absent_audio": n, "cut": n}},
"tasks": {"MSA" | "ERC": s | null}, "comparison": [{"table", "corpus", "row",
"column", "found" | null, "published", "reason"}]}; a comparison is a cell that
the paper prints; found is null where the corpus or its audio is not there,
the reason "" where both are equal or nothing known explains the difference.
"""

from dataclasses import asdict

from feature_export.tables import published
from feature_export.tables.paper_comparison import compare, task_seconds
from feature_export.tables.statistics import Statistics


def to_json(statistics: dict[str, Statistics]) -> dict:
  """The content of --json, as described at the top of this module."""
  corpora = {}
  for name, each in statistics.items():
    content = asdict(each)
    del content["audio_seconds"]
    corpora[name] = content | {
      "mean_seconds": each.mean_seconds,
      "absent_audio": sum(each.clips.values()) - each.audio_clips,
    }
  return {
    "corpora": corpora,
    "tasks": {task: task_seconds(statistics, task) for task in published.TASKS},
    "comparison": [
      asdict(cell) for cell in compare(statistics) if cell.published is not None
    ],
  }
