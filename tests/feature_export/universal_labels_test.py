import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from feature_export import export, universal_labels
from feature_export.labels import labelling
from feature_export.labels.label_file import meta_file
from feature_export.labels.sentences import SentenceEncoder

_MSA = [
  ("v1_0", "train", "i loved the ending", 1.6),
  ("v1_1", "train", "the plot is a mess", -1.2),
  ("v1_2", "train", "it lasts two hours", 0.0),
  ("v2_0", "validation", "great fun", 2.0),
  ("v3_0", "test", "not my film", -0.4),
]
_ERC = [
  ("dia0_utt0", "train", "that is wonderful", "joy", "positive"),
  ("dia0_utt1", "train", "go away", "anger", "negative"),
  ("dia0_utt2", "train", "he lives here", "neutral", "neutral"),
  ("dia1_utt0", "validation", "wow what a mess", "surprise", "negative"),
  ("dia2_utt0", "test", "i loved the ending", "joy", "positive"),
]


def _export(folder: Path, name: str, rows: list[dict], scheme: str | None):
  raw = folder / f"raw_{name}"
  raw.mkdir()
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (raw / "manifest.jsonl").write_text(lines, "utf-8")
  flags = f"--corpus manifest --raw {raw} --out {folder / 'data'} --jobs 1"
  flags += f" --name {name} --noaudio --novideo"
  flags += f" --scheme {scheme}" if scheme else ""
  assert export.main(flags.split()) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
  """Three text-only corpora, exported as real ones are."""
  folder = tmp_path_factory.mktemp("labels")
  keys = ("id", "split", "text", "intensity")
  msa = [dict(zip(keys, row, strict=True)) for row in _MSA]
  keys = ("id", "split", "text", "emotion", "polarity")
  erc = [dict(zip(keys, row, strict=True)) for row in _ERC]
  _export(folder, "films", msa, None)
  _export(folder, "friends", erc, "meld")
  upset = {"id": "u", "text": "nobody helps me"}
  iemocap = [
    {**upset, "id": split, "split": split, "emotion": "frustrated"}
    for split in ("train", "validation")
  ]
  _export(folder, "scenes", iemocap, "iemocap")
  return folder / "data"


@pytest.fixture(autouse=True)
def toy_encoder(monkeypatch):
  """Texts are similar as they share letters; needs no weights."""

  def encode(texts):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return np.array([[1 + t.count(each) for each in letters] for t in texts])

  encoder = SentenceEncoder("toy", "0" * 64, encode, weights_sha256="1" * 64)
  monkeypatch.setattr(labelling, "load_encoder", lambda *_: encoder)


def _run(data: Path, out: Path, corpora: str, *flags: str) -> int:
  arguments = ["--data", str(data), "--corpora", corpora, "--out", str(out)]
  return universal_labels.main([*arguments, *flags])


def _read(out: Path) -> dict[tuple[str, str], dict]:
  rows = [json.loads(line) for line in out.read_text().splitlines()]
  return {(row["corpus"], row["id"]): row for row in rows}


def test_every_record_gets_every_slot(data, tmp_path, capsys):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends") == 0
  rows = _read(out)
  assert len(rows) == len(_MSA) + len(_ERC)
  for row in rows.values():
    assert set(row["emotions"]) == {"meld"}
    assert (
      np.sign(row["intensity"])
      == {
        "negative": -1,
        "neutral": 0,
        "positive": 1,
      }[row["polarity"]]
    )
    for source in row["completed"].values():
      assert source["donor"].split("/")[1] == "train"
  assert rows["films", "v2_0"]["emotions"] == {"meld": "joy"}
  assert rows["films", "v3_0"]["polarity"] == "negative"
  # float32 in the records, a short decimal here.
  assert rows["films", "v3_0"]["intensity"] == -0.4
  assert rows["friends", "dia2_utt0"] == {
    "id": "dia2_utt0",
    "corpus": "friends",
    "split": "test",
    "polarity": "positive",
    "intensity": 1.6,
    "emotions": {"meld": "joy"},
    "completed": {
      "intensity": {"donor": "films/train/v1_0", "similarity": 1.0}
    },
  }
  printed = capsys.readouterr().out
  assert "Sentence encoder: toy" in printed
  # Receiver, its polarity, donor, what it gave, and where it is.
  example = r'meld: ".+" \(\w+\) <- ".+" \w+, similarity \d\.\d\d, friends/'
  assert re.search(example, printed)


