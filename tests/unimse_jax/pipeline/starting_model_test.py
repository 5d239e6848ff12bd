"""Training on from a run or a package: what is taken and what is new."""

import jax
import numpy as np
import pytest
from flax import traverse_util

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.features import FeatureTransform
from unimse_jax.errors import InputError
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.pipeline import preparation
from unimse_jax.prediction import package
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer

# As many as the run's corpus has.
_MOODS = {"bliss": "positive", "dread": "negative", "awe": "neutral"}


@pytest.fixture(scope="module")
def mesh():
  return make_mesh(devices=1)


@pytest.fixture(scope="module")
def plays(tmp_path_factory, corpus_writer, label_writer):
  """A corpus with words for emotions that the run never wrote."""
  folder = tmp_path_factory.mktemp("plays")

  def describe(split, number):
    word = tuple(_MOODS)[number % 3]
    return {"text": f"a play of {word} number {number}", "emotion": word}

  corpus_writer(folder, "plays", describe=describe, emotions=_MOODS)
  label_writer(folder, "plays")
  return folder


@pytest.fixture
def changes(plays):
  return {
    "data.dir": str(plays),
    "data.corpora": ("plays",),
    "data.labels": str(plays / "plays.jsonl"),
    "loss.heads": 0.0,  # the run's are of other classes
    "decoding.emotion": "written",
    # Neither is read beside a model to start from.
    "tokenizer.vocab_size": 2000,
    "t5.width": 64,
  }


def flat_params(config, run_dir: RunDir, mesh, caplog) -> dict:
  experiment = pipeline_lib.prepare_run(config, run_dir)
  with caplog.at_level("INFO", logger="absl"):
    params = experiment.initial_params(mesh)
  return traverse_util.flatten_dict(params, sep="/")


def trained_params(straight, mesh) -> dict:
  run_dir = RunDir(straight)
  opened = pipeline_lib.open_pipeline(run_dir.read_config(), run_dir)
  params, _ = pipeline_lib.restore_params(opened, mesh, run_dir)
  flat = traverse_util.flatten_dict(dict(params), sep="/")
  return {
    path: leaf for path, leaf in flat.items() if not path.startswith("heads/")
  }


def test_heads_of_other_classes_are_new(
  straight, tiny_config, changes, mesh, tmp_path, caplog
):
  """As many as the corpus has, but others: a start would be the wrong one."""
  more = {"train.init_from": str(straight), "loss.heads": 1.0}
  flat_params(tiny_config(changes | more), RunDir(tmp_path), mesh, caplog)
  assert "New, from random values: heads/moods/bias, heads" in caplog.text


def test_everything_of_the_same_model_is_taken(
  straight, tiny_config, changes, mesh, tmp_path, caplog
):
  config = tiny_config(changes | {"train.init_from": str(straight)})
  found = flat_params(config, RunDir(tmp_path), mesh, caplog)
  expected = trained_params(straight, mesh)
  assert found.keys() == expected.keys()
  for path, leaf in found.items():
    np.testing.assert_array_equal(leaf, expected[path], path)
  assert f"{len(found)} of {len(found)} arrays are taken" in caplog.text
  assert "New, from" not in caplog.text
  own, theirs = RunDir(tmp_path), RunDir(straight)
  assert own.tokenizer_file.read_bytes() == theirs.tokenizer_file.read_bytes()
  scales = [FeatureTransform.load(each.features_file) for each in (own, theirs)]
  jax.tree.map(np.testing.assert_array_equal, *(vars(each) for each in scales))


def test_a_package_gives_what_its_run_gives(
  straight, tiny_config, changes, mesh, tmp_path, caplog
):
  out = tmp_path / "package"
  package.write(straight, out, overwrite=False)
  config = tiny_config(changes | {"train.init_from": str(out)})
  found = flat_params(config, RunDir(tmp_path / "run"), mesh, caplog)
  expected = trained_params(straight, mesh)
  assert found.keys() == expected.keys()
  for path, leaf in found.items():
    np.testing.assert_array_equal(leaf, expected[path], path)


