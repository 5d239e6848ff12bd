"""What a config names is looked for, made once and kept."""

import dataclasses
import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from unimse_jax import config as config_lib
from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.batching import BatchPlan
from unimse_jax.errors import InputError
from unimse_jax.models import UniMSE
from unimse_jax.pipeline import model_shape, preparation
from unimse_jax.rundir import RunDir

_CONFIGS = pathlib.Path(base.__file__).parent
_NAMES = sorted(
  ".".join(path.relative_to(_CONFIGS).with_suffix("").parts)
  for path in _CONFIGS.glob("*.py")
  if path.name != "__init__.py"
)


@pytest.mark.parametrize("name", _NAMES)
def test_every_config_builds(name):
  """Shapes only; a pretrained T5 has T5-base's, which the config repeats."""
  values = importlib.import_module(f"configs.{name}").get_config().to_dict()
  config = config_lib.validate(values)
  t5 = model_shape.random_t5(config, 32100)
  assert t5.vocab_size == 32128
  model = UniMSE(model_shape.model_config(config, t5))
  tokens = jax.ShapeDtypeStruct((2, 9), jnp.int32)
  mask = jax.ShapeDtypeStruct((2, 9), jnp.bool_)
  batch = {
    "encoder_input_tokens": tokens,
    "segment_ids": tokens,
    "encoder_mask": mask,
    "decoder_input_tokens": tokens,
    "decoder_target_tokens": tokens,
  }
  for modality in config.data.modalities:
    batch[modality] = jax.ShapeDtypeStruct((2, 9, 64), jnp.float32)
    batch[f"{modality}_mask"] = mask
  output, variables = jax.eval_shape(
    model.init_with_output, jax.random.key(0), batch
  )
  assert output.logits.shape == (2, 9, 32128)
  assert output.logits.dtype == jnp.float32
  if config.t5.pretrained:
    leaves = jax.tree.leaves(variables["params"]["t5"])
    assert sum(leaf.size for leaf in leaves) == 222_903_552


def test_everything_missing_is_in_one_message(monkeypatch, tmp_path):
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
  values = base.get_config().to_dict()
  values["data"]["dir"] = str(tmp_path)
  values["data"]["labels"] = str(tmp_path / "labels.jsonl")
  values["tokenizer"]["path"] = str(tmp_path / "spiece.model")
  with pytest.raises(InputError) as caught:
    preparation.check_inputs(config_lib.validate(values))
  message = str(caught.value)
  assert "7 thing(s)" in message
  for name in ("mosi", "mosei", "meld", "iemocap"):
    assert f"feature_export.export --corpus {name} --raw" in message
  assert "feature_export.universal_labels --data" in message
  assert "hf download google-t5/t5-base" in message
  assert "config.tokenizer.path" in message


def test_a_new_workdir_gets_its_files_and_an_old_one_keeps_them(
  tiny_config, tmp_path
):
  opened = pipeline_lib.prepare_run(tiny_config(), RunDir(tmp_path))
  names = ("tokenizer/spiece.model", "features.npz", "model.json")
  before = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
  found = sorted(
    str(path.relative_to(tmp_path))
    for path in tmp_path.rglob("*")
    if path.is_file()
  )
  assert found == sorted(names)  # and no scratch file
  again = pipeline_lib.prepare_run(tiny_config(), RunDir(tmp_path))
  after = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
  assert before == after
  assert again.pipeline.label_text == opened.pipeline.label_text
  assert again.pipeline.model == opened.pipeline.model


def test_labels_that_are_too_long_to_write_are_learnt_whole(
  tiny_config, tmp_path, caplog
):
  config = tiny_config(
    {"decoding.max_new_tokens": 2, "decoding.constrained": False}
  )
  with caplog.at_level("WARNING"):
    opened = pipeline_lib.prepare_run(config, RunDir(tmp_path))
  assert "cannot be written whole" in caplog.text
  encoded = opened.batcher("train").encoded
  longest = max(len(row.target) for row in encoded)
  assert longest > 3
  assert opened.pipeline.collator.target_length == longest