def test_meta_describes_the_labels(data, tmp_path):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends") == 0
  meta = json.loads((tmp_path / "labels.meta.json").read_text())
  assert meta["corpora"] == ["films", "friends"]
  assert meta["slots"]["polarity"] == ["negative", "neutral", "positive"]
  assert meta["slots"]["intensity"] is True
  assert meta["slots"]["emotions"]["meld"]["surprise"] == ""
  assert meta["annotated"] == {"films": ["intensity"], "friends": ["meld"]}
  assert meta["donors"] == "train"
  assert meta["encoder"] == {
    "name": "toy",
    "sha256": "0" * 64,
    "weights_sha256": "1" * 64,
    "dimension": 26,
  }
  counts = {"train": 3, "validation": 1, "test": 1}
  assert meta["counts"] == {"films": counts, "friends": counts}
  assert meta["empty"] == {"intensity": 0, "meld": 0}
  digest = hashlib.sha256(out.read_bytes()).hexdigest()
  assert meta["labels_sha256"] == digest
  found = (data / "films").glob("*/metadata.json")
  digest = hashlib.sha256(next(found).read_bytes()).hexdigest()
  assert meta["datasets"]["films"]["metadata_sha256"] == digest
  assert len(meta["datasets"]["films"]["settings_sha256"]) == 64


def test_two_runs_write_the_same_bytes(data, tmp_path):
  for name in ("a.jsonl", "b.jsonl"):
    assert _run(data, tmp_path / name, "films,friends,scenes") == 0
  first, second = ((tmp_path / n).read_bytes() for n in ("a.jsonl", "b.jsonl"))
  assert first == second
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    "a.jsonl",
    "a.meta.json",
    "b.jsonl",
    "b.meta.json",
  ]


def test_all_splits_take_labels_from_the_test_split(data, tmp_path):
  fair, leaky = tmp_path / "fair.jsonl", tmp_path / "leaky.jsonl"
  assert _run(data, fair, "films,friends") == 0
  assert _run(data, leaky, "films,friends", "--donors", "all_splits") == 0

  def donor(out):
    return _read(out)["films", "v1_0"]["completed"]["meld"]["donor"]

  assert donor(fair) == "friends/train/dia0_utt0"
  assert donor(leaky) == "friends/test/dia2_utt0"


def test_a_slot_that_no_corpus_annotates_is_left_out(data, tmp_path):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "friends") == 0
  row = _read(out)["friends", "dia0_utt0"]
  assert "intensity" not in row
  assert row["completed"] == {}
  meta = json.loads((tmp_path / "labels.meta.json").read_text())
  assert meta["slots"]["intensity"] is False


def test_polarities_without_a_donor_are_counted(data, tmp_path, capsys):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,scenes") == 0
  rows = _read(out)
  assert rows["films", "v1_1"]["emotions"] == {"iemocap": "frustrated"}
  assert rows["films", "v1_0"]["emotions"] == {"iemocap": None}
  meta = json.loads((tmp_path / "labels.meta.json").read_text())
  # v1_0, v1_2 and v2_0 are positive or neutral; scenes is all negative.
  assert meta["empty"] == {"intensity": 0, "iemocap": 3}
  assert "iemocap: 3 labels left empty" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("corpora", "out", "message"),
  [
    ("films,nope,nada", "x.jsonl", "No dataset 'nope'"),
    ("films,nope,nada", "x.jsonl", "No dataset 'nada'"),
    ("films,films", "x.jsonl", "expected different names"),
    (",", "x.jsonl", "expected different names"),
    ("films", "x.json", "expected FILE.jsonl"),
  ],
)
def test_mistakes_end_in_one_message(
  data, tmp_path, capsys, corpora, out, message
):
  assert _run(data, tmp_path / out, corpora) == 2
  assert message in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


def test_missing_data_folder(tmp_path, capsys):
  assert _run(tmp_path / "none", tmp_path / "x.jsonl", "films") == 2
  assert "No data folder" in capsys.readouterr().err


def test_a_corpus_alone_needs_no_encoder(data, tmp_path, monkeypatch):
  def refuse(name):
    raise AssertionError(f"encoder {name} was asked for")

  monkeypatch.setattr(labelling, "load_encoder", refuse)
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "friends") == 0
  assert len(_read(out)) == len(_ERC)
  meta = json.loads(meta_file(out).read_text())
  assert meta["encoder"] is None