def test_what_does_not_fit_is_new_and_named(
  straight, tiny_config, changes, mesh, tmp_path, caplog
):
  """A wider adapter, PMF in one more layer, and a face that is read anew."""
  more = {
    "train.init_from": str(straight),
    "model.pmf_layers": 2,
    "model.contrastive_width": 5,
    "data.video_components": 3,
  }
  config = tiny_config(changes | more)
  found = flat_params(config, RunDir(tmp_path), mesh, caplog)
  expected = trained_params(straight, mesh)
  taken = {
    path
    for path, leaf in found.items()
    if path in expected and np.array_equal(leaf, expected[path])
  }
  assert {path for path in found if path.startswith("t5/")} <= taken
  assert "fusion_layers_1/down/kernel" in taken
  assert "fusion_layers_0/down/kernel" not in expected
  assert any(path.startswith("modality_encoder_audio/") for path in taken)
  assert not any(
    path.startswith("modality_encoder_video/") and path.endswith("kernel")
    for path in taken
  )
  text = caplog.text
  assert "New, from random values: contrastive_" in text
  assert "Not taken from there: " in text
  scale = FeatureTransform.load(RunDir(tmp_path).features_file)
  theirs = FeatureTransform.load(RunDir(straight).features_file)
  assert scale.width("video") == 3
  np.testing.assert_array_equal(scale.mean["audio"], theirs.mean["audio"])


def test_adapters_of_other_modalities_are_new_and_change_nothing(
  straight, tiny_config, changes, mesh, tmp_path, caplog
):
  """As wide as theirs or not: columns of a face are none of a voice."""
  more = {"train.init_from": str(straight), "data.modalities": ("audio",)}
  config = tiny_config(changes | more)
  found = flat_params(config, RunDir(tmp_path), mesh, caplog)
  expected = trained_params(straight, mesh)
  name = "fusion_layers_1/up/kernel"
  assert np.abs(expected[name]).max() > 0
  assert np.abs(found[name]).max() == 0
  np.testing.assert_array_equal(
    found["modality_encoder_audio/out/kernel"],
    expected["modality_encoder_audio/out/kernel"],
  )
  assert "fusion_decoder_layers_0/up/bias and" in caplog.text


@pytest.mark.parametrize(
  ("field", "value", "start"),
  [
    ("model.pmf_units", "none", "fusion_"),
    ("model.pmf_place", "parallel", "fusion_"),
    ("model.adapter_activation", "relu", "fusion_"),
    ("model.adapter_width", 3, "fusion_"),
    ("model.modality_width", 5, "fusion_"),
    ("model.segment_units", "none", "segment_embedding/"),
  ],
)
def test_numbers_that_would_mean_something_else_are_new(
  straight, tiny_config, changes, mesh, tmp_path, caplog, field, value, start
):
  """Also those of the same shape: with other units W is no difference."""
  config = tiny_config(
    changes | {"train.init_from": str(straight), field: value}
  )
  found = flat_params(config, RunDir(tmp_path), mesh, caplog)
  expected = trained_params(straight, mesh)
  anew = [path for path in found if path.startswith(start)]
  assert anew
  for path in anew:
    assert not np.array_equal(found[path], expected[path]), path
  assert f"{len(found) - len(anew)} of {len(found)} arrays" in caplog.text or (
    field == "model.modality_width"  # the LSTMs do not fit either
  )


def test_training_goes_on_with_other_words_and_resumes(
  straight, tiny_config, changes, tmp_path
):
  more = {
    "train.init_from": str(straight),
    "t5.warm_start": "sentences",  # not read: there are no sentence vectors
    "train.epochs": 1,
  }
  outcome = trainer.train(tiny_config(changes | more), tmp_path)
  assert outcome.finished
  opened = pipeline_lib.open_pipeline(
    RunDir(tmp_path).read_config(), RunDir(tmp_path)
  )
  assert opened.label_text.schema.classes("moods") == tuple(_MOODS)
  assert opened.model.config.t5.width == 16
  longer = trainer.train(
    tiny_config(changes | more | {"train.epochs": 2}), tmp_path
  )
  assert longer.step == 2 * outcome.step


def test_nothing_to_start_from_is_one_message(
  tiny_config, changes, tmp_path, monkeypatch
):
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
  (tmp_path / "empty").mkdir()
  for name in ("none", "empty"):
    config = tiny_config(changes | {"train.init_from": str(tmp_path / name)})
    with pytest.raises(InputError, match="1 thing") as caught:
      preparation.check_inputs(config)
    assert "config.train.init_from" in str(caught.value)
    assert "a trained run, a directory of unimse_jax.package" in str(
      caught.value
    )
