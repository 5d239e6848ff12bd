"""Tests of the UniMSE authors' feature files and sample files."""

import json
import pickle

import numpy as np
import pytest

from feature_export import export, universal_labels, verify
from feature_export.corpora import unimse_pickles
from feature_export.errors import InputError
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import CorpusRecords
from unimse_jax.evaluation.confidence import Groups


def _dump(path, content, protocol: int = 4):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(pickle.dumps(content, protocol))
  return path


def _front(rows: int, length: int, width: int = 64) -> np.ndarray:
  """Random frames, padded in front with zero rows."""
  values = np.zeros((length, width))
  values[length - rows :] = np.random.default_rng(rows).normal(
    size=(rows, width)
  )
  return values


def _sample(label, third, text, words=None, audio=None, video=None):
  visual = _front(20, 32) if video is None else video
  acoustic = _front(90, 157) if audio is None else audio
  return ((words, visual, acoustic, text, 20, 90), label, third)


# One of MOSI's videos, and one that is none.
_MOSI, _MOSEI = "03bSnISJMiM", "-3g5yACwYnA"


@pytest.fixture
def samples(tmp_path):
  """The merged train and dev files and the test files, in miniature."""
  raw = tmp_path / "raw"
  train = [
    _sample("positive,1.6,joy,excited", f"{_MOSI}_1", "so good"),
    _sample("neutral,0.0,neutral,neutral", f"{_MOSEI}_0", "well it is"),
    _sample(
      "negative,-1.2,surprise,anger",
      "Ross",
      "Joey Hi! </s> Ross oh no </s> Joey what",
    ),
    _sample("positive,2.4,joy,joy", "Joey", "Joey one </s> mark only"),
    _sample(
      "negative,0.8,joy,ang",
      "Ses01F_impro01_F000",
      "",
      words=["get", "out"],
      video=np.zeros((2, 35)),
    ),
    _sample("neutral,0.1,joy,neu", "Ses01F_impro01_F001", None, words="so"),
    _sample("negative,0.8,joy,sur", "Ses01F_impro01_M000", "oh"),
  ]
  dev = [
    _sample("-2.0", f"{_MOSI}_7", "bad"),
    _sample(1.0, f"{_MOSEI}_3", "fine"),
    _sample("surprise", "Ross", "what"),
    _sample("joy", "Joey", "Joey yes, Joey"),
    _sample("exc", "Ses02F_impro02_F000", "wow"),
  ]
  suffix = "align_v4_0610_a_6c_sep_contexts_speaker_v.pkl"
  _dump(raw / f"new_moseldmp_train_{suffix}", train)
  _dump(raw / f"new_moseldmp_dev_{suffix}", dev)
  _dump(raw / f"new_mosi_test_{suffix}", [_sample("3.0", f"{_MOSI}_9", "x")])
  silent = _sample("joy", "Ross", "y", audio=np.zeros((157, 64)))
  _dump(raw / f"new_meld_test_{suffix}", [silent])
  return raw


def test_sample_files(samples):
  corpora = {
    each.name: each for each in unimse_pickles.load(samples, None, "zero")
  }
  assert list(corpora) == ["iemocap", "meld", "mosei", "mosi"]
  mosi = corpora["mosi"].utterances
  assert [(each.id, each.split, each.intensity) for each in mosi] == [
    (f"{_MOSI}_7", "validation", -2.0),
    (f"{_MOSI}_1", "train", 1.6),
    (f"{_MOSI}_9", "test", 3.0),
  ]
  # Only what MOSI annotates: the emotions were completed.
  assert {each.emotion for each in mosi} == {""}
  assert mosi[0].audio.values.shape == (90, 64)
  assert mosi[0].video.values.shape == (20, 64)
  assert corpora["mosi"].scheme is None
  by_id = {each.id: each for each in corpora["iemocap"].utterances}
  angry = by_id["Ses01F_impro01_F000"]
  assert (angry.emotion, angry.polarity, angry.text) == ("anger", "", "get out")
  assert angry.video.values.shape == (0, 64)
  assert by_id["Ses01F_impro01_F001"].text == "so"
  assert by_id["Ses02F_impro02_F000"].emotion == "excited"
  remarks = {each.id: each.kind for each in corpora["iemocap"].remarks}
  assert remarks["Ses01F_impro01_M000"] == "left out: not one of six classes"


