"""Exact scores against brute force."""

import jax
import numpy as np
import pytest

from unimse_jax.decoding import probabilities
from unimse_jax.labels import EmotionScheme, LabelSchema, LabelText

_MOODS = EmotionScheme("moods", {"joy": "", "anger": ""})
_TEXT = LabelText(LabelSchema(intensity=True, schemes=(_MOODS,)))
_FIELDS = {"polarity": "positive", "intensity": 1.6, "moods": "joy"}


def test_log_probabilities_are_sums_of_token_scores(
  tiny_model, make_batch, fill
):
  model, batch = tiny_model(), make_batch(rows=2)
  params = fill(model, batch)
  encoded = jax.jit(
    lambda batch: model.apply({"params": params}, batch, method="encode")
  )(batch)
  mask = batch["encoder_mask"]
  targets = np.array(
    [
      [[5, 6, 1, 0], [7, 1, 0, 0]],
      [[5, 6, 7, 8], [0, 0, 0, 0]],
      [[9, 0, 0, 0], [9, 9, 1, 0]],
    ],
    np.int32,
  )
  found = jax.jit(
    lambda targets: probabilities.log_probabilities(
      model, params, encoded, mask, targets
    )
  )(targets)
  assert found.shape == (3, 2)
  score = jax.jit(
    lambda tokens: model.apply(
      {"params": params}, tokens, encoded, mask, method="score_tokens"
    )
  )
  for text in range(3):
    inputs = np.pad(targets[text, :, :-1], ((0, 0), (1, 0)))
    logits = np.asarray(score(inputs), np.float64)
    for row in range(2):
      expected = 0.0
      for place, token in enumerate(targets[text, row]):
        if token != 0:
          scores = logits[row, place]
          expected += scores[token] - np.log(np.exp(scores).sum())
      # float32 log-softmax against float64, four terms.
      assert found[text, row] == pytest.approx(expected, abs=1e-4)
  assert found[1, 1] == 0  # an empty text has probability one


@pytest.mark.parametrize(
  "log_p", [[-1.0, -2.0, -3.0], [-5000.0, -5001.0], [0.0], [-1e30, 0.0]]
)
def test_normalized_sums_to_one(log_p):
  found = probabilities.normalized(log_p)
  assert found.sum() == pytest.approx(1, abs=1e-12)
  assert np.isfinite(found).all()


def test_normalized_keeps_ratios():
  found = probabilities.normalized([np.log(0.02), np.log(0.06)])
  np.testing.assert_allclose(found, [0.25, 0.75], rtol=1e-12)


def test_a_candidate_goes_to_the_separator_behind_the_class():
  """Else "anger" would also count texts that go on as "angers"."""
  found = probabilities.candidate(_FIELDS, "polarity", "neutral", _TEXT)
  assert found == "neutral,"
  found = probabilities.candidate(_FIELDS, "moods", "anger", _TEXT)
  assert found == "positive, 1.6, anger"


def test_a_slot_behind_a_field_that_is_not_legal_has_none():
  fields = _FIELDS | {"intensity": None}
  assert probabilities.candidate(fields, "moods", "joy", _TEXT) is None
  assert probabilities.candidate(fields, "polarity", "neutral", _TEXT)
