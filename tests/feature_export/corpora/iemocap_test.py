"""Tests of the IEMOCAP importer: grammars, protocols, halves of the picture."""

import json
from collections import Counter

import pytest

from feature_export.corpora import iemocap
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import (
  Media,
  Utterance,
  validate,
  with_contexts,
)
from feature_export.errors import InputError

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
TRAIN, VALIDATION = "Ses01F_impro01", "Ses01F_script01_1"
TEST = "Ses05M_script01_1b"


def label_line(name, start, end, code, valence=2.5):
  return (
    f"[{start:.4f} - {end:.4f}]\t{name}\t{code}\t"
    f"[{valence:.4f}, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral; Anger;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
  )


def turn_line(name, start, end, text):
  return f"{name} [{start:08.4f}-{end:08.4f}]: {text}\n"


@pytest.fixture
def write_dialogue(tmp_path, write_text, touch):
  """Writes a dialogue of (turn, start, end, code or None, text)."""

  def write(dialogue, turns, before="", labels=""):
    session = tmp_path / "IEMOCAP_full_release" / f"Session{dialogue[4]}"
    for turn, start, end, code, text in turns:
      name = f"{dialogue}_{turn}"
      before += turn_line(name, start, end, text)
      if code:
        labels += label_line(name, start, end, code)
        touch(session / "sentences" / "wav" / dialogue / f"{name}.wav")
        touch(session / "sentences" / "wav" / dialogue / f"._{name}.wav")
    dialog = session / "dialog"
    for folder, content in (
      ("transcriptions", before),
      ("EmoEvaluation", HEADER + labels),
      ("EmoEvaluation/Categorical", "no label file"),
    ):
      write_text(dialog / folder / f"{dialogue}.txt", content)
      write_text(dialog / folder / f"._{dialogue}.txt", b"\x00\x05\x16\x07")
    touch(dialog / "avi" / "DivX" / f"{dialogue}.avi")
    return session

  return write


@pytest.fixture
def raw(tmp_path, write_dialogue):
  write_dialogue(
    TRAIN,
    [
      ("F000", 6.2901, 8.2357, "neu", "Excuse me."),
      # Speaker by speaker in the file; by time in the dialogue.
      ("F001", 10.0, 11.5, "xxx", "[LAUGHTER] Yeah."),
      ("M000", 8.5, 9.5, "fru", "Do you have your forms?"),
      ("MXX0", 9.6, 9.9, None, "Hm."),
      ("M001", 12.0, 13.0, "sur", "What?"),
      ("M002", 14.0, 15.0, "hap", "Great."),
    ],
  )
  write_dialogue(VALIDATION, [("M000", 1.0, 2.0, "exc", "Wow.")])
  write_dialogue(
    TEST,
    [("M000", 1.0, 2.0, "ang", "No."), ("F000", 3.0, 4.0, "sad", "Yes.")],
  )
  return tmp_path


def test_a_dialogue_field_by_field(raw):
  corpus = iemocap.load(raw)
  validate(corpus)
  session = raw / "IEMOCAP_full_release" / "Session1"
  turns = [each for each in corpus.utterances if each.dialogue == TRAIN]
  assert [each.id.rpartition("_")[2] for each in turns] == [
    *("F000", "M000", "MXX0", "F001", "M001", "M002")
  ]
  assert [each.turn for each in turns] == [0, 1, 2, 3, 4, 5]
  avi = session / "dialog" / "avi" / "DivX" / f"{TRAIN}.avi"
  wavs = session / "sentences" / "wav" / TRAIN
  assert turns[0] == Utterance(
    id=f"{TRAIN}_F000",
    split="train",
    text="Excuse me.",
    dialogue=TRAIN,
    turn=0,
    speaker="Ses01F",
    audio=Media(wavs / f"{TRAIN}_F000.wav"),
    # The dialogue's letter is F: she sits on the left, he on the right.
    video=Media(avi, 6.2901, 8.2357, "left"),
    emotion="neutral",
  )
  assert turns[1].video == Media(avi, 8.5, 9.5, "right")
  assert turns[1].speaker == "Ses01M"
  assert turns[1].emotion == "frustrated"
  assert [each.labelled for each in turns] == [1, 1, 0, 0, 0, 1]
  assert turns[3].text == "[LAUGHTER] Yeah."
  # Turns without a label are context all the same.
  around = {each.id: each for each in with_contexts(corpus.utterances, 3)}
  assert around[turns[5].id].before == ("What?", "[LAUGHTER] Yeah.", "Hm.")
  assert corpus.notes[1] == (
    "turns kept as context, by code: {'none': 1, 'sur': 1, 'xxx': 1}"
  )


