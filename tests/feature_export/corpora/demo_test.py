import hashlib
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import av
import numpy as np
import pytest

from feature_export.corpora import demo
from feature_export.corpora.utterance import validate, with_contexts
from feature_export.errors import InputError
from feature_export.synthesis import phrases

_CLIPS = 100


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
  folder = tmp_path_factory.mktemp("raw")
  demo.load(folder, seed=0, clips=_CLIPS)
  return folder


@pytest.fixture(scope="module")
def corpora(raw):
  return demo.load(raw, seed=0, clips=_CLIPS)


def _hashes(folder: Path, *endings: str) -> dict[str, str]:
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob("*"))
    if path.suffix in endings
  }


def _frames(path: Path) -> np.ndarray:
  with av.open(str(path)) as file:
    frames = file.decode(video=0)
    return np.stack([each.to_ndarray(format="rgb24") for each in frames])


def test_four_valid_corpora(corpora):
  names = [corpus.name for corpus in corpora]
  assert names == ["demo_mosi", "demo_mosei", "demo_meld", "demo_iemocap"]
  schemes = [corpus.scheme and corpus.scheme.name for corpus in corpora]
  assert schemes == [None, None, "meld", "iemocap"]
  for corpus in corpora:
    validate(corpus)
  labelled = [u for c in corpora for u in c.utterances if u.labelled]
  assert len(labelled) == _CLIPS
  assert all(each.audio and each.video for each in labelled)


def test_labels_are_those_of_the_real_corpora(corpora):
  mosi, mosei, meld, iemocap = (
    [u for u in corpus.utterances if u.labelled] for corpus in corpora
  )
  for each in mosi + mosei:
    assert each.intensity == round(each.intensity, 1)
    assert not each.emotion
  assert {each.emotion for each in meld} == set(corpora[2].scheme.classes)
  assert all(each.polarity and each.intensity is None for each in meld)
  assert {each.emotion for each in iemocap} == set(corpora[3].scheme.classes)
  assert not any(each.polarity for each in iemocap)


def test_dialogues_have_five_turns_and_alternating_speakers(corpora):
  for corpus in corpora[2:]:
    dialogues = defaultdict(list)
    for each in corpus.utterances:
      dialogues[each.dialogue].append(each)
    for turns in dialogues.values():
      assert sum(each.labelled for each in turns) >= 5
      speakers = [each.speaker for each in turns]
      pairs = zip(speakers[:-1], speakers[1:], strict=True)
      assert all(first != second for first, second in pairs)


def test_monologues_have_one_speaker(corpora):
  for corpus in corpora[:2]:
    speakers = defaultdict(set)
    for each in corpus.utterances:
      speakers[each.dialogue].add(each.speaker)
    assert all(len(each) == 1 for each in speakers.values())


def test_replies_are_context_only(corpora):
  meld = corpora[2].utterances
  replies = [each for each in meld if not each.labelled]
  assert replies and not any(each.audio or each.video for each in replies)
  seen = {t for c in with_contexts(meld) for t in (*c.before, *c.after)}
  assert {each.text for each in replies} <= seen


def test_about_half_of_the_texts_are_ambiguous():
  # The plan alone: no media are needed to look at the sentences.
  plan = demo._PLANS[2]
  rows = demo._write_corpus(plan, 1000, np.random.default_rng(0))
  texts = [row["text"] for row, clip in rows if clip is not None]
  cores = phrases._CORES
  share = np.mean([any(core in text for core in cores) for text in texts])
  # Binomial with n = 1000: four standard deviations are 0.063.
  assert abs(share - 0.5) < 0.063


def test_a_turn_says_nothing_about_the_next():
  plan = demo._PLANS[3]
  rows = demo._write_corpus(plan, 3000, np.random.default_rng(0))
  turns = [(r["dialogue"], r["emotion"]) for r, clip in rows if clip]
  pairs = zip(turns[:-1], turns[1:], strict=True)
  same = [a[1] == b[1] for a, b in pairs if a[0] == b[0]]
  # Six equal classes; four standard deviations at about 2,500 pairs: 0.03.
  assert abs(np.mean(same) - 1 / 6) < 0.03


def test_split_shares_and_proportions():
  plan = demo._PLANS[2]
  rows = demo._write_corpus(plan, 336, np.random.default_rng(0))
  labelled = [row for row, clip in rows if clip]
  splits = Counter(row["split"] for row in labelled)
  assert splits == {"train": 235, "validation": 34, "test": 67}
  tested = Counter(r["emotion"] for r in labelled if r["split"] == "test")
  assert set(tested) == set(plan.weights)
  assert tested["neutral"] == max(tested.values())


def test_same_seed_same_files_and_frames(raw, tmp_path):
  demo.load(tmp_path, seed=0, clips=_CLIPS)
  exact = (".wav", ".jsonl", ".json")
  assert _hashes(raw, *exact) == _hashes(tmp_path, *exact)
  films = sorted(raw.rglob("*.mp4"))
  assert len(films) == _CLIPS
  for film in films[::20]:
    again = tmp_path / film.relative_to(raw)
    np.testing.assert_array_equal(_frames(film), _frames(again))


def test_another_seed_replaces_everything(raw, tmp_path):
  shutil.copytree(raw, tmp_path, dirs_exist_ok=True)
  before = _hashes(tmp_path, ".wav")
  demo.load(tmp_path, seed=1, clips=_CLIPS)
  assert not set(before.values()) & set(_hashes(tmp_path, ".wav").values())
  marker = json.loads((tmp_path / "demo_mosi" / "generated.json").read_text())
  assert marker["seed"] == 1


def test_present_corpora_are_kept_and_partial_ones_made_again(raw, tmp_path):
  shutil.copytree(raw, tmp_path, dirs_exist_ok=True)
  times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.wav")}
  demo.load(tmp_path, seed=0, clips=_CLIPS)
  assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.wav")}
  # As an interrupted run leaves it: one corpus missing, scraps of another.
  (tmp_path / "demo_meld").rename(tmp_path / ".demo_partial")
  demo.load(tmp_path, seed=0, clips=_CLIPS)
  assert _hashes(raw, ".wav") == _hashes(tmp_path, ".wav")
  assert not (tmp_path / ".demo_partial").exists()


def test_refuses_a_folder_that_it_has_not_made(tmp_path):
  (tmp_path / "demo_meld").mkdir()
  (tmp_path / "demo_meld" / "precious.txt").write_text("mine")
  with pytest.raises(InputError, match=r"demo_meld.*another --raw"):
    demo.load(tmp_path, seed=0, clips=_CLIPS)
  assert (tmp_path / "demo_meld" / "precious.txt").read_text() == "mine"
  assert [path.name for path in tmp_path.iterdir()] == ["demo_meld"]


@pytest.mark.parametrize(("seed", "clips"), [(0, 99), (-1, 200)])
def test_refuses_impossible_options(tmp_path, seed, clips):
  with pytest.raises(InputError, match="at least 100 demo clips"):
    demo.load(tmp_path / "raw", seed=seed, clips=clips)
  assert not (tmp_path / "raw").exists()
