"""Figure 4's choice of points, and its numbers against scikit-learn."""

import dataclasses

import numpy as np
import pytest

from unimse_jax.reporting import projection, run_files

metrics = pytest.importorskip(
  "sklearn.metrics", reason="scikit-learn is absent"
)


def _points(seed: int, count: int = 40):
  rng = np.random.default_rng(seed)
  vectors = rng.normal(size=(count, 5))
  sides = rng.integers(0, 2, count)
  sides[:2] = 0, 1
  corpora = np.where(np.arange(count) % 3, "a", "b")
  return vectors, sides, corpora


@pytest.mark.parametrize("seed", range(20))
def test_the_silhouette_is_that_of_scikit_learn(seed):
  vectors, sides, corpora = _points(seed)
  found, *_ = projection.measure(vectors, sides, corpora)
  # Distances by the dot product lose a few digits: 1e-9 of values near 1.
  assert found == pytest.approx(
    metrics.silhouette_score(vectors, sides), abs=1e-9
  )


@pytest.mark.parametrize("seed", range(5))
def test_agreements_are_those_of_a_plain_search(seed):
  vectors, sides, corpora = _points(seed)
  _, agreement, across, chance = projection.measure(vectors, sides, corpora)
  hits, hits_across, chances = [], [], []
  for i, vector in enumerate(vectors):
    gaps = np.linalg.norm(vectors - vector, axis=1)
    others = [j for j in range(len(vectors)) if j != i]
    far = [j for j in others if corpora[j] != corpora[i]]
    hits.append(sides[min(others, key=gaps.__getitem__)] == sides[i])
    hits_across.append(sides[min(far, key=gaps.__getitem__)] == sides[i])
    chances.append(np.mean([sides[j] == sides[i] for j in far]))
  assert agreement == pytest.approx(np.mean(hits))
  assert across == pytest.approx(np.mean(hits_across))
  assert chance == pytest.approx(np.mean(chances))


def test_sides_apart_agree_and_equal_points_do_not_fail():
  vectors = np.array([[0.0], [0.1], [9.0], [9.1]])
  sides, corpora = np.array([0, 0, 1, 1]), np.array(["a", "b", "a", "b"])
  numbers = projection.measure(vectors, sides, corpora)
  assert numbers[0] > 0.95 and numbers[1:] == (1, 1, 0.5)
  numbers = projection.measure(np.zeros((4, 3)), sides, corpora)
  assert numbers[0] == 0 and np.isfinite(numbers).all()


def test_the_papers_corpora_give_both_figures(paper_run):
  run = run_files.load(paper_run)
  assert projection.choose_corpora(run) == ("mosi", "meld")
  assert projection.choose_classes(run, "meld") == ("joy", "sadness")
  assert projection.emotion_slot(run.of_corpus("meld")) == "meld"
  first, second = projection.figure4(run, "pca")
  assert [group.name for group in first.groups] == [
    "mosi: positive",
    "mosi: negative",
    "meld: joy",
    "meld: sadness",
  ]
  for row in first.groups[0].rows:
    assert run.rows[row]["targets"]["intensity"] > 0
  assert [group.name for group in second.groups][:2] == [
    "mosi: joy^",
    "mosi: sadness^",
  ]
  for row in second.groups[0].rows:
    assert run.rows[row]["fields"]["meld"] == "joy"
    assert run.rows[row]["corpus"] == "mosi"
  # The made-up layer holds the mood: the claim is there and is measured.
  assert first.silhouette > 0 and first.across > first.chance


def test_the_same_run_gives_the_same_picture(paper_run):
  run = run_files.load(paper_run)
  one, two = (projection.figure4(run, "tsne")[0] for _ in range(2))
  np.testing.assert_array_equal(one.points, two.points)
  assert one.points.shape == (sum(len(g.rows) for g in one.groups), 2)


def test_other_classes_are_chosen_where_there_is_no_joy(paper_run):
  run = run_files.load(paper_run)
  rename = {"joy": "glad", "sadness": "low"}
  rows = []
  for row in run.of_corpus("meld"):
    word = row["targets"]["emotion"]
    mood = {"joy": "positive", "sadness": "negative"}.get(word, "neutral")
    targets = row["targets"] | {"emotion": rename.get(word, word)}
    rows.append(row | {"targets": targets, "fields": {"polarity": mood}})
  run = dataclasses.replace(run, rows=rows)
  assert projection.choose_classes(run, "meld") == ("glad", "low")


def test_a_corpus_of_one_emotion_gives_no_figure(paper_run):
  run = run_files.load(paper_run)
  joyful = [
    row | {"targets": row["targets"] | {"emotion": "joy"}}
    if row["targets"]["emotion"] is not None
    else row
    for row in run.rows
  ]
  run = dataclasses.replace(run, rows=joyful)
  assert projection.figure4(run, "pca") == []


def test_too_many_points_are_thinned_by_their_shares(paper_run, monkeypatch):
  run = run_files.load(paper_run)
  whole = projection.figure4(run, "pca")[0]
  monkeypatch.setattr(projection, "POINTS", 20)
  thin = projection.figure4(run, "pca")[0]
  assert thin.left_out + len(thin.points) == len(whole.points)
  assert len(thin.points) <= 20 + 2 * len(thin.groups)
  for few, many in zip(thin.groups, whole.groups, strict=True):
    assert set(few.rows) < set(many.rows)


@pytest.mark.parametrize("different", [1, 2])
def test_a_collapsed_layer_is_drawn(paper_run, different):
  run = run_files.load(paper_run)
  embeddings = np.ones_like(run.embeddings)
  embeddings *= np.arange(len(embeddings))[:, None] % different + 1
  run = dataclasses.replace(run, embeddings=embeddings)
  for method in projection.METHODS:
    for each in projection.figure4(run, method):
      assert np.isfinite(each.points).all()
