"""Tests of the counts of exported datasets."""

import json

import pytest

from feature_export import export, published, statistics


def test_counts_and_lengths(export_raw, tmp_path, capsys):
  assert export_raw() == 0
  found = statistics.compute_statistics(tmp_path / "data" / "mine" / "1.0.0")
  assert found.clips == {"train": 2, "validation": 1, "test": 1}
  assert found.emotions["joy"] == {"train": 1, "validation": 0, "test": 0}
  assert found.emotions["surprise"]["test"] == 1
  # Two clips of 0.5 s are heard; the broken one does not count as 0 s.
  assert found.audio_clips == 2
  assert found.mean_seconds == pytest.approx(0.5, abs=0.032)
  capsys.readouterr()
  assert statistics.main(["--data", str(tmp_path / "data")]) == 0
  lines = [each.split() for each in capsys.readouterr().out.splitlines()]
  assert ["mine", "2", "1", "1", "4", "0.51", "2", "0"] in lines
  assert ["fear", "1", "0", "0", "1"] in lines


def test_corpus_without_audio_has_no_length():
  none = statistics.Statistics({"train": 1}, {}, 0, 0.0)
  assert none.mean_seconds is None
  assert "-" in statistics.format_statistics({"text": none}).splitlines()[1]


def test_nothing_to_count(tmp_path, capsys):
  assert statistics.main(["--data", str(tmp_path / "gone")]) == 2
  assert "No data folder" in capsys.readouterr().err


def test_meld_s_real_labels_beside_the_paper(real_data, tmp_path, capsys):
  """Counts of the official label files; the paper's errors, each named."""
  data, file = tmp_path / "data", tmp_path / "statistics.json"
  raw = ["--raw", str(real_data("meld")), "--out", str(data), "--jobs", "1"]
  assert export.main(["--corpus", "meld", *raw]) == 0
  capsys.readouterr()
  command = ["--data", str(data), "--json", str(file)]
  assert statistics.main(command) == 0
  printed = capsys.readouterr().out
  assert "UNEXPLAINED" not in printed
  content = json.loads(file.read_text())
  meld = content["corpora"]["meld"]
  assert meld["clips"] == {"train": 9989, "validation": 1109, "test": 2610}
  assert meld["emotions"] == {
    word: dict(zip(("train", "validation", "test"), row, strict=True))
    for word, row in {
      "neutral": (4710, 470, 1256),
      "surprise": (1205, 150, 281),
      "fear": (268, 40, 50),
      "sadness": (683, 111, 208),
      "joy": (1743, 163, 402),
      "disgust": (271, 22, 68),
      "anger": (1109, 153, 345),
    }.items()
  }
  different = {
    (each["table"], each["row"], each["column"])
    for each in content["comparison"]
    if each["found"] not in (None, each["published"])
  }
  assert different == {
    *((1, "clips", column) for column in ("validation", "all")),
    *((5, "joy", column) for column in ("train", "all")),
    *((5, "sadness", column) for column in ("validation", "all")),
  }


def test_reasons_only_where_they_apply():
  counts = {"train": 5237, "validation": 521, "test": 1600}
  (train, validation, test, total) = statistics._compare_counts(
    1, "iemocap", "clips", counts, published.CLIPS["iemocap"]
  )
  assert train.reason and validation.reason
  # Neither the paper's number nor the one that its error explains.
  assert test.differs and not test.reason
  assert total.differs and not total.reason


def test_tasks_weigh_by_samples():
  found = {
    "mosi": statistics.Statistics({"train": 1}, {}, 1, 4.0),
    "mosei": statistics.Statistics({"train": 3}, {}, 3, 24.0),
  }
  assert statistics.task_seconds(found, "MSA") == 7.0
  assert statistics.task_seconds(found, "ERC") is None
