"""What training leaves in a workdir opens again, or says what is missing."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import traverse_util

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.records import Record
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.errors import InputError
from unimse_jax.labels import (
  EmotionScheme,
  LabelSchema,
  LabelText,
  UniversalLabel,
)
from unimse_jax.pipeline import model_shape
from unimse_jax.rundir import RunDir


@pytest.fixture(scope="module")
def workdir(tiny_config, tmp_path_factory):
  folder = tmp_path_factory.mktemp("workdir")
  pipeline_lib.prepare_run(tiny_config(), RunDir(folder))
  return folder


def test_it_opens_without_corpora_or_pretrained_weights(tiny_config, workdir):
  config = tiny_config(
    {
      "data.dir": "/gone",
      "data.labels": "/gone.jsonl",
      "t5.pretrained": "/gone",
    }
  )
  opened = pipeline_lib.open_pipeline(config, RunDir(workdir))
  assert opened.label_text.schema.slots == ("polarity", "intensity", "moods")
  assert opened.model.config.t5.width == 16
  shapes = opened.abstract_params()
  assert "modality_encoder_audio" in shapes


def test_a_folder_that_is_no_workdir_says_what_is_missing(
  tiny_config, tmp_path
):
  with pytest.raises(InputError, match="train first") as caught:
    pipeline_lib.open_pipeline(tiny_config(), RunDir(tmp_path))
  for name in ("tokenizer/spiece.model", "features.npz", "model.json"):
    assert name in str(caught.value)


def test_a_workdir_without_a_checkpoint_is_refused(tiny_config, workdir):
  from unimse_jax.parallel.mesh import make_mesh

  opened = pipeline_lib.open_pipeline(tiny_config(), RunDir(workdir))
  with pytest.raises(InputError, match="checkpoint"):
    pipeline_lib.restore_params(opened, make_mesh(devices=1), RunDir(workdir))


def test_more_fused_layers_than_a_pretrained_t5_has_are_refused(
  tiny_config, tiny_t5
):
  config = tiny_config({"t5.pretrained": "some/t5", "model.pmf_layers": 3})
  with pytest.raises(InputError, match="at most t5.encoder_layers = 2"):
    model_shape.model_config(config, tiny_t5)


def test_dropout_and_compute_type_are_the_configs(tiny_config, tiny_t5):
  config = tiny_config({"t5.dtype": "bfloat16", "t5.dropout": 0.25})
  found = model_shape.model_config(config, tiny_t5).t5
  expected = dataclasses.replace(tiny_t5, dtype="bfloat16", dropout=0.25)
  assert found == expected


def test_no_contrastive_weights_means_no_contrastive_parameters(
  tiny_config, tiny_t5
):
  both = {"loss.alpha": 0.0, "loss.beta": 0.0}
  assert not model_shape.model_config(tiny_config(both), tiny_t5).contrastive
  one = {"loss.alpha": 0.0}
  assert model_shape.model_config(tiny_config(one), tiny_t5).contrastive


@pytest.fixture
def opened_with(tiny_config, straight):
  """Opens the trained run, and weighs completed fields otherwise than it."""

  def make(weight: float, **changes) -> pipeline_lib.Pipeline:
    opened = pipeline_lib.open_pipeline(tiny_config(), RunDir(straight))
    config = tiny_config({"loss.completed_weight": weight})
    return dataclasses.replace(opened, config=config, **changes)

  return make


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_tokens_of_completed_fields_have_their_own_weight(weight, opened_with):
  opened = opened_with(weight)
  label = UniversalLabel("positive", 1.6, {"moods": "joy"}, {"intensity": {}})
  row = opened.encode_example(
    Record(id="a", text="so", corpus="films", label=label)
  )
  decode = opened.tokenizer.decode
  spoken = [
    decode([token]).strip()
    for token, found in zip(row.target, row.weights, strict=True)
    if found == weight != 1.0
  ]
  # The number's pieces, without the separators around them.
  assert "".join(spoken) == ("1.6" if weight != 1.0 else "")
  assert row.weights[0] == row.weights[-1] == 1.0
  assert len(row.weights) == len(row.target)


@pytest.mark.parametrize(
  ("intensity", "slot", "pieces", "weighed"),
  [
    # T5 has pieces for whole numbers with the comma that follows them.
    (1.0, "intensity", ["positive", ",", "1,", "joy"], [2]),
    (2.0, "intensity", ["positive", ",", "2,", "joy"], [2]),
    (0.0, "intensity", ["positive", ",", "0,", "joy"], [2]),
    (3.0, "intensity", ["positive", ",", "3,", "joy"], [2]),
    (1.0, "moods", ["positive", ",", "1,", "joy"], [3]),
    (1.0, "polarity", ["positive", ",", "1,", "joy"], [0]),
    (1.6, "intensity", ["positive", ",", "", "1.6", ",", "joy"], [3]),
    (-3.0, "intensity", ["positive", ",", "", "-3", ",", "joy"], [3]),
    (
      -0.67,
      "intensity",
      ["positive", ",", "", "-", "0.6", "7", ",", "joy"],
      [3, 4, 5],
    ),
  ],
)
def test_t5s_own_pieces_have_the_weight_of_their_fields(
  intensity, slot, pieces, weighed, opened_with, shared_data
):
  vocabulary = Tokenizer(shared_data / "t5_vocab" / "spiece.model")
  opened = opened_with(0.25, tokenizer=vocabulary)
  label = UniversalLabel("positive", intensity, {"moods": "joy"}, {slot: {}})
  tokens, weights = opened.encode_label(label)
  decode = opened.tokenizer.decode
  assert [decode([token]) for token in tokens[:-1]] == pieces
  expected = [0.25 if place in weighed else 1.0 for place in range(len(tokens))]
  assert weights == expected


def test_offsets_count_bytes_where_a_class_is_not_ascii(opened_with):
  schema = LabelSchema(
    True, (EmotionScheme("moods", {"\u00e9mue": "", "joy": "positive"}),)
  )
  opened = opened_with(0.5, label_text=LabelText(schema))
  label = UniversalLabel("neutral", 0.0, {"moods": "\u00e9mue"}, {"moods": {}})
  row = opened.encode_example(
    Record(id="a", text="so", corpus="films", label=label)
  )
  assert row.weights[-2:] == [0.5, 1.0]
  assert row.weights[0] == 1.0


def test_an_emotion_weighs_what_its_class_does(opened_with):
  opened = opened_with(0.5)
  label = UniversalLabel("positive", 1.6, {"moods": "joy"})
  plain = opened.encode_label(label)[1]
  assert set(plain) == {1.0}
  weighed = {"moods": {"joy": 3.0, "anger": 0.2}}
  weights = opened.encode_label(label, weighed)[1]
  changed = [place for place, each in enumerate(weights) if each != 1.0]
  assert changed
  assert {weights[place] for place in changed} == {3.0}
  given = UniversalLabel("positive", 1.6, {"moods": "joy"}, {"moods": {}})
  both = opened.encode_label(given, weighed)[1]
  assert {both[place] for place in changed} == {1.5}
  assert 1.0 in both


@pytest.mark.parametrize("system", ["early_fusion", "dialogue_crn"])
def test_lstms_of_other_systems_start_with_the_same_time_scales(
  system, tiny_config, straight
):
  opened = pipeline_lib.open_pipeline(tiny_config(), RunDir(straight))

  def start(**changes):
    config = tiny_config(changes)
    model = model_shape.make_model(
      config, opened.model.config.t5, opened.label_text
    )
    changed = dataclasses.replace(opened, config=config, model=model)
    params = jax.jit(changed.init)(jax.random.key(0))
    flat = traverse_util.flatten_dict(params, sep="/")
    return {
      name: [
        np.asarray(leaf)
        for path, leaf in flat.items()
        if path.endswith(f"{name}/lstm/input/bias")
      ]
      for name in ("audio", "video")
    }

  unimse, rival = start(), start(**{"rival.system": system})
  for name, (bias,) in unimse.items():
    assert bias.max() > 0
    (found,) = rival[name]
    # Of another width: the time scales, not the units, are the same.
    assert found.max() == pytest.approx(bias.max())
    assert found.min() == pytest.approx(bias.min())
