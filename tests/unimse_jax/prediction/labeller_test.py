"""Labels, probabilities and numbers of a batch, against scoring one by one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.batching import BatchPlan
from unimse_jax.data.tokenizer import EOS
from unimse_jax.errors import InputError
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.parallel import sharding
from unimse_jax.prediction.labeller import Labeller
from unimse_jax.rundir import RunDir

_ROWS = 8


@pytest.fixture(scope="module")
def opened(straight, tiny_config):
  return pipeline_lib.prepare_run(tiny_config(), RunDir(straight))


@pytest.fixture(scope="module")
def arrays(opened):
  batcher = opened.batcher("test")
  return batcher.batch(BatchPlan(tuple(range(_ROWS)), 64), _ROWS, range(_ROWS))


@pytest.fixture(scope="module")
def noise(opened):
  """Parameters that write nonsense, another one for every row."""
  shapes = opened.pipeline.abstract_params()
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: np.asarray(rng.standard_normal(leaf.shape), np.float32), shapes
  )


@pytest.fixture(scope="module")
def label(opened, arrays, noise):
  """Labels of the batch, with changes to the config's decoding."""

  def make(
    devices=1,
    shape=(1, 1),
    params=None,
    probable=True,
    text=None,
    also_free=True,
    **changes,
  ):
    base = opened.pipeline
    label_text = dataclasses.replace(base.label_text, **(text or {}))
    changes = {"batch_size": _ROWS, "emotion": "written", **changes}
    decoding = dataclasses.replace(base.config.decoding, **changes)
    mesh = mesh_lib.make_mesh(fsdp=shape[0], model=shape[1], devices=devices)
    params = noise if params is None else params
    placed = jax.device_put(params, sharding.state_sharding(params, mesh))
    labeller = Labeller(
      base.model, base.tokenizer, label_text, decoding, mesh, also_free
    )
    (labelled,) = labeller.label(placed, [(arrays, _ROWS)], probable)
    return labelled

  return make


@pytest.fixture(scope="module")
def labelled(label):
  return label()


def test_every_output_is_legal_though_the_model_writes_nonsense(
  labelled, opened
):
  text = opened.pipeline.label_text
  words = [set(text.words(slot)) for slot in text.slots]
  for each in labelled:
    fields = each.output.split(text.separator)
    assert all(
      field in legal for field, legal in zip(fields, words, strict=True)
    )
    assert not each.parsed.malformed
    assert each.free.malformed
  assert len({each.output for each in labelled}) > 1


def test_without_the_grammar_the_free_text_is_the_output(label, labelled):
  free = label(constrained=False, probable=False)
  assert [each.parsed for each in free] == [each.free for each in labelled]
  assert all(each.free is None for each in free)


def test_the_free_text_is_left_out_where_nobody_reads_it(label, labelled):
  found = label(probable=False, also_free=False)
  assert [each.output for each in found] == [each.output for each in labelled]
  assert all(each.free is None for each in found)


@pytest.fixture(scope="module")
def brute_force(opened, arrays, noise, score_texts):
  """float64 log P of a text of one row, alone, by teacher forcing."""
  model = opened.pipeline.model
  encoded = jax.jit(
    lambda batch: model.apply({"params": noise}, batch, method="encode")
  )(arrays)
  mask = jnp.asarray(arrays["encoder_mask"])
  score = jax.jit(
    lambda row, targets: score_texts(
      model,
      {"params": noise},
      targets[:, None],
      jax.tree.map(lambda leaf, row=row: leaf[row][None], encoded),
      mask[row][None],
    )
  )

  def log_p(row: int, texts: list[str], end: bool) -> np.ndarray:
    tokens = [
      opened.pipeline.tokenizer.encode(text) + [EOS] * end for text in texts
    ]
    targets = np.zeros((len(texts), 20), np.int32)
    for place, each in enumerate(tokens):
      targets[place, : len(each)] = each
    return np.asarray(score(row, targets), np.float64)[:, 0]

  return log_p


def softmax(values: np.ndarray) -> np.ndarray:
  shares = np.exp(values - values.max())
  return shares / shares.sum()


def test_class_probabilities_are_those_of_brute_force(
  labelled, opened, brute_force
):
  text = opened.pipeline.label_text
  for row, each in enumerate(labelled[:3]):
    polarity, number, _ = each.output.split(text.separator)
    moods = text.words_after(polarity, "moods")
    expected = {
      "polarity": {word: f"{word}," for word in text.words("polarity")},
      "moods": {word: f"{polarity}, {number}, {word}" for word in moods},
    }
    assert set(each.probabilities) == set(expected)
    for slot, texts in expected.items():
      found = each.probabilities[slot]
      assert tuple(found) == text.words(slot)
      # What may not follow the polarity has no probability.
      assert {word for word in found if found[word]} <= set(texts)
      found = [found[word] for word in texts]
      assert sum(found) == pytest.approx(1, abs=1e-9)
      shares = softmax(brute_force(row, [*texts.values()], slot == "moods"))
      # float32 log-probabilities of about -100.
      np.testing.assert_allclose(found, shares, rtol=1e-3, atol=1e-6)


