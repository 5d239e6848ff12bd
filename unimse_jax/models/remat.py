"""Layers that are computed twice to save memory."""

import jax
from flax import linen as nn

from unimse_jax.models.dense import PRODUCT

# What the gradient of a layer keeps of its forward pass, by `train.remat`. The
# rest is computed again; "none" keeps all.
_KEPT = {
  "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT),
  "full": jax.checkpoint_policies.nothing_saveable,
}


def wrap(layer: type[nn.Module], kind: str, flag: int) -> type[nn.Module]:
  """A layer whose gradient computes again what it does not keep.

  Args:
    layer: class of the layer.
    kind: key of `_KEPT`, or "none".
    flag: place of `deterministic` among the arguments of its call, self first.
  """
  if kind == "none":
    return layer
  return nn.remat(layer, policy=_KEPT[kind], static_argnums=(flag,))
