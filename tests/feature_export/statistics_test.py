"""Tests of the counts of exported datasets."""

import json

import pytest

from feature_export import export, published, statistics
from feature_export.corpora.utterance import SPLITS
from feature_export.paper_tables import format_tables


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
  lines = [" ".join(each.split()) for each in printed.splitlines()]
  assert "sadness 683 | 683 = 111 | 112 * 208 | 208 = 1002 | 1003 *" in lines
  assert "neutral 4710 | - 470 | - 1256 | - 6436 | -" in lines
  assert "meld 9989 | 9989 = 1109 | 1108 * 2610 | 2610 = 13708 | 13707 *" in (
    lines
  )
  assert any(each.startswith("* sadness, joy: the paper") for each in lines)
  assert "6 differ (0 unexplained)" in printed
  assert max(map(len, printed.splitlines())) <= 100
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


# As the sources have them; the paper swaps joy and excited in the test column.
_IEMOCAP = {
  "neutral": (1187, 137, 384),
  "frustrated": (1322, 146, 381),
  "anger": (832, 101, 170),
  "sadness": (762, 77, 245),
  "joy": (431, 21, 143),
  "excited": (703, 39, 299),
}


def test_table_6_and_its_swapped_cells(write_manifest, tmp_path, capsys):
  """7,380 records of the true counts: only the swap and Table 1 differ."""
  rows = [
    {"id": f"{split}_{word}_{number}", "split": split, "emotion": word}
    | {"text": f"{word} {number}"}
    for word, counts in _IEMOCAP.items()
    for split, count in zip(SPLITS, counts, strict=True)
    for number in range(count)
  ]
  assert len(rows) == 7380
  raw = write_manifest(tmp_path / "raw", rows)
  data = tmp_path / "data"
  flags = f"--corpus manifest --raw {raw} --out {data} --name iemocap --jobs 1"
  flags += " --scheme iemocap --noaudio --novideo"
  assert export.main(flags.split()) == 0
  capsys.readouterr()
  assert statistics.main(["--data", str(data)]) == 0
  printed = capsys.readouterr().out
  lines = [" ".join(each.split()) for each in printed.splitlines()]
  assert "neutral 1187 | 1187 = 137 | 137 = 384 | 384 = 1708 | 1708 =" in lines
  assert "joy 431 | 431 = 21 | 21 = 143 | 299 * 595 | 751 *" in lines
  assert "excited 703 | 703 = 39 | 39 = 299 | 143 * 1041 | 885 *" in lines
  assert (
    "* joy, excited: the paper swaps joy and excited in the test column"
    in lines
  )
  total = "5237 | 5354 * 521 | 528 * 1622 | 1650 * 7380 | 7532 *"
  assert f"iemocap {total}" in lines
  (why,) = [each for each in lines if each.startswith("* iemocap:")]
  assert "7,532" in why and "7,380" in why
  assert "8 differ (0 unexplained)" in printed


def test_an_unknown_difference_is_marked():
  counts = {"train": 1284, "validation": 229, "test": 685}
  found = {"mosi": statistics.Statistics(counts, {}, 1, 4.2)}
  printed = format_tables(statistics.compare(found))
  lines = [" ".join(each.split()) for each in printed.splitlines()]
  assert "mosi 1284 | 1284 = 229 | 229 = 685 | 686 ! 2198 | 2199 !" in lines
  assert "! mosi: no known error of the paper explains it" in lines
  # Table 4: one length is known, the task's is not without MOSEI.
  assert "mosi 4.2 | 4.2 =" in lines
  assert "MSA - | 7.3" in lines
  assert "Table 6: emotions of iemocap: nothing of it here" in lines


def test_the_file_is_whole_or_not_there(export_raw, tmp_path, capsys):
  assert export_raw() == 0
  folder = tmp_path / "gone"
  command = ["--data", str(tmp_path / "data"), "--json", str(folder / "s.json")]
  assert statistics.main(command) == 2
  assert "Cannot write" in capsys.readouterr().err
  folder.mkdir()
  assert statistics.main(command) == 0
  assert [each.name for each in folder.iterdir()] == ["s.json"]
