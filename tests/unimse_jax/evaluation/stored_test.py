"""Donors, embeddings, scores of the withheld and openings that eval stores."""

import json

import jax
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.batching import BatchPlan
from unimse_jax.evaluation import evaluation_run, missing, results
from unimse_jax.evaluation.evaluator import Evaluator
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.rundir import RunDir


@pytest.fixture(scope="module")
def opened(straight, tiny_config):
  return pipeline_lib.prepare_run(tiny_config(), RunDir(straight))


@pytest.fixture(scope="module")
def run(straight, tiny_config):
  return evaluation_run.evaluate(tiny_config(), straight, "test", True)


@pytest.fixture(scope="module")
def stored(run, tmp_path_factory):
  """A folder of its own: other tests write to the workdir too."""
  folder = tmp_path_factory.mktemp("stored")
  path = RunDir(folder).results_file("test")
  results.write(RunDir(folder), "test", *run)
  lines = (folder / "predictions" / "test.jsonl").read_text().splitlines()
  with np.load(folder / "predictions" / "test_embeddings.npz") as file:
    embeddings = file["embeddings"]
  return json.loads(path.read_text()), [*map(json.loads, lines)], embeddings


def test_donors_are_those_of_the_labels_file(stored, tiny_values, opened):
  examples = opened.mixture.examples["train"]
  texts = {f"{x.corpus}/train/{x.id}": x.text for x in examples}
  labels = {}
  with open(tiny_values["data"]["labels"], encoding="utf-8") as file:
    for row in map(json.loads, file):
      labels[row["corpus"], row["split"], row["id"]] = row["completed"]
  found = 0
  for row in stored[1]:
    expected = labels[row["corpus"], "test", row["id"]]
    assert row["donors"].keys() == expected.keys()
    for slot, donor in row["donors"].items():
      assert donor["donor"] == expected[slot]["donor"]
      assert donor["text"] == texts[donor["donor"]]
      assert donor["donor"].split("/")[1] == "train"
      assert donor["similarity"] == expected[slot]["similarity"]
      found += 1
  assert found


def test_embeddings_are_means_over_the_tokens_of_the_row_alone(
  stored, opened, straight
):
  """Row by row without padding; the stack is run layer by layer here."""
  _, rows, embeddings = stored
  assert embeddings.dtype == np.float32
  assert len(embeddings) == len(rows)
  mesh = mesh_lib.make_mesh(devices=1)
  params, _ = pipeline_lib.restore_params(
    opened.pipeline, mesh, RunDir(straight)
  )
  model, batcher = opened.pipeline.model, opened.batcher("test")
  for row in (0, len(rows) - 1):
    batch = batcher.batch(BatchPlan((row,), 64), 1, range(1))
    text = ("encoder_input_tokens", "segment_ids", "encoder_mask")
    length = int(batch["encoder_mask"].sum())
    batch |= {name: batch[name][:, :length] for name in text}
    hidden = model.apply(
      {"params": params}, batch, method=lambda m, b: _last_layer(m, b)
    )
    # float32 sums in another order and over other shapes.
    np.testing.assert_allclose(
      embeddings[row], np.asarray(hidden)[0].mean(0), rtol=1e-4, atol=1e-5
    )


def _last_layer(model, batch) -> jax.Array:
  """What the last encoder layer passes on after PMF, before the last norm."""
  x = model._embed(batch)
  modalities = model._read_modalities(batch, True)
  seen = []
  fuse = model._fuser("encoder", modalities, [])

  def keep(number, before, after):
    seen.append(fuse(number, before, after))
    return seen[-1]

  model.t5.encoder(x, batch["encoder_mask"], True, keep)
  return seen[-1]


def test_without_probabilities_no_old_embeddings_stay(run, opened, tmp_path):
  found, selected, source = run
  results.write(RunDir(tmp_path), "test", found, selected, source)
  path = tmp_path / "predictions" / "test_embeddings.npz"
  assert path.is_file()
  mesh = mesh_lib.make_mesh(devices=1)
  params = opened.initial_params(mesh)
  plain = Evaluator(opened, mesh).evaluate(params, "test")
  results.write(RunDir(tmp_path), "test", plain, selected, source)
  assert not path.exists()


def test_withheld_scores_have_the_names_of_the_scores(stored):
  scores = stored[0]
  assert set(scores["withheld"]) == {"audio", "video", "audio_video"}
  for corpora in scores["withheld"].values():
    assert {"mae", "acc7"} <= corpora["films"].keys()
    assert set(corpora["friends"]) == {"acc", "wf1", "macro_f1"}


def test_a_withheld_modality_is_not_read(opened):
  """Noise in the voice changes what is written only where it is read."""
  mesh = mesh_lib.make_mesh(devices=1)
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: np.asarray(rng.standard_normal(leaf.shape), np.float32),
    opened.pipeline.abstract_params(),
  )
  evaluator = Evaluator(opened, mesh)

  def outputs(withheld):
    found = evaluator.predict(
      *(params, "test", True),
      change=lambda batch, rows: missing.withhold(batch, withheld),
    )
    return np.stack([each.embedding for each in found])

  whole, deaf = outputs(()), outputs(("audio",))
  examples = opened.mixture.examples["test"]
  silent = np.array(
    [not len(opened.mixture.frames("test", each)["audio"]) for each in examples]
  )
  assert silent.any()
  assert not silent.all()
  np.testing.assert_array_equal(whole[silent], deaf[silent])
  assert (whole[~silent] != deaf[~silent]).any(axis=1).all()


def test_scores_with_modalities_missing(opened):
  """None missing gives the scores themselves, and many missing others."""
  mesh = mesh_lib.make_mesh(devices=1)
  params = opened.initial_params(mesh)
  evaluator = Evaluator(opened, mesh)
  found = evaluator.evaluate_missing(params, "test", [0.0, 0.9])
  assert [*found] == ["0", "0.9"]
  whole = evaluator.evaluate(params, "test").corpora
  for corpus, scores in found["0"].items():
    assert scores == {
      k: v for k, v in whole[corpus].items() if isinstance(v, float)
    }
  assert found["0.9"].keys() == whole.keys()


def test_every_opening_of_the_test_split_is_counted(tmp_path, caplog):
  assert results.record_opening(RunDir(tmp_path), 30, {"commit": "abc"}) == 1
  assert "opened" not in caplog.text
  assert results.record_opening(RunDir(tmp_path), 60, {"commit": None}) == 2
  assert "now been scored 2 times" in caplog.text
  lines = (RunDir(tmp_path).openings_file).read_text().splitlines()
  found = [json.loads(line) for line in lines]
  assert [each["step"] for each in found] == [30, 60]
  assert found[0]["commit"] == "abc"
  assert found[0]["time"].endswith("+00:00")


def test_only_the_test_split_is_counted(stored, straight, tiny_config):
  assert stored[0]["test_openings"] >= 1
  path = RunDir(straight).openings_file
  before = path.read_text()
  found, _, _ = evaluation_run.evaluate(tiny_config(), straight, "validation")
  assert found.test_openings is None
  assert not found.withheld
  assert path.read_text() == before