def test_every_label_is_written_within_the_target_length(tiny_config, tmp_path):
  config = tiny_config({"decoding.max_new_tokens": 40})
  opened = pipeline_lib.prepare_run(config, RunDir(tmp_path))
  for split in ("train", "validation", "test"):
    batcher = opened.batcher(split)
    for row in batcher.encoded:
      assert len(row.target) <= opened.pipeline.collator.target_length
      written = opened.pipeline.tokenizer.decode(row.target)
      assert not opened.pipeline.label_text.parse(written).malformed


def test_numbers_are_drawn_anew_each_step_near_the_rated_ones(
  tiny_config, tmp_path
):
  config = tiny_config(
    {"loss.number_spread": 100.0, "decoding.max_new_tokens": 40}
  )
  opened = pipeline_lib.prepare_run(config, RunDir(tmp_path))
  # All positive numbers are equal, and all negative ones too. Every second is
  # halved here, which leaves two of each sign to draw from.
  examples = [
    dataclasses.replace(
      each, label=dataclasses.replace(each.label, intensity=value / 2)
    )
    if (value := each.label.intensity) and number % 2
    else each
    for number, each in enumerate(opened.mixture.examples["train"])
  ]
  loaded = dataclasses.replace(opened.mixture, examples={"train": examples})
  # Halves may have more tokens than any label that the length was made for.
  collator = dataclasses.replace(opened.pipeline.collator, target_length=40)
  longer = dataclasses.replace(opened.pipeline, collator=collator)
  opened = dataclasses.replace(opened, mixture=loaded, pipeline=longer)
  batcher = opened.training_batcher()
  plan = BatchPlan(tuple(range(len(batcher.encoded))), 64)
  size = len(plan.rows)
  own = range(size)

  def written(draw):
    target = batcher.batch(plan, size, own, draw)["decoder_target_tokens"]
    return [*map(opened.pipeline.tokenizer.decode, target)]

  first = written((0, 0))
  assert first == written((0, 0)) != written((0, 1)) != written((1, 1))
  # Without a draw, as in an evaluation, targets are the rated ones.
  rated = batcher.batch(plan, size, own)["decoder_target_tokens"]
  changed = 0
  for text, target in zip(first, rated, strict=True):
    polarity, number, mood = opened.pipeline.tokenizer.decode(target).split(
      ", "
    )
    new_polarity, new_number, new_mood = text.split(", ")
    assert (new_polarity, new_mood) == (polarity, mood)
    assert np.sign(float(new_number)) == np.sign(float(number))
    changed += new_number != number
  assert changed


def test_without_a_spread_targets_are_the_rated_ones(tiny_config, tmp_path):
  opened = pipeline_lib.prepare_run(tiny_config(), RunDir(tmp_path))
  assert opened.training_batcher().redraw is None


def test_labels_that_contradict_themselves_stay_legal_and_are_told(
  tiny_config, tmp_path, caplog
):
  """Rounded to no decimal, "positive, 0.4" is a positive 0."""
  config = tiny_config({"label.decimals": 0})
  opened = pipeline_lib.prepare_run(config, RunDir(tmp_path / "a"))
  assert opened.pipeline.label_text.contradictions == frozenset()
  loaded = opened.mixture
  example = loaded.examples["train"][0]
  example = dataclasses.replace(
    example,
    label=dataclasses.replace(
      example.label, polarity="positive", intensity=0.4
    ),
  )
  loaded = dataclasses.replace(loaded, examples={"train": [example]})
  with caplog.at_level("WARNING"):
    found = preparation._contradictions(loaded, opened.pipeline.label_text)
  assert ("positive", "intensity", "0") in found
  assert "contradict themselves in" in caplog.text


def test_too_large_a_vocabulary_for_the_t5_is_refused(
  tiny_config, tmp_path, shared_data
):
  """The vocabulary of t5_vocab has 32,000 pieces, this T5 1,200 entries."""
  config = tiny_config(
    {
      "t5.pretrained": str(shared_data / "hf_flax_t5" / "t5"),
      "tokenizer.path": str(shared_data / "t5_vocab"),
    }
  )
  with pytest.raises(InputError, match="at most the 1200 entries"):
    pipeline_lib.prepare_run(config, RunDir(tmp_path))


