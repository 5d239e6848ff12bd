import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.labels.completion import (
  Donor,
  Rules,
  Sample,
  check_donors,
  check_labels,
  check_samples,
  drop_outside,
  find_donors,
  monotonous_dialogues,
  universal_label,
)

_MELD = ("neutral", "joy", "anger")
_RULES = Rules()


def _msa(id: str, text: str, intensity: float, split="train", corpus="mosi"):
  polarity = ["neutral", "positive", "negative"][int(np.sign(intensity))]
  return Sample(corpus, split, id, text, polarity, intensity)


def _erc(id: str, text: str, emotion: str, split="train", corpus="meld"):
  table = {"joy": "positive", "anger": "negative", "neutral": "neutral"}
  polarity = table.get(emotion, "positive")
  emotions = {"meld": emotion}
  return Sample(corpus, split, id, text, polarity, None, emotions)


def _complete(samples, directions, slot, rules=_RULES, classes=_MELD):
  """Donor ids by receiver id; `directions` gives each text's angle."""
  texts = list(directions)
  angles = np.array([directions[text] for text in texts])
  vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
  rows = np.array([texts.index(sample.text) for sample in samples])
  classes = None if slot == "intensity" else classes
  found = find_donors(samples, rows, vectors, slot, classes, rules)
  return {samples[at].id: "/".join(d.sample.key) for at, d in found.items()}


def test_figure_3_of_the_paper():
  """m_2 = (positive, 1.6) gets the emotion of e_1, joy, and e_1 the 1.6.

  The negative samples are nearer to the other side: polarity comes first.
  """
  samples = [
    _msa("m1", "plot is a mess", -1.2),
    _msa("m2", "i loved the ending", 1.6),
    _erc("e1", "that is wonderful", "joy"),
    _erc("e2", "i loved it until you came", "anger"),
  ]
  directions = {
    "plot is a mess": 1.3,
    "i loved the ending": 0.0,
    "that is wonderful": 0.8,
    "i loved it until you came": 0.1,
  }
  emotions = _complete(samples, directions, "meld")
  assert emotions == {"m1": "meld/train/e2", "m2": "meld/train/e1"}
  intensities = _complete(samples, directions, "intensity")
  assert intensities == {"e1": "mosi/train/m2", "e2": "mosi/train/m1"}
  row = universal_label(
    samples[1], ["intensity", "meld"], {"meld": Donor(samples[2], 0.69671)}
  )
  assert row == {
    "id": "m2",
    "corpus": "mosi",
    "split": "train",
    "polarity": "positive",
    "intensity": 1.6,
    "emotions": {"meld": "joy"},
    "completed": {"meld": {"donor": "meld/train/e1", "similarity": 0.6967}},
  }


def test_the_most_similar_text_wins():
  samples = [
    _msa("m", "a", 1.0),
    _erc("far", "b", "joy"),
    _erc("near", "c", "joy"),
  ]
  found = _complete(samples, {"a": 0.0, "b": 0.5, "c": -0.4}, "meld")
  assert found == {"m": "meld/train/near"}


def test_ties_go_to_the_lowest_corpus_split_and_id():
  samples = [
    _msa("m", "hello", 1.0),
    _erc("b", "hello", "joy"),
    _erc("a", "hello", "joy"),
    _erc("z", "hello", "joy", corpus="iemo"),
  ]
  found = _complete(samples, {"hello": 0.3}, "meld")
  assert found == {"m": "iemo/train/z"}
  # Different texts, exactly equal cosines.
  samples[3] = _erc("c", "up", "joy")
  found = _complete(samples, {"up": 0.3, "hello": 0.3}, "meld")
  assert found == {"m": "meld/train/a"}


def test_ties_go_to_train_before_the_held_out_splits():
  """By their names, test would be the lowest."""
  samples = [
    _msa("m", "hello", 1.0),
    _erc("a", "hello", "joy", split="test"),
    _erc("b", "hello", "joy", split="validation"),
    _erc("c", "hello", "joy"),
  ]
  rules = Rules("all_splits")
  for wanted in ("meld/train/c", "meld/validation/b", "meld/test/a"):
    found = _complete(samples, {"hello": 0.3}, "meld", rules)
    assert found == {"m": wanted}
    samples.pop()


