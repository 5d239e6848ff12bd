"""What is written loads in torch, and here again bit for bit."""

import dataclasses
import errno
import resource

import jax
import numpy as np
import pytest

from unimse_jax import pretrained
from unimse_jax.data import sentencepiece_file, tokenizer
from unimse_jax.models import T5
from unimse_jax.pretrained import names

# Issue 4 demands it: float32 sums in another order.
_TOLERANCE = 1e-4
_KINDS = {
  "v1.0": {},
  "v1.1": {"tied": False, "scale_logits": False, "gated": True}
  | {"activation": "gelu_new"},
  "tied_unscaled": {"scale_logits": False},
  "untied_scaled": {"tied": False},
  "exact_gelu": {"gated": True, "activation": "gelu"},
  "bfloat16": {"dtype": "bfloat16"},
}


@pytest.fixture
def vocabulary(shared_data) -> bytes:
  return (shared_data / "t5_vocab" / "spiece.model").read_bytes()


@pytest.mark.parametrize("kind", _KINDS)
def test_torch_gives_the_same_logits(kind, tiny_t5, fill, vocabulary, tmp_path):
  import torch
  from transformers import T5ForConditionalGeneration

  config = dataclasses.replace(tiny_t5, vocab_size=32128, **_KINDS[kind])
  tokens = np.random.default_rng(0).integers(3, 32000, (2, 30))
  params = fill(T5(config), tokens, tokens > 0, tokens)
  pretrained.save(tmp_path, config, params, vocabulary)
  model = T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
  with torch.no_grad():
    expected = model(
      input_ids=torch.tensor(tokens), decoder_input_ids=torch.tensor(tokens)
    ).logits.numpy()
  exact = dataclasses.replace(config, dtype="float32")
  found = T5(exact).apply({"params": params}, tokens, tokens > 0, tokens)
  np.testing.assert_allclose(found, expected, rtol=0, atol=_TOLERANCE)
  assert expected.std() > 100 * _TOLERANCE
  loaded, again = pretrained.load(str(tmp_path))
  # The type of the computation is no fact of a checkpoint.
  assert loaded == exact
  jax.tree.map(np.testing.assert_array_equal, params, again)


def test_the_tokenizer_gives_our_ids(tiny_t5, fill, vocabulary, tmp_path):
  from transformers import AutoTokenizer, T5Tokenizer

  config = dataclasses.replace(tiny_t5, vocab_size=32128)
  tokens = np.ones((1, 1), np.int32)
  params = fill(T5(config), tokens, tokens > 0, tokens)
  pretrained.save(tmp_path, config, params, vocabulary)
  ours = tokenizer.Tokenizer(tmp_path / "spiece.model")
  texts = ["positive, 1.6, joy, excited", "negative, -2.33, anger, frustrated"]
  texts += ["sst2 sentence: oh,  no! | it's \ufb01ne \u2026 caf\u00e9"]
  texts += ["\U0001f600 so  what\n"]
  for kind in (AutoTokenizer, T5Tokenizer):
    theirs = kind.from_pretrained(tmp_path)
    for text in texts:
      ids = theirs(text).input_ids
      assert ids == [*ours.encode(text), 1], text
    assert theirs.convert_tokens_to_ids("<extra_id_0>") == 32099
    assert theirs.decode(ours.encode(texts[0])) == texts[0]


@pytest.mark.parametrize(
  ("table", "own", "sentinels"),
  [
    (32128, 0, 100),
    (32050, 0, 50),
    (32000, 0, 0),
    # As mT5: among its pieces, and the table has 12 rows more.
    (32112, 100, 0),
  ],
)
def test_the_tokenizer_has_no_id_beyond_the_table(
  tiny_t5, fill, vocabulary, tmp_path, table, own, sentinels
):
  from transformers import AutoTokenizer

  config = dataclasses.replace(tiny_t5, vocab_size=table)
  tokens = np.ones((1, 1), np.int32)
  params = fill(T5(config), tokens, tokens > 0, tokens)
  if own:
    (tmp_path / "t5.model").write_bytes(vocabulary)
    pieces = tokenizer.pieces(tmp_path / "t5.model")
    pieces += [(f"\u2581<extra_id_{number}>", 0.0) for number in range(own)]
    vocabulary = sentencepiece_file._message(
      pieces, sentencepiece_file.normalization(vocabulary)
    )
  pretrained.save(tmp_path, config, params, vocabulary)
  ours = tokenizer.Tokenizer(tmp_path / "spiece.model")
  theirs = AutoTokenizer.from_pretrained(tmp_path)
  assert ours.size == 32000 + own
  assert len(theirs) == ours.size + sentinels <= table
  text = "a film <extra_id_0>"
  if own:  # read as a piece, as SentencePiece itself does
    assert theirs(text).input_ids == [*ours.encode(text), 1]
  assert max(theirs(text).input_ids) < table


def test_a_parameter_that_no_t5_has_is_refused(tiny_t5, vocabulary, tmp_path):
  params = {"adapter": {"kernel": np.zeros((2, 2), np.float32)}}
  with pytest.raises(ValueError, match="adapter/kernel"):
    pretrained.save(tmp_path, tiny_t5, params, vocabulary)


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
  """safetensors' own error is none, and no command would expect it."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
  try:
    with pytest.raises(OSError, match="File too large") as caught:
      pretrained.save_tensors(tmp_path / "x", {"a": np.zeros(1000)})
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert caught.value.errno == errno.EIO
  assert caught.value.filename == str(tmp_path / "x")


def test_every_name_is_read_as_the_path_that_it_was_written_for():
  found = names.torch_names(2, 1)
  assert all(names.path(name) == path for path, name in found.items())
  assert found["decoder/layers_0/feed_forward/wi_0/kernel"] == (
    "decoder.block.0.layer.2.DenseReluDense.wi_0.weight"
  )
  assert found["encoder/layers_1/feed_forward/wo/kernel"] == (
    "encoder.block.1.layer.1.DenseReluDense.wo.weight"
  )
