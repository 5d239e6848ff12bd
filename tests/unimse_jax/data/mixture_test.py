"""Corpora and universal labels must belong together."""

import json
import pathlib
import shutil

import pytest

from unimse_jax.data import mixture
from unimse_jax.errors import InputError

_NAMES = ("films", "friends")
_LABELS = "films_friends.jsonl"


@pytest.fixture
def copied(corpora, tmp_path) -> pathlib.Path:
  """A copy of all data that a test may damage."""
  return pathlib.Path(shutil.copytree(corpora, tmp_path / "data"))


def load(folder: pathlib.Path, names=_NAMES, labels: str = _LABELS):
  return mixture.load(str(folder), names, str(folder / labels))


def test_every_record_gets_its_own_label(corpora):
  loaded = load(corpora)
  assert loaded.schema.slots == ("polarity", "intensity", "moods")
  assert loaded.schema.classes("moods") == ("joy", "anger", "calm")
  counts = {split: len(found) for split, found in loaded.examples.items()}
  assert counts == {"train": 42, "validation": 12, "test": 10}
  for split in loaded.examples:
    for example in loaded.examples[split]:
      label = example.label
      assert label.polarity == example.polarity
      assert example.id.startswith(split)
      # What the corpus annotates stays; the rest came from a donor.
      if example.corpus == "films":
        assert label.intensity == pytest.approx(example.intensity)
        assert label.emotions["moods"] in loaded.schema.classes("moods")
      else:
        assert label.emotions["moods"] == example.emotion
        assert -3 <= label.intensity <= 3


def test_targets_are_what_the_corpus_annotates(corpora):
  found = {
    (each.corpus, each.id): each.targets
    for each in load(corpora).examples["test"]
  }
  assert found["films", "test0"] == {
    "polarity": "positive",
    "intensity": pytest.approx(1.6),
    "emotion": None,
  }
  assert found["friends", "test1"] == {
    "polarity": "negative",
    "intensity": None,
    "emotion": "anger",
  }


def test_corpora_come_one_after_the_other_with_their_frames(corpora):
  loaded = load(corpora)
  names = [example.corpus for example in loaded.examples["validation"]]
  assert names == ["films"] * 6 + ["friends"] * 6
  for example in loaded.examples["validation"]:
    frames = loaded.frames("validation", example)
    assert len(frames["audio"]) == example.audio_frames
    assert len(frames["video"]) == example.video_frames
  assert loaded.widths == {"audio": 4, "video": 6}


def test_provenance_holds_the_hashes(corpora):
  provenance = load(corpora).provenance
  assert provenance["labels_donors"] == "train"
  assert set(provenance["datasets"]) == set(_NAMES)
  for dataset in provenance["datasets"].values():
    assert len(dataset["settings_sha256"]) == 64
    assert len(dataset["shards"]) == 3


def test_everything_missing_is_in_one_message(tmp_path):
  with pytest.raises(InputError) as caught:
    load(tmp_path)
  message = str(caught.value)
  for part in ("'films'", "'friends'", "feature_export.universal_labels"):
    assert part in message


def test_donors_other_than_the_configs_are_refused(corpora):
  """The labels were made of train donors: nobody asked for a leak."""
  with pytest.raises(InputError, match="found labels made with --donors train"):
    mixture.load(
      str(corpora), _NAMES, str(corpora / _LABELS), donors="all_splits"
    )


def test_the_command_that_makes_labels_names_the_donors(tmp_path):
  labels = str(tmp_path / "all.jsonl")
  faults = mixture.missing(str(tmp_path), _NAMES, labels, "all_splits")
  assert faults[-1].endswith(f"--out {labels} --donors all_splits")


def test_the_grid_holds_the_training_intensities(corpora):
  assert load(corpora).grid == pytest.approx([-1.2, 0.0, 1.6])


def test_labels_that_were_changed_are_refused(copied):
  path = copied / _LABELS
  path.write_text(path.read_text().replace("positive", "negative", 1))
  with pytest.raises(InputError, match="does not have the sha256"):
    load(copied)


def test_labels_of_other_corpora_are_refused(copied, label_writer):
  labels = label_writer(copied, "films")
  with pytest.raises(InputError, match="exactly the corpora"):
    load(copied, labels=labels.name)


def test_a_corpus_left_out_must_not_be_a_donor(corpora):
  with pytest.raises(InputError, match="must not be a donor"):
    load(corpora, names=("films",))


def test_records_without_labels_are_counted_and_named(
  copied, corpus_writer, tmp_path
):
  """The corpus was exported again, with more utterances."""
  shutil.rmtree(copied / "films")
  corpus_writer(
    copied, "films", splits={"train": 23, "validation": 6, "test": 5}
  )
  with pytest.raises(InputError, match="again"):
    load(copied)


def test_a_corpus_exported_again_needs_its_labels_again(copied, corpus_writer):
  """The same ids with other labels must not keep the old ones."""
  shutil.rmtree(copied / "films")

  def describe(split: str, number: int) -> dict:
    return {"text": f"film {number}", "intensity": -2.0}

  corpus_writer(copied, "films", describe=describe)
  with pytest.raises(InputError, match="make the labels again"):
    load(copied)


def test_features_of_other_settings_are_not_mixed(
  copied, corpus_writer, label_writer
):
  shutil.rmtree(copied / "films")
  corpus_writer(copied, "films", image_size=64)
  label_writer(copied, "films,friends")
  with pytest.raises(InputError, match="one set of extraction settings"):
    load(copied)


def test_a_corpus_without_a_validation_split_is_refused(
  copied, corpus_writer, label_writer
):
  shutil.rmtree(copied / "films")
  corpus_writer(copied, "films", splits={"train": 6, "test": 2})
  label_writer(copied, "films,friends")
  with pytest.raises(InputError, match="films/validation"):
    load(copied)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_meta_file_is_one_message(copied, content):
  (copied / "films_friends.meta.json").write_text(content)
  with pytest.raises(InputError, match="films_friends.meta.json"):
    load(copied)


def test_the_meta_file_alone_is_not_enough(copied):
  (copied / _LABELS).unlink()
  with pytest.raises(InputError, match="expected .*films_friends.jsonl"):
    load(copied)
  assert json.loads((copied / "films_friends.meta.json").read_text())