def test_donors_are_train_only_unless_asked():
  samples = [
    _msa("m", "a", 1.0),
    _erc("leak", "a", "joy", split="test"),
    _erc("fair", "b", "joy"),
  ]
  directions = {"a": 0.0, "b": 0.5}
  assert _complete(samples, directions, "meld") == {"m": "meld/train/fair"}
  everything = _complete(samples, directions, "meld", Rules("all_splits"))
  assert everything == {"m": "meld/test/leak"}


def test_held_out_samples_are_completed_from_train():
  samples = [_msa("m", "a", 1.0, split="test"), _erc("e", "b", "joy")]
  assert _complete(samples, {"a": 0.0, "b": 0.5}, "meld") == {
    "m": "meld/train/e"
  }


def test_neutral_follows_the_same_rule():
  samples = [
    _msa("m0", "a", 0.0),
    _msa("m1", "b", 1.0),
    _erc("e", "b", "neutral"),
  ]
  directions = {"a": 0.0, "b": 0.5}
  assert _complete(samples, directions, "intensity") == {"e": "mosi/train/m0"}
  assert _complete(samples, directions, "meld") == {"m0": "meld/train/e"}


def test_a_polarity_without_donors_is_left_empty():
  samples = [_msa("m", "a", -1.0), _erc("e", "a", "joy")]
  assert _complete(samples, {"a": 0.0}, "meld") == {}
  row = universal_label(samples[0], ["intensity", "meld"], {})
  assert row["emotions"] == {"meld": None}
  assert row["completed"] == {}


def test_classes_outside_the_scheme_never_donate():
  samples = [
    _msa("m", "a", 1.0),
    _erc("other", "a", "oth"),
    _erc("inside", "b", "joy"),
  ]
  found = _complete(samples, {"a": 0.0, "b": 0.5}, "meld")
  assert found == {"m": "meld/train/inside"}


def test_equal_ids_in_two_splits_are_two_samples():
  """MELD counts dialogues anew in each split."""
  samples = [
    _erc("dia0_utt0", "a", "joy"),
    _erc("dia0_utt0", "b", "anger", split="test"),
    _msa("m", "a", 1.0),
    _msa("n", "b", -1.0),
  ]
  check_samples(samples)
  rows = np.array([0, 1, 0, 1])
  found = find_donors(samples, rows, np.eye(2, dtype=np.float32), "intensity")
  assert {at: donor.sample.id for at, donor in found.items()} == {
    0: "m",
    1: "n",
  }


def test_a_slot_that_nobody_annotates_is_left_out():
  row = universal_label(_erc("e", "a", "joy"), ["meld"], {})
  assert "intensity" not in row
  assert row["emotions"] == {"meld": "joy"}


def test_majority_and_top_k_vote_among_donors():
  samples = [
    _msa("m", "hello", -1.0),
    _erc("a", "hello", "anger"),
    Sample("meld", "train", "b", "hello", "negative", None, {"meld": "fear"}),
    Sample("meld", "train", "c", "hello", "negative", None, {"meld": "fear"}),
    *(_erc(id, "far", "anger") for id in "def"),
  ]
  classes = ("anger", "fear")
  directions = {"hello": 0.3, "far": 1.0}

  def donor(**rules):
    rules = Rules(**rules)
    return _complete(samples, directions, "meld", rules, classes)["m"]

  assert donor() == "meld/train/a"
  assert donor(ties="majority") == "meld/train/b"
  assert donor(ties="top_k", k=1) == "meld/train/a"
  assert donor(ties="top_k", k=3) == "meld/train/b"
  assert donor(ties="top_k", k=6) == "meld/train/a"


def test_all_faults_of_the_samples_are_named_at_once():
  samples = [
    _msa("m", "a", 1.0),
    _msa("m", "b", 1.0),
    Sample("mosi", "train", "x", "c", "negative", 0.4),
    Sample("meld", "train", "y", "d", ""),
  ]
  with pytest.raises(InputError) as caught:
    check_samples(samples)
  message = str(caught.value)
  assert "same id twice in a split (1):\n  mosi/train/m" in message
  assert "contradicts the sign of the intensity (1):" in message
  assert "no polarity follows" in message
  assert "meld/train/y" in message