def test_meld_samples_keep_their_context(samples):
  (meld,) = [
    each
    for each in unimse_pickles.load(samples, None, "zero")
    if each.name == "meld"
  ]
  by_id = {each.id: each for each in meld.utterances}
  first = by_id["train/0"]
  assert (first.text, first.speaker) == ("oh no", "Ross")
  assert (first.emotion, first.polarity) == ("surprise", "negative")
  assert first.intensity is None
  assert (first.before, first.after) == (("Joey Hi!",), ("Joey what",))
  assert by_id["train/1"].text == "Joey one mark only"
  # A dialogue of one turn has no marks; its speaker stands before it, too.
  assert by_id["validation/1"].text == "yes, Joey"
  kinds = [(each.id, each.kind) for each in meld.remarks]
  assert ("train/1", "context not split from the text") in kinds
  assert ("validation/0", "left out: polarity unknown") in kinds
  # A surprise of unknown kind has no universal label.
  assert not by_id["validation/0"].labelled
  assert ("test/0", "audio all zero: absent") in kinds


@pytest.fixture
def dialogues(tmp_path):
  """IEMOCAP and MELD samples, each with a context or a part of one."""
  raw = tmp_path / "raw"
  texts = ("a </s> b </s> c", " </s> d </s> e f", "g </s> h </s> ", "i")
  turns = ("F000", "M000", "F001", "M004")
  for corpus, label in (("iemocap", "sad"), ("meld", "joy")):
    for split, session in (("train", 1), ("valid", 2), ("test", 5)):
      thirds = [
        f"Ses0{session}F_impro0{number}_{turn}" if corpus == "iemocap" else "Al"
        for number in range(2)
        for turn in turns
      ]
      rows = [
        _sample(label, third, text)
        for third, text in zip(thirds, texts * 2, strict=True)
      ]
      _dump(raw / f"new_{corpus}_{split}_align_v4.pkl", rows)
  return raw


def test_samples_name_true_dialogues_or_none(dialogues):
  iemocap, meld = unimse_pickles.load(dialogues, None, "zero")
  found = [(each.dialogue, each.turn) for each in iemocap.utterances]
  assert ("Ses01F_impro00", 0) in found
  assert ("Ses01F_impro00", 1) in found
  assert ("Ses05F_impro01", 9) in found  # M004
  assert len(set(found)) == len(found) == 24
  assert "in about their order" in iemocap.notes[-1]
  # A speaker's name and a place in the file tell no dialogue.
  assert {each.dialogue for each in meld.utterances} == {""}
  assert {each.speaker for each in meld.utterances} == {"Al"}
  names = [each.dialogue for each in iemocap.utterances]
  groups = Groups.of(names, [""] * len(names))
  assert groups.describe() == {"unit": "dialogue", "groups": 6}


def test_samples_keep_their_own_contexts_in_records(dialogues, tmp_path):
  """Whatever their dialogue says."""
  data = tmp_path / "data"
  command = ["--corpus", "unimse_pickles", "--raw", str(dialogues)]
  assert export.main([*command, "--out", str(data)]) == 0
  assert verify.main(["--data", str(data)]) == 0
  for name in ("iemocap", "meld"):
    texts = CorpusRecords(str(data), name).texts
    contexts = {
      (each.text, each.before, each.after)
      for split in texts.values()
      for each in split
    }
    assert contexts == {
      ("b", ("a",), ("c",)),
      ("d", (), ("e f",)),
      ("h", ("g",), ()),
      ("i", (), ()),
    }
    speakers = {
      (each.text, each.before_speakers, each.after_speakers)
      for each in texts["train"]
    }
    assert speakers == {
      ("b", ("",), ("",)),
      ("d", (), ("",)),
      ("h", ("",), ()),
      ("i", (), ()),
    }


def test_sample_files_with_faults(tmp_path):
  path = _dump(
    tmp_path / "new_mosi_train_align_v4.pkl",
    [_sample("good", "a_1", "x"), (1, 2), _sample("1,2", "a_2", "x")],
  )
  with pytest.raises(InputError) as caught:
    unimse_pickles.load(path, None, "zero")
  for part in ("sample 0: could not convert", "sample 1: not", "one or four"):
    assert part in str(caught.value)


def _array_part(ids, labels=None, rows: int = 3) -> dict:
  count = len(ids)
  if labels is None:
    labels = np.zeros(count)
  return {
    "vision": np.stack([_front(20, 32)] * count),
    "audio": np.stack([_front(rows, 50, 64)] * count),
    "labels": np.reshape(labels, (count, 1, 1)).astype(np.float32),
    "id": np.array([[each.encode()] for each in ids]),
  }


