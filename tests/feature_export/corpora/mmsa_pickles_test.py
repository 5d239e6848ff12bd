"""Tests of MMSA's feature files, in both layouts."""

import pickle

import numpy as np
import pytest

from feature_export import export, verify
from feature_export.corpora import mmsa_pickles, registry
from feature_export.errors import InputError
from feature_export.files import hash_file
from feature_export.records.reader import load_metadata, read_records


def _part(ids: list[str], unaligned: bool) -> dict:
  count, generator = len(ids), np.random.default_rng(len(ids))
  audio = generator.normal(size=(count, 6, 5)).astype(np.float32)
  vision = generator.normal(size=(count, 4, 20)).astype(np.float32)
  part = {
    "raw_text": np.array([f"text of {each}" for each in ids]),
    "audio": audio,
    "vision": vision,
    "id": np.array(ids),
    "text": np.zeros((count, 50, 768), np.float32),
    "text_bert": np.zeros((count, 3, 50), np.float32),
    "annotations": np.array(["Positive"] * count),
    "classification_labels": np.ones(count, np.float32),
    "regression_labels": np.linspace(-1, 3, count).astype(np.float32),
  }
  if unaligned:
    audio[:, 4:] = 0  # behind
    vision[:, :1] = 0  # in front
    part |= {"audio_lengths": [4] * count, "vision_lengths": [3] * count}
  return part


def _write(folder, name: str, unaligned: bool = True, **changes):
  content = {
    "train": _part(["v-1$_$1", "v-1$_$2", "_w$_$10"], unaligned),
    "valid": _part(["x$_$1", "x$_$2"], unaligned),
    "test": _part(["y$_$1", "y$_$2"], unaligned),
  } | changes
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / name
  path.write_bytes(pickle.dumps(content, 4))
  return path


def test_unaligned_file(tmp_path):
  path = _write(tmp_path / "MOSI" / "Processed", "unaligned_50.pkl")
  corpus = mmsa_pickles.load(path.parent, None, "zero")
  assert corpus.name == "mosi"
  assert [each.split for each in corpus.utterances] == (
    ["train"] * 3 + ["validation"] * 2 + ["test"] * 2
  )
  first = corpus.utterances[0]
  assert (first.id, first.text) == ("v-1_1", "text of v-1$_$1")
  assert (first.dialogue, first.speaker, first.intensity) == ("", "v-1", -1.0)
  assert first.audio.values.shape == (4, 5)
  assert first.video.values.shape == (3, 20)
  assert corpus.stored.source == "mmsa_unaligned"
  assert len(corpus.stored.files["unaligned_50.pkl"]) == 64
  # A file of a published name and another content.
  assert corpus.notes[0].startswith("registry: unaligned_50.pkl: mismatch: ")


@pytest.mark.parametrize("name", ["aligned_50.pkl", "renamed.pkl"])
def test_known_hash_names_the_file(tmp_path, monkeypatch, name):
  path = _write(tmp_path, name, unaligned=False)
  known = registry.KnownFile(
    "aligned_50.pkl", "MOSEI, aligned", hash_file(path), "us", corpus="mosei"
  )
  monkeypatch.setattr(registry, "KNOWN_FILES", (known,))
  corpus = mmsa_pickles.load(path, None, "zero")
  assert corpus.name == "mosei"
  assert corpus.stored.source == "mmsa_aligned"
  assert f"registry: {name}: match: MOSEI, aligned" in corpus.notes[0]


def test_the_registry_knows_mmsa_s_four_files():
  """MMSA's README has no more."""
  found = {
    (each.corpus, each.name, each.sha256[:8])
    for each in registry.KNOWN_FILES
    if each.name in mmsa_pickles.FILES
  }
  assert found == {
    ("mosi", "unaligned_50.pkl", "78e0f8b5"),
    ("mosi", "aligned_50.pkl", "d3994fd2"),
    ("mosei", "unaligned_50.pkl", "ad8b23d5"),
    ("mosei", "aligned_50.pkl", "45eccfb7"),
  }