def test_a_leaked_donor_is_a_bug():
  donor = Donor(_erc("e", "a", "joy", split="test"), 1.0)
  check_donors([donor], "all_splits")
  with pytest.raises(AssertionError, match="outside train"):
    check_donors([donor], "train")


def test_a_finished_label_against_its_polarity_is_a_bug():
  row = {"corpus": "a", "split": "train", "id": "1", "polarity": "negative"}
  check_labels([row | {"intensity": -0.5}, {**row, "id": "2"}])
  with pytest.raises(AssertionError, match="against polarity"):
    check_labels([row | {"intensity": 0.5}])
  with pytest.raises(AssertionError, match="joined twice"):
    check_labels([row, row])


def test_labels_copied_over_a_dialogue_are_seen():
  """D40: the authors copied the first row's labels to the whole dialogue."""
  donors = [
    Donor(Sample("films", "train", f"v{number}", "x", "positive", 1.0), 0.9)
    for number in range(3)
  ]
  samples = [
    Sample("b", "train", f"{d}{turn}", f"{turn}", "positive", dialogue=d)
    for d in ("d", "e")
    for turn in range(3)
  ]
  copied = [{"intensity": donors[0]}] * 3
  varied = [{"intensity": donor} for donor in donors]
  found = copied + varied
  assert monotonous_dialogues(samples, found, "intensity") == (1, 2)


def test_an_id_that_recurs_in_another_split_keeps_its_own_labels():
  """D40: MELD's ids start again in every split."""
  samples = [
    Sample("films", "train", "v0", "good", "positive", 2.0),
    Sample("films", "train", "v1", "bad", "negative", -2.0),
    Sample("meld", "train", "dia0_utt0", "good", "positive"),
    Sample("meld", "test", "dia0_utt0", "bad", "negative"),
  ]
  texts = np.array([0, 1, 0, 1])
  found = find_donors(samples, texts, np.eye(2, dtype=np.float32), "intensity")
  labels = {
    samples[place].key: donor.sample.intensity for place, donor in found.items()
  }
  assert labels == {
    ("meld", "train", "dia0_utt0"): 2.0,
    ("meld", "test", "dia0_utt0"): -2.0,
  }


_TASK = {"iemocap": ("joy", "anger")}


def _scene(id: str, text: str, emotion: str, polarity: str, split="train"):
  return Sample("scenes", split, id, text, polarity, None, {"iemocap": emotion})


def test_the_authors_drop_who_receives_a_class_outside_the_task():
  """D37: `fear` is no class of the task, but it is the nearest donor."""
  samples = [
    _msa("near_fear", "a", -1.0),
    _msa("near_anger", "b", -1.0),
    _msa("held_out", "a", -1.0, split="test"),
    _scene("fearful", "a", "fear", "negative"),
    _scene("angry", "b", "anger", "negative"),
    _scene("afraid", "b", "fear", "negative", split="test"),
  ]
  rows = np.array([0, 1, 0, 0, 1, 1])
  vectors = np.eye(2, dtype=np.float32)

  def donors(rules):
    found = find_donors(
      samples, rows, vectors, "iemocap", _TASK["iemocap"], rules
    )
    return {samples[at].id: donor.sample.id for at, donor in found.items()}

  # By default such a class never donates, and the cosine of 0 must do.
  assert donors(_RULES) == dict.fromkeys(
    ("near_fear", "near_anger", "held_out"), "angry"
  )
  rules = Rules(donor_classes="authors_drop")
  assert donors(rules) == {
    "near_fear": "fearful",
    "near_anger": "angry",
    "held_out": "fearful",
  }
  found = find_donors(
    samples, rows, vectors, "iemocap", _TASK["iemocap"], rules
  )
  kept, dropped = drop_outside(
    samples,
    [
      {"iemocap": found[at]} if at in found else {}
      for at in range(len(samples))
    ],
    _TASK,
  )
  assert dropped == {0: "donor_class", 3: "own_class", 5: "own_class"}
  # The held-out film stays, without the slot that it could not get.
  assert [sorted(each) for each in kept] == [[], ["iemocap"], *[[]] * 4]


def test_an_intensity_has_no_class_to_be_outside_of():
  samples = [_scene("s", "a", "joy", "positive")]
  donors = [{"intensity": Donor(_msa("m", "a", 1.0), 1.0)}]
  assert drop_outside(samples, donors, _TASK) == (donors, {})