def test_array_feature_file_is_joined_by_id(tmp_path):
  raw = tmp_path / "raw"
  content = {
    "train": _array_part(["b_2", "b_1", "extra_4"], [2, -1.5, 3]),
    "valid": _array_part(["c_1"], [0]),
    "test": _array_part(["d_1"], [1]),
  }
  _dump(raw / "mosi_data_0610.pkl", content, protocol=2)
  (raw / "label.csv").write_text(
    "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
    "b,1,FIRST,-1.5,,,,Negative,train\nb,2,SECOND,2,,,,Positive,train\n"
    "c,1,THIRD,0,,,,Neutral,valid\nd,1,LAST,1,,,,Positive,test\n"
    "d,2,GONE,1,,,,Positive,test\n"
  )
  (corpus,) = unimse_pickles.load(raw, None, "zero")
  first, second, *_ = corpus.utterances
  assert (first.text, first.intensity) == ("FIRST", -1.5)
  assert (second.text, second.intensity) == ("SECOND", 2.0)
  # Sentences of a monologue are no context of each other.
  assert {each.dialogue for each in corpus.utterances} == {""}
  assert first.audio.values.shape == (3, 64)
  assert {(each.id, each.kind) for each in corpus.remarks} == {
    ("train/extra_4", "features without text: left out"),
    ("d_2", "without features"),
  }


def test_the_words_may_come_from_a_manifest_that_names_media(tmp_path):
  raw = tmp_path / "raw"
  content = {
    split: _array_part([f"{split}_1"], [1]) for split in ("train", "valid")
  } | {"test": _array_part(["test_1"], [1])}
  file = _dump(raw / "mosi_data_0610.pkl", content)
  (raw / "a.wav").write_bytes(b"never read")
  rows = [
    {"id": f"{split}_{number}", "split": split.replace("valid", "validation")}
    | {"text": "hi", "intensity": 1.0, "audio": "a.wav"}
    for split, number in (
      *(("train", 1), ("train", 2), ("valid", 1), ("test", 1)),
    )
  ]
  (raw / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
  (corpus,) = unimse_pickles.load(file, raw, "zero")
  remarks = [(each.id, each.kind) for each in corpus.remarks]
  assert ("train_2", "without features") in remarks
  assert corpus.utterances[1].id == "train_2"
  assert not len(corpus.utterances[1].audio.values)


@pytest.fixture
def numbered(tmp_path):
  """MOSI with 200 scored sentences in each split, numbered from 1."""
  raw = tmp_path / "raw"
  raw.mkdir()
  lines = ["video_id,clip_id,text,label,annotation,mode"]
  content = {}
  scores = np.linspace(-3, 3, 200)
  for key in ("train", "valid", "test"):
    lines += [
      f"{key},{number},words {number},{score:.6f},,{key}"
      for number, score in enumerate(scores, start=1)
    ]
    ids = [f"{key}_{number}" for number in range(1, len(scores) + 1)]
    content[key] = _array_part(ids, scores)
  (raw / "label.csv").write_text("\n".join(lines))
  return raw / "mosi_data_0610.pkl", content


def test_ids_that_count_otherwise_are_refused(numbered):
  """From 0, as the SDK: each text met the features of the next one's."""
  path, content = numbered
  for part in content.values():
    part["id"] = np.roll(part["id"], 1)
  _dump(path, content)
  with pytest.raises(InputError) as caught:
    unimse_pickles.load(path, None, "zero")
  for expected in (
    "expected the scores of the texts to be those that the features have",
    "found others among 600 compared (600):",
    "train_1: -3, not -2.96985",
    "... and 590 more",
    "Give --texts",
  ):
    assert expected in str(caught.value)


@pytest.mark.parametrize("wrong", [6, 7])
def test_one_in_a_hundred_scores_may_differ(numbered, wrong):
  path, content = numbered
  content["valid"]["labels"][:wrong] += 0.1
  # Rounded ones agree.
  content["train"]["labels"] += 4e-4
  _dump(path, content)
  if wrong == 7:
    with pytest.raises(InputError, match=r"among 600 compared \(7\)"):
      unimse_pickles.load(path, None, "zero")
    return
  (corpus,) = unimse_pickles.load(path, None, "zero")
  kind = "score is not the feature file's: kept"
  found = [each for each in corpus.remarks if each.kind == kind]
  assert [each.id for each in found] == [f"valid_{n}" for n in range(1, 7)]
  assert found[0].detail == "-3, not -2.9"
  assert not any("not compared" in each for each in corpus.notes)


@pytest.mark.parametrize(
  "labels",
  [np.ones((200, 1), np.int64), np.ones((200, 7)), [[1.0], [1.0, 2.0]] * 100],
  ids=["classes", "several", "ragged"],
)
def test_labels_of_another_kind_are_not_compared(numbered, labels):
  path, content = numbered
  content["valid"]["labels"] = labels
  content["test"]["labels"][:] = np.nan
  _dump(path, content)
  (corpus,) = unimse_pickles.load(path, None, "zero")
  assert (
    "scores not compared, labels of another kind: ['validation']"
  ) in corpus.notes
  assert not corpus.remarks


def test_intervals_for_ids_cannot_be_joined(tmp_path):
  """MulT's mosei_senti_data_noalign.pkl."""
  part = _array_part(["a"]) | {"id": np.array([["a", "0.0", "4.2"]])}
  content = {"train": part, "valid": part, "test": part}
  path = _dump(tmp_path / "mosei_senti_data_noalign.pkl", content)
  with pytest.raises(InputError, match="a video and an interval"):
    unimse_pickles.load(path, None, "zero")


@pytest.fixture
def meld_features(tmp_path):
  """MELD's feature file in miniature, beside official label files."""
  raw = tmp_path / "meld_raw"
  columns = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,"
    "Utterance_ID,Season,Episode,StartTime,EndTime\n"
  )
  raw.mkdir()
  for split in ("train", "dev", "test"):
    (raw / f"{split}_sent_emo.csv").write_text(
      columns
      + "1,Hi,Ross,joy,positive,0,0,1,1,,\n"
      + "2,No,Joey,anger,negative,0,1,1,1,,\n"
    )
  there = {"0_0": _front(80, 157), "0_1": np.zeros((157, 64))}
  frames = {"0_0": _front(32, 32), "0_1": np.zeros((32, 64))}
  content = {"audio": [there] * 3, "video": [frames] * 3}
  _dump(raw / "meld_data_0610.pkl", content)
  return raw


