"""MMIM: Multimodal InfoMax (Han et al., EMNLP 2021)."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.contrastive import info_nce
from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.intensities import annotated_intensity
from unimse_jax.rivals.row_statistics import mean_of_rows
from unimse_jax.rivals.streams import MEMORY, TEXT, Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors

_RIDGE = 1e-6  # keeps the determinant of few rows off zero
_LEAST_VARIANCE = 0.1  # of q; the largest is its inverse


def scale_gradient(x: jax.Array, factor: float) -> jax.Array:
  """`x`, with its gradient times a factor."""
  return factor * x + jax.lax.stop_gradient((1 - factor) * x)


def log_determinant(vectors: jax.Array, rows: jax.Array) -> jax.Array:
  """log det of the covariance of the chosen rows [B, N], float32[]."""
  centred = vectors - mean_of_rows(vectors, rows)
  covariance = mean_of_rows(centred[:, :, None] * centred[:, None], rows)
  covariance += _RIDGE * jnp.eye(vectors.shape[1])
  return jnp.linalg.slogdet(covariance)[1]


class Gaussian(nn.Module):
  """Section 3.3: q(y | x) = N(y | mu(x), sigma^2(x) I), two networks.

  sigma^2 has bounds here, of which the paper names none: without a least one
  the likelihood grows for ever as the vectors become predictable, and its
  gradient leaves the task nothing.
  """

  @nn.compact
  def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """float32[B, N] of two modalities -> float32[B], log q less a constant.

    The logarithm of sigma, which the code leaves out, is the paper's: without
    it the largest sigma is always the best.
    """

    def network(name: str) -> jax.Array:
      hidden = nn.relu(Dense(y.shape[-1], name=f"{name}_hidden")(x))
      return Dense(y.shape[-1], name=name)(hidden)

    bound = -math.log(_LEAST_VARIANCE)
    log_variance = bound * jnp.tanh(network("log_variance") / bound)
    mean = network("mean")
    squares = jnp.square(y - mean) * jnp.exp(-log_variance)
    return -0.5 * (squares + log_variance).sum(axis=-1)


class MMIM(nn.Module):
  """Keeps what the modalities share, and what the fusion tells of each.

  The utterance's vectors stand in place of BERT's first token and of LSTMs. The
  paper trains q in a stage of its own before each epoch of the rest; here one
  step does both: q learns from the likelihood as it is, the modalities from
  `bound` times it, as in the second stage. The entropy of a modality needs
  both signs of annotated intensities; on emotions alone it is left out. It is
  that of a narrow tanh layer on the vector, as in the code, where the layer
  stays as it started; here it learns.

  Attributes:
    contrast: alpha of section 3.5, weight of the contrastive loss.
    bound: beta, weight of the bound on what modalities share.
    entropy_width: width of the narrow layer.
    history: rows of earlier steps that the entropy is estimated with.
  """

  width: int
  dropout: float
  contrast: float = 0.1
  bound: float = 0.1
  entropy_width: int = 4
  history: int = 64

  @staticmethod
  def memory(shape: Any, examples: int) -> dict[str, jax.Array]:
    """The history, empty at the start.

    Args:
      shape: `RivalShape` of the system.
      examples: utterances of the training split; the history has its own size.

    Returns:
      Of each modality but the text, by name, `<name>_rows` float32[history,
      entropy_width], `<name>_signs` float32[history], of their intensities,
      and `<name>_written` int32[], the number of rows ever written.
    """
    del examples
    options = dict(shape.options)
    rows = options.get("history", MMIM.history)
    size = options.get("entropy_width", MMIM.entropy_width)
    kept = {}
    for name in shape.modalities:
      kept[f"{name}_rows"] = jnp.zeros((rows, size))
      kept[f"{name}_signs"] = jnp.zeros(rows)
      kept[f"{name}_written"] = jnp.zeros((), jnp.int32)
    return kept

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    joined = jnp.concatenate([*vectors.values()], axis=-1)
    joined = Dropout(self.dropout)(joined, deterministic)
    hidden = jnp.tanh(Dense(self.width, name="hidden_0")(joined))
    fused = jnp.tanh(Dense(self.width, name="hidden_1")(hidden))
    contrast = likelihood = entropy = jnp.zeros(())
    for name, vector in vectors.items():
      present = streams[name].present
      # Section 3.4: the fusion must tell this row's vector from the others'.
      told = Dense(self.width, name=f"{name}_prediction")(fused)
      total = info_nce(told, vector, present, temperature=1.0)
      contrast += total / jnp.maximum(present.sum(), 1)
      if name == TEXT:
        continue
      pair = (scale_gradient(x, self.bound) for x in (vectors[TEXT], vector))
      log_q = Gaussian(name=f"{name}_given_text")(*pair)
      likelihood += mean_of_rows(log_q, present)
      narrow = jnp.tanh(
        Dense(self.entropy_width, name=f"{name}_narrow")(vector)
      )
      if not deterministic:
        label, annotated = annotated_intensity(streams, batch)
        signs = jnp.where(annotated & present, jnp.sign(label), 0.0)
        entropy += self._entropy(name, narrow, signs)
    if deterministic:
      return Fused(fused)
    return Fused(
      fused,
      {
        "contrast": self.contrast * contrast,
        "likelihood": -likelihood,
        "entropy": -self.bound * entropy,
      },
    )

  def _entropy(
    self, name: str, narrow: jax.Array, signs: jax.Array
  ) -> jax.Array:
    """H(Y) of section 3.3, of two Gaussians, less a constant; 0 at the start.

    One Gaussian is of the rows with positive intensities, one of those with
    negative ones, in batch and history. It counts once the history is full.

    Args:
      name: name of the modality.
      narrow: float32[B, entropy_width], its vectors.
      signs: float32[B], of the intensities; 0: not to be used.

    Returns:
      float32[].
    """
    old_rows = self.get_variable(MEMORY, f"{name}_rows")
    old_signs = self.get_variable(MEMORY, f"{name}_signs")
    written = self.get_variable(MEMORY, f"{name}_written")
    rows = jnp.concatenate([old_rows, narrow])
    both = jnp.concatenate([old_signs, signs])
    entropy = 0.25 * (
      log_determinant(rows, both > 0) + log_determinant(rows, both < 0)
    )
    order = jnp.cumsum(signs != 0) - 1
    new = (signs != 0) & (order < self.history)
    places = jnp.where(new, (written + order) % self.history, self.history)
    narrow = jax.lax.stop_gradient(narrow)
    self.put_variable(
      MEMORY, f"{name}_rows", old_rows.at[places].set(narrow, mode="drop")
    )
    self.put_variable(
      MEMORY, f"{name}_signs", old_signs.at[places].set(signs, mode="drop")
    )
    self.put_variable(MEMORY, f"{name}_written", written + new.sum())
    return jnp.where(written >= self.history, entropy, 0.0)
