"""Which texts are scored, and shares of their probabilities."""

import numpy as np
import pytest

from unimse_jax.decoding import probabilities
from unimse_jax.labels import EmotionScheme, LabelSchema, LabelText

_MOODS = EmotionScheme("moods", {"joy": "", "anger": ""})
_TEXT = LabelText(LabelSchema(intensity=True, schemes=(_MOODS,)))
_FIELDS = {"polarity": "positive", "intensity": 1.6, "moods": "joy"}


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