def test_one_modality_alone_is_taken_and_the_other_is_absent(tmp_path):
  parts = {
    key: {
      name: values
      for name, values in _part([f"{key}$_$1", f"{key}$_$2"], True).items()
      if not name.startswith("audio")
    }
    for key in ("train", "valid", "test")
  }
  path = _write(tmp_path, "unaligned_50.pkl", **parts)
  corpus = mmsa_pickles.load(path, "mosi", "zero")
  first = corpus.utterances[0]
  assert len(first.audio.values) == 0
  assert first.video.values.shape == (3, 20)
  assert corpus.stored.source == "mmsa_unaligned"
  assert "no audio in the file: absent throughout" in corpus.notes


def test_scores_on_another_scale_are_doubted(tmp_path):
  path = _write(tmp_path, "unaligned_50.pkl")
  assert "doubted" not in str(mmsa_pickles.load(path, "mosi", "zero").notes)
  small = {"regression_labels": np.array([-1.0, 0.8], np.float32)}
  parts = {
    key: _part([f"{key}$_$1", f"{key}$_$2"], True) | small
    for key in ("train", "valid", "test")
  }
  path = _write(tmp_path, "unaligned_50.pkl", **parts)
  notes = mmsa_pickles.load(path, "mosi", "zero").notes
  assert any("all scores lie in [-1, 1]" in each for each in notes)


def test_what_is_not_such_a_file(tmp_path):
  path = _write(tmp_path, "aligned_50.pkl", False, valid={"audio": 1}, test=3)
  with pytest.raises(InputError) as caught:
    mmsa_pickles.load(path, "mosi", "zero")
  assert "valid: no raw_text, vision, id" in str(caught.value)
  assert "no split 'test'" in str(caught.value)
  path.write_bytes(pickle.dumps([1, 2]))
  with pytest.raises(InputError, match="found list"):
    mmsa_pickles.load(path, "mosi", "zero")
  _write(tmp_path, "unaligned_50.pkl")
  with pytest.raises(InputError, match="Give the file itself"):
    mmsa_pickles.load(tmp_path, "mosi", "zero")


def test_exported_records(tmp_path, capsys):
  """From the pickle to records that verify, with one clip damaged."""
  train = _part(["v$_$1", "v$_$2", "w$_$10"], True)
  train["audio"][1, 2, 3] = -np.inf
  train["vision"][2] = 0
  path = _write(tmp_path / "mosi", "unaligned_50.pkl", train=train)
  out = tmp_path / "data"
  command = ["--corpus", "mmsa_pickles", "--raw", str(path), "--out", str(out)]
  assert export.main([*command, "--jobs", "2"]) == 0
  printed = capsys.readouterr().out
  assert "audio 5 wide, video 20" in printed
  assert "audio NaN or infinite values replaced by zero: 1" in printed
  assert "video all zero: absent: 1" in printed
  dataset = out / "mosi" / "1.0.0"
  metadata = load_metadata(dataset)
  origin = {"stored": "mmsa_unaligned", "nonfinite": "zero"}
  assert metadata["audio"] == {**origin, "mels": 5}
  assert metadata["video"] == {**origin, "dimension": 20}
  assert metadata["source_files"] == {"unaligned_50.pkl": hash_file(path)}
  records = {
    each["id"]: each
    for each in read_records(dataset, "train", ("id", "audio", "video"))
  }
  expected = train["audio"][1, :4].astype(np.float16)
  expected[2, 3] = 0
  np.testing.assert_array_equal(records["v_2"]["audio"], expected)
  assert records["w_10"]["video"].shape == (0, 20)
  assert verify.verify_dataset(dataset) == []
  assert export.main([*command, "--overwrite", "--nonfinite", "refuse"]) == 2
  assert "v_2: audio: 1 values" in capsys.readouterr().err
  # Left out, the record keeps its width.
  assert export.main([*command, "--overwrite", "--noaudio"]) == 0
  (record, *_) = read_records(dataset, "test", ("audio",))
  assert record["audio"].shape == (0, 5)
