"""Self-MM: labels of their own for the modalities (Yu et al., AAAI 2021)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.intensities import annotated_intensity
from unimse_jax.rivals.row_statistics import mean_of_rows
from unimse_jax.rivals.streams import MEMORY, TEXT, Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors

_FUSION = "fusion"
_LIMIT = 3.0  # of the intensity, and so of the labels that are made
_TINY = 1e-8


def relative_distance(
  vectors: jax.Array, kept: jax.Array, labels: jax.Array
) -> jax.Array:
  """Eq. 5 to 9: how much nearer a vector is to the positive centre.

  alpha = (D^n - D^p) / (D^p + epsilon), with squared distances to the centres
  of the kept vectors whose labels are positive, and negative. (The code has
  distances that are not squared.)

  Args:
    vectors: float32[B, W].
    kept: float32[E, W], of the training split.
    labels: float32[E]; 0 takes a vector out of both centres.

  Returns:
    float32[B]; zeros as long as there is only one centre.
  """

  def squared(rows):
    difference = vectors - mean_of_rows(kept, rows)
    return jnp.square(difference).sum(axis=1) / vectors.shape[1] ** 0.5

  positive, negative = labels > 0, labels < 0
  near, far = squared(positive), squared(negative)
  known = positive.any() & negative.any()
  return jnp.where(known, (far - near) / (near + _TINY), 0.0)


def shifted_label(
  label: jax.Array, of_fusion: jax.Array, of_modality: jax.Array
) -> jax.Array:
  """Eq. 12, y_s from y_m and both relative distances; within the score's range.

  The range is the code's: a small alpha_m would make any label.
  """
  tiny = jnp.abs(of_fusion) < _TINY
  ratio = of_modality / jnp.where(tiny, _TINY, of_fusion)
  shifted = (label * ratio + label + of_modality - of_fusion) / 2
  return jnp.clip(jnp.where(tiny, label, shifted), -_LIMIT, _LIMIT)


def moved_label(old: jax.Array, new: jax.Array, epoch: jax.Array) -> jax.Array:
  """Eq. 13: the label before, moved towards the new one, from epoch 2 on."""
  return ((epoch - 1) * old + 2 * new) / (epoch + 1)


class SelfMM(nn.Module):
  """A head for each modality keeps its own view, with a label made for it.

  The utterance's vectors stand in place of BERT's first token and of LSTMs. In
  the code another hidden layer is before each head, not in the paper. Labels
  are made of intensities: on rows without one, emotions included, there is
  nothing to make them of, and the system is early fusion. The epochs of the
  paper are the visits of an utterance here.
  """

  width: int
  dropout: float

  @staticmethod
  def memory(shape: Any, examples: int) -> dict[str, jax.Array]:
    """What is kept of the training split: nothing is known at the start.

    Args:
      shape: `RivalShape` of the system.
      examples: E, utterances of the training split.

    Returns:
      `visits` int32[E], and of the fusion and of each modality, by name,
      `<name>_labels` float32[E] and `<name>_vectors` float32[E, W]. A label is
      0 before the first visit and where the modality is absent.
    """
    kept = {"visits": jnp.zeros(examples, jnp.int32)}
    for name in (_FUSION, TEXT, *shape.modalities):
      kept[f"{name}_labels"] = jnp.zeros(examples)
      kept[f"{name}_vectors"] = jnp.zeros((examples, shape.width))
    return kept

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    drop = Dropout(self.dropout)
    inputs = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    joined = drop(jnp.concatenate([*inputs.values()], -1), deterministic)
    vectors = {_FUSION: nn.relu(Dense(self.width, name="hidden")(joined))}
    predicted = {}
    for name, vector in inputs.items():
      hidden = Dense(self.width, name=f"{name}_hidden")(
        drop(vector, deterministic)
      )
      vectors[name] = nn.relu(hidden)
      predicted[name] = Dense(1, name=f"{name}_head")(vectors[name])[:, 0]
    if deterministic:
      return Fused(vectors[_FUSION])
    label, annotated = annotated_intensity(streams, batch)
    present = {name: stream.present for name, stream in streams.items()}
    examples = jnp.where(annotated, batch["example"], -1)
    loss = self._learn(vectors, predicted, present, label, examples)
    return Fused(vectors[_FUSION], {"modalities": loss})

  def _learn(
    self,
    vectors: dict[str, jax.Array],
    predicted: dict[str, jax.Array],
    present: dict[str, jax.Array],
    label: jax.Array,
    examples: jax.Array,
  ) -> jax.Array:
    """The second term of Eq. 14; then the memory takes the step in.

    A row counts with the weight tanh |y_s - y_m|, of its labels before the
    step (Eq. 15).

    Args:
      vectors: F* of the fusion and of each modality, float32[B, W], by name.
      predicted: the modalities' own intensities, float32[B].
      present: bool[B], rows that have the modality.
      label: float32[B], y_m.
      examples: int32[B], numbers of the utterances in the training split; -1
        where y_m is not annotated.

    Returns:
      float32[], the mean over the annotated rows.
    """
    annotated = examples >= 0
    known = self.get_variable(MEMORY, "visits")
    places = jnp.where(annotated, examples, len(known))
    visits = known.at[places].get(mode="fill", fill_value=0)

    def keep(name: str, values: jax.Array) -> None:
      old = self.get_variable(MEMORY, name)
      new = old.at[places].set(jax.lax.stop_gradient(values), mode="drop")
      self.put_variable(MEMORY, name, new)

    def distance(name: str) -> jax.Array:
      kept = (
        self.get_variable(MEMORY, f"{name}_{each}")
        for each in ("vectors", "labels")
      )
      return relative_distance(jax.lax.stop_gradient(vectors[name]), *kept)

    of_fusion, loss = distance(_FUSION), jnp.zeros(())
    for name in predicted:
      of_modality = distance(name)
      old = self.get_variable(MEMORY, f"{name}_labels")
      old = old.at[places].get(mode="fill", fill_value=0)
      old = jnp.where(visits > 0, old, label)
      weight = jnp.tanh(jnp.abs(old - label))
      error = weight * jnp.abs(predicted[name] - old)
      error = jnp.where(annotated & present[name], error, 0.0)
      loss += mean_of_rows(error, annotated)
      new = shifted_label(label, of_fusion, of_modality)
      new = jnp.where(visits > 0, moved_label(old, new, visits + 1), label)
      keep(f"{name}_labels", jnp.where(present[name], new, 0.0))
    keep(f"{_FUSION}_labels", label)
    for name, vector in vectors.items():
      keep(f"{name}_vectors", vector)
    keep("visits", visits + 1)
    return loss