def test_dict_feature_file(meld_features):
  (corpus,) = unimse_pickles.load(meld_features, None, "zero")
  first, second, *_ = corpus.utterances
  assert (first.id, first.speaker, first.emotion) == (
    *("train/dia0_utt0", "Ross", "joy"),
  )
  assert first.audio.values.shape == (80, 64)
  assert first.video.values.shape == (32, 64)
  assert second.audio.values.shape == second.video.values.shape == (0, 64)
  assert "audio all zero: absent: 3" in corpus.notes


def _write_dialogue(release, dialogue: str, turns: list[tuple]) -> None:
  """A dialogue of (turn, code, text), as IEMOCAP_full_release has it."""
  dialog = release / f"Session{dialogue[4]}" / "dialog"
  words, labels = "", "% [START_TIME - END_TIME] TURN_NAME EMOTION\n\n"
  for place, (turn, code, text) in enumerate(turns):
    name, start = f"{dialogue}_{turn}", f"{place:08.4f}"
    words += f"{name} [{start}-{place + 0.9:08.4f}]: {text}\n"
    labels += (
      f"[{place:.4f} - {place + 0.9:.4f}]\t{name}\t{code}\t"
      "[2.5000, 2.5000, 2.5000]\n\n"
    )
  for folder, content in (("transcriptions", words), ("EmoEvaluation", labels)):
    (dialog / folder).mkdir(parents=True, exist_ok=True)
    (dialog / folder / f"{dialogue}.txt").write_text(content)


@pytest.fixture
def iemocap_features(tmp_path):
  """IEMOCAP's feature file in miniature; the release lies elsewhere."""
  train, held_out, test = (
    "Ses01F_impro01",
    "Ses01F_script01_1",
    "Ses05M_impro01",
  )
  release = tmp_path / "IEMOCAP_full_release"
  _write_dialogue(
    release,
    train,
    [("F000", "neu", "Hi."), ("M000", "sur", "What?"), ("F001", "hap", "Yes!")],
  )
  _write_dialogue(release, held_out, [("M000", "exc", "Wow.")])
  _write_dialogue(release, test, [("M000", "ang", "No.")])
  ids = [
    [f"{train}_F000", f"{train}_M000", f"{train}_F009"],
    [f"{held_out}_M000"],
    [f"{test}_M000"],
  ]
  content = {
    modality: [{name: _front(20, length) for name in part} for part in ids]
    for modality, length in (("audio", 157), ("video", 32))
  }
  return _dump(tmp_path / "raw" / "iemocap_data_0610.pkl", content), release


