"""How far the mark of the utterance (Eq. 1) can be read in a T5's encoder.

  python tests/benchmarks/mark_path.py [--weights DIR]

The T5, the invented language and --weights are those of
`tests/benchmarks/rescaled_t5.py`. Of two sentences one is meant, and its tokens
bear a mark: a random direction with the root mean square of the token
embeddings, added to them alone, or also after each encoder layer with that of
each token. Nothing is learnt. Prints

  attention   of each layer: the standard deviation of a query's logits over the
              keys, and the largest weight of a query, means over heads
  change      root mean square of what the mark changes in the stream, of it
  common      share of that change which is the same for all marked tokens
  separation  distance of the mean marked and unmarked token along the common
              change, in standard deviations: below 1, a linear map that reads
              the mark is wrong in a third of the tokens, or more
"""

import argparse
import functools
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.benchmarks import rescaled_t5  # noqa: E402
from unimse_jax import pretrained  # noqa: E402
from unimse_jax.models import T5, T5Config  # noqa: E402
from unimse_jax.models.attention import MultiHeadAttention  # noqa: E402

ROWS, DIRECTIONS = 60, 3


def rms(x: jax.Array, axis: int | None = None) -> jax.Array:
  return jnp.sqrt(jnp.mean(jnp.square(x), axis=axis, keepdims=axis is not None))


def streams(
  t5: T5, tokens: jax.Array, mark: jax.Array, own: jax.Array, every: jax.Array
) -> list[jax.Array]:
  """[B, S, D] after each encoder layer, as the next layer reads it.

  Args:
    t5: model.
    tokens: int32[B, S].
    mark: float32[D], of root mean square one.
    own: bool[B, S, 1], what bears the mark.
    every: 1 where layers add it too, else 0.
  """
  kept: list[jax.Array] = []

  def after_layer(number: int, before: jax.Array, after: jax.Array):
    del number, before
    kept.append(after + every * rms(after, -1) * mark * own)
    return kept[-1]

  x = t5.embed(tokens)
  marked = x + rms(t5.shared.embedding) * mark * own
  t5.encoder(marked, tokens > 0, True, after_layer)
  return kept


def attention(
  model: T5, params: Any, tokens: np.ndarray
) -> list[tuple[float, float]]:
  """Of each encoder layer: deviation of the logits, largest weight."""
  found: list[tuple[float, float]] = []
  mask = tokens > 0

  def look(call, arguments, options, context):
    module = context.module
    is_call = context.method_name == "__call__"
    if is_call and isinstance(module, MultiHeadAttention):
      x, keys, _, bias, _ = arguments
      queries = module.query(x).reshape(keys.swapaxes(1, 2).shape)
      logits = jnp.einsum("BQHK,BHSK->BQHS", queries, keys)
      logits += bias.swapaxes(1, 2)
      deviations = jnp.std(logits, axis=-1, where=mask[:, None, None])
      largest = nn.softmax(logits).max(-1)
      found.append(
        (float(deviations[mask].mean()), float(largest[mask].mean()))
      )
    return call(*arguments, **options)

  with nn.intercept_methods(look):
    model.apply({"params": params}, tokens, mask, method="encode")
  return found


def readable(
  plain: np.ndarray, marked: np.ndarray, own: np.ndarray, mask: np.ndarray
) -> tuple[float, float, float]:
  """Change, common share and separation; see the top of the file."""
  change = (marked - plain)[own]
  common = change.mean(0)
  along = marked @ (common / np.linalg.norm(common))
  bearing, others = along[own], along[mask & ~own]
  spread = np.sqrt((bearing.var() + others.var()) / 2)
  return (
    float(np.sqrt(np.mean(change**2) / np.mean(plain[own] ** 2))),
    float(np.sum(common**2) / np.mean(np.sum(change**2, -1))),
    float((bearing.mean() - others.mean()) / spread),
  )


def show(t5: T5Config, params: Mapping[str, Any]) -> None:
  model, batch = T5(t5), rescaled_t5.turns(np.random.default_rng(77), ROWS)
  tokens, own = batch["encoder_input_tokens"], batch["segment_ids"] == 1
  shapes = attention(model, params, tokens)
  for number, (deviation, largest) in enumerate(shapes, 1):
    print(
      f"attention {number}: logits' deviation {deviation:.1f}, "
      f"largest weight {largest:.2f}"
    )
  run = jax.jit(functools.partial(model.apply, method=streams))
  for name, every in (("embeddings alone", 0.0), ("every layer", 1.0)):
    cells = []
    for seed in range(DIRECTIONS):
      mark = np.random.default_rng(seed).standard_normal(t5.width)
      mark = (mark / np.sqrt(np.mean(mark**2))).astype(np.float32)
      plain, marked = (
        run({"params": params}, tokens, each, own[..., None], every)
        for each in (0 * mark, mark)
      )
      cells.append(
        [
          readable(*map(np.asarray, pair), own, tokens > 0)
          for pair in zip(plain, marked, strict=True)
        ]
      )
    for number, row in enumerate(np.mean(cells, 0), 1):
      change, common, separation = row
      print(
        f"{name}, after layer {number}: change {change:.2f}, "
        f"common {common:.2f}, separation {separation:.2f}"
      )


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--weights", help="Hugging Face directory of a T5")
  options = parser.parse_args()
  t5, params = rescaled_t5.T5, {}
  if options.weights:
    t5, loaded = pretrained.load(options.weights)
    params = {"t5": loaded}
  show(t5, rescaled_t5.pretrain(t5, params))


if __name__ == "__main__":
  main()
