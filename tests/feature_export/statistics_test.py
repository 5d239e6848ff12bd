"""Tests of the statistics command."""

import json

from feature_export import export, statistics
from feature_export.corpora.utterance import SPLITS


def test_counts_are_printed(export_raw, tmp_path, capsys):
  assert export_raw() == 0
  capsys.readouterr()
  assert statistics.main(["--data", str(tmp_path / "data")]) == 0
  lines = [each.split() for each in capsys.readouterr().out.splitlines()]
  assert ["mine", "2", "1", "1", "4", "0.51", "2", "0"] in lines
  assert ["fear", "1", "0", "0", "1"] in lines


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


def test_the_file_is_whole_or_not_there(export_raw, tmp_path, capsys):
  assert export_raw() == 0
  folder = tmp_path / "gone"
  command = ["--data", str(tmp_path / "data"), "--json", str(folder / "s.json")]
  assert statistics.main(command) == 2
  assert "Cannot write" in capsys.readouterr().err
  folder.mkdir()
  assert statistics.main(command) == 0
  assert [each.name for each in folder.iterdir()] == ["s.json"]


def test_voices_that_were_cut_are_counted(
  export_raw, raw_corpus, write_tone, tmp_path, capsys
):
  for name in ("a.wav", "b.wav"):
    write_tone(raw_corpus / name, seconds=1.5)
  assert export_raw("--max_seconds", "1") == 0
  capsys.readouterr()
  assert statistics.main(["--data", str(tmp_path / "data")]) == 0
  lines = [each.split() for each in capsys.readouterr().out.splitlines()]
  # Both clips that are heard; the mean length is that of what was read.
  line = next(each for each in lines if each[:1] == ["mine"])
  assert (line[4], line[6:]) == ("4", ["2", "2"])