def test_iemocap_s_words_come_from_the_release(iemocap_features):
  path, release = iemocap_features
  (corpus,) = unimse_pickles.load(path, release, "zero")
  found = {each.id: each for each in corpus.utterances}
  first = found["Ses01F_impro01_F000"]
  assert (first.split, first.text, first.emotion) == ("train", "Hi.", "neutral")
  assert first.audio.values.shape == (20, 64)
  # Surprise is none of the six classes: context, features or not.
  assert not found["Ses01F_impro01_M000"].labelled
  assert found["Ses01F_script01_1_M000"].split == "validation"
  assert found["Ses05M_impro01_M000"].emotion == "anger"
  kinds = [(each.id, each.kind) for each in corpus.remarks]
  assert ("Ses01F_impro01_F001", "without features") in kinds
  assert (
    "train/Ses01F_impro01_F009",
    "features without text: left out",
  ) in kinds
  assert corpus.notes[1] == "turns kept as context, by code: {'sur': 1}"
  # The split names dialogues that this miniature does not have.
  assert {kind for _, kind in kinds if kind.startswith("missing")}


def test_iemocap_without_its_words_says_what_to_give(iemocap_features, capsys):
  path, _ = iemocap_features
  command = ["--corpus", "unimse_pickles", "--raw", str(path.parent)]
  assert export.main([*command, "--out", str(path.parent / "data")]) == 2
  error = capsys.readouterr().err
  for part in ("IEMOCAP_full_release", "EmoEvaluation", "--texts"):
    assert part in error


def test_iemocap_s_features_become_records(iemocap_features, tmp_path):
  path, release = iemocap_features
  data = tmp_path / "data"
  command = ["--corpus", "unimse_pickles", "--raw", str(path)]
  command += ["--texts", str(release), "--out", str(data)]
  assert export.main(command) == 0
  assert verify.main(["--data", str(data)]) == 0
  records = CorpusRecords(str(data), "iemocap")
  assert [each.text for each in records.texts["test"]] == ["No."]
  train = {each.id: each for each in records.texts["train"]}
  assert set(train) == {"Ses01F_impro01_F000", "Ses01F_impro01_F001"}
  assert train["Ses01F_impro01_F000"].after == ("What?", "Yes!")
  assert train["Ses01F_impro01_F000"].audio_frames == 20
  assert train["Ses01F_impro01_F001"].audio_frames == 0


def test_feature_files_that_cannot_be_used(meld_features, tmp_path):
  path = meld_features / "meld_data_0610.pkl"
  with pytest.raises(InputError, match="holds no words"):
    unimse_pickles.load(path, tmp_path / "empty", "zero")
  _dump(path, {"audio": {}, "video": [{}] * 3})
  with pytest.raises(InputError, match="three dicts .* found dict"):
    unimse_pickles.load(path, None, "zero")
  other = _dump(tmp_path / "what.pkl", {})
  with pytest.raises(InputError, match="one of iemocap, meld, mosei, mosi"):
    unimse_pickles.load(other, None, "zero")


def test_the_training_side_reads_them(samples, tmp_path):
  """Export, verify, and the records and mixture of unimse_jax."""
  data = tmp_path / "data"
  raw = ["--raw", str(samples), "--out", str(data)]
  assert export.main(["--corpus", "unimse_pickles", *raw]) == 0
  assert verify.main(["--data", str(data)]) == 0
  records = {name: CorpusRecords(str(data), name) for name in ("meld", "mosi")}
  mixture = Mixture(records, {}, {}, {})
  assert mixture.widths == {"audio": 64, "video": 64}
  texts = records["meld"].texts["train"]
  (number,) = [i for i, each in enumerate(texts) if each.id == "train/0"]
  assert texts[number].before == ("Joey Hi!",)
  assert texts[number].after == ("Joey what",)
  frames = records["meld"].frames("train", number)
  np.testing.assert_array_equal(
    frames["audio"], _front(90, 157)[-90:].astype(np.float16)
  )
  metadata = records["meld"].metadata
  assert metadata["audio"]["stored"] == "unimse"
  labels = ["--data", str(data), "--corpora", "meld"]
  labels += ["--out", str(tmp_path / "labels.jsonl")]
  assert universal_labels.main(labels) == 0
  assert (
    metadata["settings_sha256"] == (records["mosi"].metadata["settings_sha256"])
  )