def test_constants_complete_neutral_samples_as_the_authors_did(data, tmp_path):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends", "--neutral", "constants") == 0
  rows = _read(out)
  hours = rows["films", "v1_2"]
  assert hours["emotions"] == {"meld": "neutral"}
  assert hours["completed"]["meld"]["donor"] == "constant/train/neutral"
  assert rows["friends", "dia0_utt2"]["intensity"] == 0.0
  # Others still have donors.
  assert rows["films", "v1_0"]["completed"]["meld"]["donor"].startswith(
    "friends/train/"
  )
  meta = json.loads(meta_file(out).read_text())
  assert meta["neutral"] == "constants"


def test_leaking_donors_are_counted_by_split(data, tmp_path, capsys):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends", "--donors", "all_splits") == 0
  meta = json.loads(meta_file(out).read_text())
  # The same words as v1_0 stand in the test split of friends.
  assert meta["donor_splits"]["meld"]["test"] > 0
  assert "those outside train leak" in capsys.readouterr().out
  assert _run(data, out, "films,friends") == 0
  meta = json.loads(meta_file(out).read_text())
  for counts in meta["donor_splits"].values():
    assert (counts["validation"], counts["test"]) == (0, 0)


def test_a_sheet_is_drawn_and_scored_from_the_command_line(
  data, tmp_path, capsys
):
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends", "--audit", "3") == 0
  sheet = tmp_path / "labels.audit.csv"
  marked = re.sub(r",$", ",yes", sheet.read_text("utf-8-sig"), flags=re.M)
  sheet.write_text(marked, "utf-8-sig")
  arguments = ["--out", str(out), "--score", str(sheet)]
  assert universal_labels.main(arguments) == 0
  printed = capsys.readouterr().out
  assert "every label right: 3 of 3, 1.000 (95 % interval 0.4" in printed
  assert "labels of all slots right: 3 of 3, 1.000 (no interval" in printed
  assert out.with_suffix(".audit.json").is_file()


@pytest.mark.parametrize(
  ("flags", "fault"),
  [
    ((), "is there already and may hold somebody's marks"),
    (
      ("--audit_corpus", "flims", "--audit_sheet", "other.csv"),
      "--audit_corpus: expected one of",
    ),
  ],
  ids=["sheet", "corpus"],
)
def test_a_refused_audit_leaves_the_labels(
  data, tmp_path, capsys, flags, fault
):
  """The marks of a sheet belong to the labels that it was drawn from."""
  out = tmp_path / "labels.jsonl"
  assert _run(data, out, "films,friends", "--audit", "3") == 0
  before = {path: path.read_bytes() for path in tmp_path.glob("labels.*")}
  flags = ("--audit", "3", "--donors", "all_splits", *flags)
  assert _run(data, out, "films,friends", *flags) == 2
  assert fault in capsys.readouterr().err
  assert before == {path: path.read_bytes() for path in before}


def test_missing_flags_are_all_named(tmp_path, capsys):
  assert universal_labels.main(["--out", "labels.txt", "--k", "0"]) == 2
  error = capsys.readouterr().err
  for part in (
    "FILE.jsonl",
    "--k",
    "--data is missing",
    "--corpora is missing",
  ):
    assert part in error


def test_nothing_outside_the_task_is_said_and_drops_nobody(
  data, tmp_path, capsys
):
  """The scenes are exported in six classes: D37's variant has no effect."""
  plain, authors = tmp_path / "plain.jsonl", tmp_path / "authors.jsonl"
  assert _run(data, plain, "films,scenes") == 0
  assert "--classes agreed" not in capsys.readouterr().out
  flags = ("--donor_classes", "authors_drop")
  assert _run(data, authors, "films,scenes", *flags) == 0
  assert "export IEMOCAP with --classes agreed" in capsys.readouterr().out
  assert authors.read_bytes() == plain.read_bytes()
  meta = json.loads(meta_file(authors).read_text())
  assert (meta["donor_classes"], meta["dropped"]) == ("authors_drop", {})


def test_another_run_embeds_nothing_new(data, tmp_path, capsys):
  first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
  assert _run(data, first, "films,friends,scenes") == 0
  capsys.readouterr()
  assert _run(data, second, "films,scenes") == 0
  assert ", 0 new to it" in capsys.readouterr().out
