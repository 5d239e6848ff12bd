"""The whole model: plain T5 at the start, and everything learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax.config import LossConfig
from unimse_jax.models import T5, UniMSE, decoder_mask
from unimse_jax.parallel import trees
from unimse_jax.training import losses

_SUBSETS = [(), ("audio",), ("video",), ("audio", "video")]
_LOSS = LossConfig(
  alpha=0.5,
  beta=0.5,
  temperature=0.1,
  normalize=True,
  count_positive_twice=False,
  absent="left_out",
  completed_weight=1.0,
)


@pytest.fixture(scope="module")
def model(tiny_model) -> UniMSE:
  return tiny_model()


@pytest.fixture(scope="module")
def batch(make_batch) -> dict[str, np.ndarray]:
  return make_batch()


@pytest.fixture(scope="module")
def fresh(model, batch):
  """Parameters as training starts with; compiling init takes seconds."""
  return jax.jit(model.init)(jax.random.key(0), batch)["params"]


@pytest.fixture(scope="module")
def params(model, batch, fill):
  """Parameters without zeros."""
  return fill(model, batch)


@pytest.fixture(scope="module")
def run(model):
  """The model compiled once: (params, batch) -> UniMSEOutput."""
  return jax.jit(lambda params, batch: model.apply({"params": params}, batch))


def plain_logits(model, params, batch) -> jax.Array:
  names = ("encoder_input_tokens", "encoder_mask", "decoder_input_tokens")
  inputs = [batch[name] for name in names]
  t5 = T5(model.config.t5)
  return jax.jit(t5.apply)({"params": params["t5"]}, *inputs)


def test_at_step_0_the_model_is_plain_t5(model, batch, fresh, run):
  output = run(fresh, batch)
  expected = plain_logits(model, fresh, batch)
  # 1e-5 is the demand of issue 2; identity products do not round at all, but
  # two programs may add in another order.
  np.testing.assert_allclose(output.logits, expected, rtol=0, atol=1e-5)
  assert np.std(expected) > 0.1


def test_at_step_0_the_text_only_model_is_plain_t5(tiny_model, batch):
  model = tiny_model(modalities=(), contrastive=False)
  params = jax.jit(model.init)(jax.random.key(1), batch)["params"]
  output = jax.jit(model.apply)({"params": params}, batch)
  expected = plain_logits(model, params, batch)
  np.testing.assert_allclose(output.logits, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pmf", [True, False])
@pytest.mark.parametrize("modalities", _SUBSETS)
def test_every_ablation_has_its_own_parameters_only(
  tiny_model, make_batch, modalities, pmf
):
  model = tiny_model(modalities=modalities, pmf=pmf)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), make_batch())["params"]
  )
  # After the last of two encoder layers, and the one decoder layer.
  fusions = {"fusion_layers_1", "fusion_decoder_layers_0"}
  expected = {"t5", "segment_embedding", "contrastive_text"}
  expected |= fusions if pmf else set()
  for name in modalities:
    expected |= {f"modality_encoder_{name}", f"contrastive_modality_{name}"}
  assert set(shapes) == expected
  if pmf:
    rows = shapes["fusion_layers_1"]["down"]["kernel"].shape[0]
    assert rows == 16 + 5 * len(modalities)


def test_without_contrastive_loss_and_segments_nothing_of_them_is_there(
  tiny_model, make_batch
):
  model = tiny_model(contrastive=False, marking="none", pmf=False)
  batch = make_batch()
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), batch)["params"]
  )
  assert set(shapes) == {
    "t5",
    "modality_encoder_audio",
    "modality_encoder_video",
  }
  output = jax.eval_shape(
    lambda params: model.apply({"params": params}, batch), shapes
  )
  assert output.anchors == ()
  assert output.keys == {}


def test_gradient_reaches_every_parameter_within_a_step(model, batch, fresh):
  """What stands behind a matrix of zeros learns from the second step on."""

  @jax.jit
  def gradient(params):
    def loss(params):
      output = model.apply({"params": params}, batch)
      return losses.total(output, batch, losses.weights(batch), _LOSS)[0]

    return jax.grad(loss)(params)

  def still(grads) -> list[str]:
    leaves = zip(trees.paths(grads), jax.tree.leaves(grads), strict=True)
    return [path for path, leaf in leaves if not np.abs(leaf).max() > 0]

  first = gradient(fresh)
  # W^u is zero, so nothing before it learns yet; W's block of the modalities
  # is zero too, so neither do the maps behind the LSTMs.
  behind = {"fusion_layers_1/down", "fusion_decoder_layers_0/down"}
  behind |= {f"modality_encoder_{name}/out" for name in ("audio", "video")}
  assert {path.rpartition("/")[0] for path in still(first)} == behind
  optimizer = optax.sgd(0.1)
  updates, _ = optimizer.update(first, optimizer.init(fresh))
  assert still(gradient(optax.apply_updates(fresh, updates))) == []


def test_each_row_reads_its_own_voice(batch, params, run):
  changed = dict(batch, audio=batch["audio"].copy())
  changed["audio"][1] += 1.0
  moved = run(params, changed).logits - run(params, batch).logits
  moved = np.abs(moved).max((1, 2))
  assert moved[1] > 1e-3
  np.testing.assert_array_equal(np.delete(moved, 1), 0)


def test_permuting_voices_changes_the_contrastive_loss(batch, params, run):
  """D15, through the whole model."""

  def loss(batch) -> float:
    return float(losses.contrastive(run(params, batch), "audio", _LOSS))

  order = np.array([2, 0, 1, 3])
  shuffled = dict(
    batch,
    audio=batch["audio"][order],
    audio_mask=batch["audio_mask"][order],
  )
  assert abs(loss(shuffled) - loss(batch)) > 1e-3
  # Permuting every array alike changes nothing: a sum over rows.
  alike = {name: values[order] for name, values in batch.items()}
  assert loss(alike) == pytest.approx(loss(batch), rel=1e-5)


def test_absent_voices_and_faces_leave_everything_finite(
  model, make_batch, params
):
  @jax.jit
  def gradient(params, batch):
    def loss(params):
      output = model.apply({"params": params}, batch)
      return losses.total(output, batch, losses.weights(batch), _LOSS)[0]

    return jax.value_and_grad(loss)(params)

  for absent in ([0, 1], [0, 1, 2, 3]):
    batch = make_batch()
    for name in ("audio", "video"):
      batch[f"{name}_mask"][absent] = False
      batch[name][absent] = 0
    for leaf in jax.tree.leaves(gradient(params, batch)):
      assert np.isfinite(leaf).all()


def test_present_tells_which_rows_have_the_modality(batch, params, run):
  output = run(params, batch)
  assert output.present["audio"].tolist() == [True, True, True, False]
  assert output.present["video"].tolist() == [False, True, True, True]
  assert len(output.anchors) == 1  # one for each fused layer
  np.testing.assert_array_equal(output.keys["audio"][3], np.zeros(7))


def test_segments_mark_and_start_at_zero(batch, fresh, params, run):
  table = fresh["segment_embedding"]["embedding"]
  np.testing.assert_array_equal(table, np.zeros((2, 16)))
  other = dict(batch, segment_ids=1 - batch["segment_ids"])
  difference = run(params, other).logits - run(params, batch).logits
  assert np.abs(difference).max() > 1e-3


def test_bfloat16_is_close_and_gives_float32(
  tiny_model, tiny_t5, batch, params, run
):
  half = tiny_model(t5=dataclasses.replace(tiny_t5, dtype="bfloat16"))
  exact = run(params, batch)
  found = jax.jit(half.apply)({"params": params}, batch)
  for leaf in jax.tree.leaves((found.logits, found.anchors, found.keys)):
    assert leaf.dtype == jnp.float32
  # As for T5 alone: 0.4 % a product, some tens deep.
  error = np.abs(found.logits - exact.logits).max() / np.std(exact.logits)
  assert 0 < error < 0.1


def test_dropout_is_off_unless_asked_for(model, batch, params, run):
  @jax.jit
  def drawn(params, batch):
    rngs = {"dropout": jax.random.key(0)}
    return model.apply({"params": params}, batch, False, rngs=rngs).logits

  assert np.abs(drawn(params, batch) - run(params, batch).logits).max() > 1e-3


def test_encode_is_what_the_whole_model_decodes_from(
  model, batch, params, run, score_tokens
):
  @jax.jit
  def two_steps(variables, batch):
    encoded = model.apply(variables, batch, method="encode")
    inputs = (batch["decoder_input_tokens"], encoded, batch["encoder_mask"])
    return score_tokens(model, variables, *inputs)

  found = two_steps({"params": params}, batch)
  # The same operations in two programs.
  np.testing.assert_allclose(found, run(params, batch).logits, atol=1e-5)


def test_a_sliced_encoder_shows_the_decoder_the_utterance_alone(tiny_model):
  batch = {
    "encoder_mask": np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool),
    # The second row has no token of its own utterance.
    "segment_ids": np.array([[0, 1, 0, 1], [0, 0, 1, 1]]),
  }
  config = tiny_model(marking="slice_encoder").config
  np.testing.assert_array_equal(
    decoder_mask(config, batch), [[0, 1, 0, 0], [1, 1, 0, 0]]
  )
  np.testing.assert_array_equal(
    decoder_mask(tiny_model().config, batch), batch["encoder_mask"]
  )


def test_logits_of_a_sliced_encoder_are_those_of_its_mask(
  tiny_model, make_batch, fill, score_tokens
):
  batch = make_batch()
  sliced = tiny_model(marking="slice_encoder")
  whole = tiny_model(marking="none")
  variables = {"params": fill(whole, batch)}
  found = sliced.apply(variables, batch).logits
  encoded = whole.apply(variables, batch, method="encode")
  expected = score_tokens(
    whole,
    variables,
    batch["decoder_input_tokens"],
    encoded,
    decoder_mask(sliced.config, batch),
  )
  np.testing.assert_array_equal(found, expected)
  assert np.abs(found - whole.apply(variables, batch).logits).max() > 1e-3


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_a_segment_row_weighs_the_same_beside_any_table(
  tiny_model, make_batch, fill, scale
):
  """D46: the mark's share of the stream does not follow the table's scale."""
  model = tiny_model()
  batch = make_batch()
  params = fill(model, batch)

  def embedded(params) -> np.ndarray:
    return model.apply({"params": params}, batch, method="_embed")

  shared = {"embedding": scale * params["t5"]["shared"]["embedding"]}
  scaled = {**params, "t5": {**params["t5"], "shared": shared}}
  # float32 sums of two terms.
  np.testing.assert_allclose(
    embedded(scaled), scale * embedded(params), rtol=1e-4, atol=1e-5 * scale
  )


@pytest.mark.parametrize("field", ["drop_modality", "drop_text"])
def test_dropping_happens_in_training_alone(
  tiny_model, make_batch, fill, field
):
  """D45: rows lose it or keep it whole, and evaluation never does."""
  batch = make_batch(rows=6)
  plain, dropping = tiny_model(), tiny_model(**{field: 0.5})
  variables = {"params": fill(plain, batch)}
  rngs = {"dropout": jax.random.key(0)}
  np.testing.assert_array_equal(
    dropping.apply(variables, batch).logits,
    plain.apply(variables, batch).logits,
  )
  method = f"_{field}" if field == "drop_text" else "_drop_modalities"

  def drop(model, rate_batch):
    given = rate_batch
    if field == "drop_modality":
      given = model.apply(variables, batch, True, method="_read_modalities")
    return model.apply(variables, given, False, method=method, rngs=rngs)

  before, after = drop(plain, batch), drop(dropping, batch)
  if field == "drop_text":
    before = {"text": np.asarray(before["encoder_mask"])}
    after = {"text": np.asarray(after["encoder_mask"])}
  else:
    before = {name: np.asarray(each.mask) for name, each in before.items()}
    after = {name: np.asarray(each.mask) for name, each in after.items()}
  left = 1 if field == "drop_text" else 0  # </s> stays
  outcomes = set()
  for name, masks in before.items():
    for had, has in zip(masks, after[name], strict=True):
      kept = bool((had == has).all())
      outcomes.add(kept)
      assert kept or has.sum() == left
  assert outcomes == {True, False}


def test_the_anchor_is_the_mean_of_the_utterance_alone(
  tiny_model, make_batch, fill
):
  """D47: of the last fused layer, over the utterance's own tokens."""
  batch = make_batch()
  own = batch["encoder_mask"] & (batch["segment_ids"] == 1)
  assert own.any(1).all()
  for anchor, mask in (("utterance", own), ("window", batch["encoder_mask"])):
    model = tiny_model(contrastive_anchor=anchor)
    variables = {"params": fill(model, batch)}
    output, kept = model.apply(variables, batch, mutable=["intermediates"])
    (states,) = kept["intermediates"]["last_fused"]
    expected = model.apply(
      variables,
      states,
      mask,
      method=lambda module, *given: module.contrastive_text(*given),
    )
    np.testing.assert_array_equal(output.anchors[0], expected)