def test_the_numbers_are_those_of_brute_force(labelled, opened, brute_force):
  """Over all polarities, whichever was written."""
  text = opened.pipeline.label_text
  pairs = sorted(
    (
      (float(word), f"{polarity}, {word},")
      for polarity in text.words("polarity")
      for word in text.words_after(polarity, "intensity")
    ),
  )
  values = np.array([value for value, _ in pairs])
  assert len(values) == 601  # each number follows its own polarity alone
  for row, each in enumerate(labelled[:2]):
    _, number, _ = each.output.split(text.separator)
    shares = softmax(brute_force(row, [written for _, written in pairs], False))
    assert each.estimates["greedy"] == float(number)
    # As above, times numbers up to 3.
    assert each.estimates["mean"] == pytest.approx(shares @ values, abs=1e-3)
    middle = values[np.searchsorted(np.cumsum(shares), 0.5)]
    assert each.estimates["median"] == pytest.approx(middle)


def test_without_ties_every_number_follows_every_polarity(label, labelled):
  loose = label(text={"consistent": False, "decimals": 1})
  tied = label(text={"consistent": True, "decimals": 1})
  for each, before in zip(loose, tied, strict=True):
    assert each.estimates["mean"] != before.estimates["mean"]
    assert min(each.probabilities["moods"].values()) > 0
    fields = before.parsed.fields
    signs = {"negative": -1, "neutral": 0, "positive": 1}
    assert np.sign(fields["intensity"]) == signs[fields["polarity"]]
    assert before.probabilities["moods"][fields["moods"]] == 1  # one of each


@pytest.mark.parametrize("chosen", ["mean", "median"])
def test_the_chosen_number_is_the_predicted_one(label, labelled, chosen):
  found = label(intensity=chosen)
  for each, before in zip(found, labelled, strict=True):
    assert each.output == before.output
    assert each.probabilities == before.probabilities
    assert each.parsed.fields["intensity"] == before.estimates[chosen]
    same = dict(each.parsed.fields) | {"intensity": before.estimates["greedy"]}
    assert same == dict(before.parsed.fields)


def test_raw_numbers_and_a_bare_comma_as_the_authors_write(label):
  grid = (-1.3333333730697632, -0.6, 0.0, 0.3333333432674408, 1.6, 3.0)
  found = label(
    text={"separator": ",", "raw": True, "grid": grid}, max_new_tokens=60
  )
  written = {each.output.split(",")[1] for each in found}
  assert written <= {
    "-1.3333333730697632",
    *("-0.6", "0.0", "0.3333333432674408", "1.6", "3.0"),
  }
  for each in found:
    assert not each.parsed.malformed
    assert each.parsed.fields["intensity"] in grid
    assert each.estimates["median"] in grid
    assert sum(each.probabilities["moods"].values()) == pytest.approx(1)


def test_snapped_numbers_are_those_of_the_grid(label):
  """Written with one decimal, read as what was rated."""
  grid = (-4 / 3, 0.0, 1 / 3, 5 / 3)
  found = label(text={"decimals": 1, "grid": grid, "snap": True})
  for each in found:
    assert each.output.split(", ")[1] in ("-1.3", "0", "0.3", "1.7")
    assert each.estimates["greedy"] in grid
    assert each.estimates["median"] in grid


def test_eight_devices_label_as_one(label, labelled, monkeypatch):
  whole, gather = [], sharding.gather_parameters
  monkeypatch.setattr(
    sharding,
    "gather_parameters",
    lambda *arguments: whole.append(None) or gather(*arguments),
  )
  found = label(devices=8, shape=(2, 2))
  assert whole == [None]  # or the devices send each other the batch
  assert [each.output for each in found] == [each.output for each in labelled]
  for each, before in zip(found, labelled, strict=True):
    assert each.free == before.free
    # Sums over devices are grouped in another way.
    assert each.estimates == pytest.approx(before.estimates, abs=1e-3)
    for slot, probable in before.probabilities.items():
      assert each.probabilities[slot] == pytest.approx(probable, abs=1e-3)


def test_eight_devices_search_beams_as_one(label):
  one = label(beams=3, probable=False)
  eight = label(devices=8, shape=(2, 2), beams=3, probable=False)
  assert [each.output for each in eight] == [each.output for each in one]
  assert not any(each.parsed.malformed for each in eight)


def test_too_few_tokens_for_a_label_are_refused(label):
  with pytest.raises(InputError, match="max_new_tokens: expected at least"):
    label(max_new_tokens=3)


def test_heads_choose_the_emotion_and_nothing_else(
  label, labelled, opened, arrays, noise
):
  """What is written, polarity and number among it, stays."""
  model, params = opened.pipeline.model, {"params": noise}
  scores = jax.jit(model.apply)(params, arrays).scores["moods"]
  classes = opened.pipeline.label_text.schema.classes("moods")
  found = label(emotion="heads")
  chosen = [classes[place] for place in np.argmax(scores, axis=1)]
  assert [each.parsed.fields["moods"] for each in found] == chosen
  written = [each.parsed.fields["moods"] for each in labelled]
  assert chosen != written, "the two must differ to be told apart"
  shares = [[*each.probabilities["moods"].values()] for each in found]
  np.testing.assert_allclose(shares, jax.nn.softmax(scores), rtol=1e-4)
  for mine, theirs in zip(found, labelled, strict=True):
    assert mine.output == theirs.output
    others = {"moods": None}
    assert {**mine.parsed.fields, **others} == {
      **theirs.parsed.fields,
      **others,
    }
    assert mine.probabilities["polarity"] == theirs.probabilities["polarity"]


def test_heads_need_no_probabilities(label):
  plain = label(emotion="heads", probable=False)
  scored = label(emotion="heads")
  assert [each.parsed for each in plain] == [each.parsed for each in scored]
  assert not any(each.probabilities for each in plain)