def test_the_letter_of_the_dialogue_sits_on_the_left():
  assert iemocap.speaker_side("Ses05M_script01_1b_M000") == "left"
  assert iemocap.speaker_side("Ses05M_script01_1b_F012") == "right"
  assert iemocap.speaker_side("Ses02F_impro06_FXX1") == "left"


def test_all_agreed_classes(raw):
  """Ten classes; the polarity of surprise is the side of the valence."""
  corpus = iemocap.load(raw, classes="agreed")
  validate(corpus)
  found = {each.id: each for each in corpus.utterances}
  surprise = found[f"{TRAIN}_M001"]
  assert (surprise.emotion, surprise.polarity) == ("surprise", "negative")
  assert found[f"{TRAIN}_M002"].polarity == ""  # the class decides
  assert len(corpus.scheme.classes) == 10
  labelled = [each for each in corpus.utterances if each.labelled]
  assert (
    len(labelled)
    == len([each for each in iemocap.load(raw).utterances if each.labelled]) + 1
  )


def test_splits_of_the_paper(raw):
  corpus = iemocap.load(raw)
  split_of = {each.dialogue: each.split for each in corpus.utterances}
  assert split_of == {TRAIN: "train", VALIDATION: "validation", TEST: "test"}


def test_session_5_protocol_is_seeded():
  dialogues = list(read_split("iemocap"))
  first = iemocap.split_dialogues(dialogues, "session5", 0)
  counts = Counter(first.values())
  assert counts == {"train": 108, "validation": 12, "test": 31}
  assert all(
    (split == "test") == name.startswith("Ses05")
    for name, split in first.items()
  )
  assert first == iemocap.split_dialogues(dialogues[::-1], "session5", 0)
  assert first != iemocap.split_dialogues(dialogues, "session5", 1)


def test_defects_are_remarked(raw, write_dialogue, by_kind):
  dialogue = "Ses02F_impro01"
  name = f"{dialogue}_F000"
  session = write_dialogue(
    dialogue,
    [("F000", 1.0, 2.0, "neu", "Hi."), ("M000", 4.0, 4.0, "sad", "Oh.")],
    before="F: no id and no time\n"
    + turn_line(name, 1.0, 2.0, "Hi.")
    + turn_line(f"{TRAIN}_F009", 1.0, 2.0, "of another dialogue"),
    labels="[1.0 - 2.0] no tabs\n"
    + label_line(f"{dialogue}_F008", 8, 9, "ang"),
  )
  write_dialogue("Ses02F_impro99", [("F000", 1.0, 2.0, "neu", "Hi.")])
  (session / "sentences" / "wav" / dialogue / f"{name}.wav").unlink()
  corpus = iemocap.load(raw)
  validate(corpus)
  found = {each.id: each for each in corpus.utterances}
  # The dialogue's sound stands in for the sentence's own file.
  assert found[name].audio.path.suffix == ".avi"
  assert (found[name].audio.start, found[name].audio.end) == (1.0, 2.0)
  assert found[f"{dialogue}_M000"].video is None
  assert found[f"{dialogue}_M000"].audio.path.suffix == ".wav"
  kinds = by_kind(corpus)
  lines = kinds["skipped: transcription line of another form"]
  assert lines == [
    (f"transcriptions/{dialogue}.txt line 1", ""),
    (f"transcriptions/{dialogue}.txt line 3", ""),
  ]
  assert kinds["skipped: turn transcribed twice"] == [
    (f"transcriptions/{dialogue}.txt line 4", name)
  ]
  assert kinds["skipped: label line of another form"] == [
    (f"EmoEvaluation/{dialogue}.txt line 3", "")
  ]
  assert kinds["dropped: label without a transcript"] == [
    (f"{dialogue}_F008", "ang")
  ]
  assert kinds["repaired: voice from the dialogue's avi"] == [(name, "")]
  assert kinds["doubted: no duration, not cut"] == [
    (f"{dialogue}_M000", "4 to 4 s")
  ]
  assert kinds["dropped: dialogue in no split"] == [("Ses02F_impro99", "")]
  # 151 dialogues are published; four of them are here.
  assert len(kinds["missing: dialogue's EmoEvaluation"]) == 147


