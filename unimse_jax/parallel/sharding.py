"""Which axis of the mesh splits which dimension of which parameter."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from unimse_jax.parallel import trees

# First match wins. Optimizer moments end with their parameter's path, so the
# same rules place them.
RULES = (
  (r"(shared|lm_head)/embedding$", PartitionSpec("model", "fsdp")),
  (r"lm_head/kernel$", PartitionSpec("fsdp", "model")),
  (r"(query|key|value|wi|wi_0|wi_1)/kernel$", PartitionSpec("fsdp", "model")),
  (r"attention/out/kernel$", PartitionSpec("model", "fsdp")),
  (r"wo/kernel$", PartitionSpec("model", "fsdp")),
  (r".*", PartitionSpec()),  # norms, biases, adapters, LSTMs: small
)

BATCH = PartitionSpec(("data", "fsdp"))


def _fitted(
  spec: PartitionSpec, shape: tuple[int, ...], mesh: Mesh
) -> PartitionSpec:
  """The spec without the axes that do not divide their dimension."""
  if len(spec) > len(shape):
    return PartitionSpec()
  return PartitionSpec(
    *(
      axis if axis is None or size % mesh.shape[axis] == 0 else None
      for axis, size in zip(spec, shape, strict=False)
    )
  )


def state_sharding(tree: Any, mesh: Mesh) -> Any:
  """A NamedSharding for every leaf of a tree of (abstract) arrays."""
  specs = trees.match(RULES, tree)
  return jax.tree.map(
    lambda spec, leaf: NamedSharding(mesh, _fitted(spec, leaf.shape, mesh)),
    specs,
    tree,
    is_leaf=lambda node: isinstance(node, PartitionSpec),
  )


def placed(shapes: Any, places: Any) -> Any:
  """The abstract arrays of a tree, each with its sharding."""
  return jax.tree.map(
    lambda leaf, place: jax.ShapeDtypeStruct(
      leaf.shape, leaf.dtype, sharding=place
    ),
    shapes,
    places,
  )


def gather_parameters(params: Any, places: Any, dtype: jnp.dtype) -> Any:
  """Makes the parameters that fsdp splits whole on each of its devices.

  Left to itself, XLA sends the activations of all rows of the batch to and fro
  instead, many times what the parameters are.

  Args:
    params: tree of arrays.
    places: tree of their NamedShardings, see `state_sharding`.
    dtype: type that they are sent in and their gradients are summed in, the
      model's compute type.
  """

  def gather(leaf: jax.Array, place: NamedSharding) -> jax.Array:
    if place.mesh.shape["fsdp"] == 1 or "fsdp" not in place.spec:
      return leaf
    return _gather(leaf, place, gathered(place), dtype)

  return jax.tree.map(gather, params, places)


def gathered(place: NamedSharding) -> NamedSharding:
  """Where a parameter lies that fsdp does not split."""
  axes = (None if axis == "fsdp" else axis for axis in place.spec)
  return NamedSharding(place.mesh, PartitionSpec(*axes))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _gather(
  leaf: jax.Array,
  place: NamedSharding,
  whole: NamedSharding,
  dtype: jnp.dtype,
) -> jax.Array:
  # Cast first and placed again, or it is the wider type that travels.
  sent = jax.lax.with_sharding_constraint(leaf.astype(dtype), place)
  return jax.lax.with_sharding_constraint(sent, whole).astype(leaf.dtype)


def _gather_forward(leaf, place, whole, dtype):
  return _gather(leaf, place, whole, dtype), None


def _gather_backward(place, whole, dtype, saved, gradient):
  """Every device gets the sum of its own part alone."""
  del whole, saved
  own = jax.lax.with_sharding_constraint(gradient.astype(dtype), place)
  return (own.astype(gradient.dtype),)


_gather.defvjp(_gather_forward, _gather_backward)


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Examples over the data and fsdp axes."""
  return NamedSharding(mesh, BATCH)


def replicated(mesh: Mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec())


def batch_divisor(mesh: Mesh) -> int:
  """The number that a batch size must be a multiple of."""
  return mesh.shape["data"] * mesh.shape["fsdp"]


def divisible_size(size: int, mesh: Mesh) -> int:
  """The least batch size from `size` on that the mesh can share out."""
  divisor = batch_divisor(mesh)
  return -(-size // divisor) * divisor


@functools.cache
def _own_shares(mesh: Mesh) -> tuple[int, ...]:
  """Which of the `batch_divisor` parts of a batch this process holds.

  jax lays a mesh along the machine's links: a host's parts need not lie side by
  side, and where `model` is wider than a host several hosts hold the same.
  """
  count = batch_divisor(mesh)
  if jax.process_count() == 1:
    return tuple(range(count))
  places = batch_sharding(mesh).addressable_devices_indices_map((count,))
  return tuple(
    sorted({index.indices(count)[0] for (index,) in places.values()})
  )


def own_rows(size: int, mesh: Mesh) -> np.ndarray:
  """The numbers of the rows of a batch that this process holds, rising."""
  parts = np.arange(size).reshape(batch_divisor(mesh), -1)
  return parts[list(_own_shares(mesh))].reshape(-1)


def shard_batch(batch: Any, mesh: Mesh) -> Any:
  """A tree of this process's rows as one of arrays over the whole mesh."""
  sharding = batch_sharding(mesh)
  parts, shares = batch_divisor(mesh), len(_own_shares(mesh))

  def place(leaf: np.ndarray) -> jax.Array:
    shape = (len(leaf) * parts // shares, *leaf.shape[1:])
    return jax.make_array_from_process_local_data(sharding, leaf, shape)

  return jax.tree.map(place, batch)