def test_a_pretrained_t5_is_what_training_starts_from(
  tiny_config, corpora, tmp_path, shared_data
):
  from unimse_jax import pretrained
  from unimse_jax.data import tokenizer
  from unimse_jax.parallel.mesh import make_mesh

  folder = shared_data / "hf_flax_t5" / "t5_v1_1"
  vocabulary = tmp_path / "spiece.model"
  words = ("positive", "joy")
  tokenizer.train(["a great film", "joy and anger"] * 9, words, 60, vocabulary)
  config = tiny_config(
    {"t5.pretrained": str(folder), "tokenizer.path": str(vocabulary)}
  )
  opened = pipeline_lib.prepare_run(config, RunDir(tmp_path / "run"))
  params = opened.initial_params(make_mesh(devices=1))
  t5, expected = pretrained.load(str(folder))
  assert opened.pipeline.model.config.t5.width == t5.width
  jax.tree.map(
    lambda a, b: (a == b).all() or pytest.fail("differs"),
    params["t5"],
    expected,
  )
  assert jax.tree.structure(params["t5"]) == jax.tree.structure(expected)


@pytest.mark.parametrize(
  ("with_t5", "read", "table", "told"),
  [
    ("film", "film", 512, False),
    ("film", "awful", 512, True),  # as many pieces, others
    (None, "film", 512, True),
    (None, "film", 128, False),
  ],
)
def test_another_vocabulary_than_the_t5s_is_told(
  tiny_config, tiny_t5, fill, tmp_path, caplog, with_t5, read, table, told
):
  from unimse_jax import pretrained
  from unimse_jax.data import tokenizer
  from unimse_jax.models import T5

  for word in {with_t5, read} - {None}:
    texts, file = [f"a great {word}", "joy"] * 9, tmp_path / f"{word}.model"
    tokenizer.train(texts, ("positive", "joy"), 40, file)
  folder = tmp_path / "t5"
  folder.mkdir()
  t5 = dataclasses.replace(tiny_t5, vocab_size=table)
  tokens = np.ones((1, 1), np.int32)
  params = fill(T5(t5), tokens, tokens > 0, tokens)
  own = (tmp_path / f"{with_t5 or read}.model").read_bytes()
  pretrained.save(folder, t5, params, own)
  if with_t5 is None:
    (folder / "spiece.model").unlink()
    (folder / "tokenizer.json").unlink()
  path = str(tmp_path / f"{read}.model")
  config = tiny_config({"t5.pretrained": str(folder), "tokenizer.path": path})
  with caplog.at_level("WARNING"):
    preparation._t5_config(config, tokenizer.Tokenizer(pathlib.Path(path)))
  assert ("expected the vocabulary that the T5" in caplog.text) == told


def test_weights_are_looked_for_with_everything_else(
  tiny_config, corpora, tmp_path
):
  pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
  (tmp_path / "config.json").write_text("{}")
  config = tiny_config({"t5.pretrained": str(tmp_path)})
  with pytest.raises(InputError, match=r"expected one of model\.safetensors"):
    preparation.check_inputs(config)
  (tmp_path / "model.safetensors").write_text(pointer)
  with pytest.raises(InputError, match="1 thing.*\n.*is a Git LFS pointer"):
    preparation.check_inputs(config)


def test_a_t5_with_a_tokenizer_json_alone_is_trained_from(
  tiny_config, corpora, tmp_path, tiny_t5, fill
):
  """As transformers 5 saves it; the workdir gets a SentencePiece file."""
  from unimse_jax import pretrained
  from unimse_jax.data import tokenizer
  from unimse_jax.models import T5

  folder, vocabulary = tmp_path / "t5", tmp_path / "own.model"
  words = ("positive", "joy")
  tokenizer.train(["a great film", "joy and anger"] * 9, words, 60, vocabulary)
  folder.mkdir()
  t5 = dataclasses.replace(tiny_t5, vocab_size=128)
  tokens = np.ones((1, 1), np.int32)
  params = fill(T5(t5), tokens, tokens > 0, tokens)
  pretrained.save(folder, t5, params, vocabulary.read_bytes())
  (folder / "spiece.model").unlink()
  config = tiny_config({"t5.pretrained": str(folder)})
  run_dir = RunDir(tmp_path / "run")
  pipeline_lib.prepare_run(config, run_dir)
  made = tokenizer.Tokenizer(run_dir.tokenizer_file)
  expected = tokenizer.Tokenizer(vocabulary)
  assert made.surfaces() == expected.surfaces()
  for text in ("positive, 1.6, joy", "a great, great film", "angerjoy joy"):
    assert made.encode(text) == expected.encode(text)