def test_a_dialogue_without_transcription(raw, by_kind):
  folder = raw / "IEMOCAP_full_release" / "Session5" / "dialog"
  (folder / "transcriptions" / f"{TEST}.txt").unlink()
  corpus = iemocap.load(raw)
  assert by_kind(corpus)["missing: dialogue's transcription"] == [(TEST, "")]


def test_text_alone_and_other_layouts(raw, tmp_path):
  import shutil

  release = raw / "IEMOCAP_full_release"
  for session in release.iterdir():
    shutil.rmtree(session / "sentences")
    shutil.rmtree(session / "dialog" / "avi")
  corpus = iemocap.load(raw)
  assert corpus.notes[2:] == (
    "no files in sentences/wav",
    "no files in dialog/avi/DivX",
  )
  assert not [each for each in corpus.remarks if each.kind[:3] == "no "]
  shutil.rmtree(release / "Session1" / "dialog")
  shutil.rmtree(release / "Session5" / "dialog")
  with pytest.raises(InputError, match="IEMOCAP_full_release: Session<n>"):
    iemocap.load(raw)


def test_counts_of_the_paper(real_data, tmp_path, write_text):
  """151 dialogues with the published number of labels per split.

  Which dialogue holds which label is made up; the counts are the paper's.
  """
  path = real_data("iemocap") / "unimse_split.json"
  for part in json.loads(path.read_text()).values():
    codes = [
      code for code, count in part["label_counts"].items() for _ in range(count)
    ]
    dialogues = part["dialogues"]
    for place, dialogue in enumerate(dialogues):
      labels, lines = HEADER, ""
      for turn, code in enumerate(codes[place :: len(dialogues)]):
        name = f"{dialogue}_{'FM'[turn % 2]}{turn:03d}"
        labels += label_line(name, turn, turn + 1, code, 3.0)
        lines += turn_line(name, turn, turn + 1, "So.")
      dialog = tmp_path / f"Session{dialogue[4]}" / "dialog"
      write_text(dialog / "EmoEvaluation" / f"{dialogue}.txt", labels)
      write_text(dialog / "transcriptions" / f"{dialogue}.txt", lines)
  counts = {}
  for classes in iemocap.CLASSES:
    corpus = iemocap.load(tmp_path, classes=classes)
    validate(corpus)
    assert corpus.remarks == ()
    assert corpus.notes[0] == "151 of 151 dialogues, protocol paper"
    labelled = [each for each in corpus.utterances if each.labelled]
    counts[classes] = Counter(each.split for each in labelled)
  # Table 6 and Table 1 of the paper.
  assert counts["six"] == {"train": 5237, "validation": 521, "test": 1622}
  assert counts["agreed"] == {"train": 5354, "validation": 528, "test": 1650}
