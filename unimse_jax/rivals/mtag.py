"""MTAG: Modal-Temporal Attention Graph (Yang et al., NAACL 2021)."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.attention import check_heads
from unimse_jax.rivals.mult import with_positions
from unimse_jax.rivals.streams import Fused, Stream, spans

_WHEN = 3  # the source is of the target's time, or of before, or of after
_SLOPE = 0.2  # of the leaky ReLU


def temporal_relations(masks: Sequence[jax.Array]) -> jax.Array:
  """When the source of each edge is, seen from its target.

  Args:
    masks: bool[B, F] of each modality, F its own; V is the sum of all F.

  Returns:
    int32[B, V, V] for targets and sources of all V frames: 0 where the two
    overlap, 1 where the source has ended before, 2 where it begins after.
  """
  times = [spans(each) for each in masks]
  starts, ends = (
    jnp.concatenate(each, axis=1) for each in zip(*times, strict=True)
  )
  before = ends[:, None] <= starts[:, :, None]
  after = starts[:, None] >= ends[:, :, None]
  return jnp.where(before, 1, jnp.where(after, 2, 0))


def strongest(weights: jax.Array, edges: jax.Array, share: float) -> jax.Array:
  """Dynamic edge pruning: which edges of each graph the next layer has.

  Args:
    weights: float32[B, V, V], the attention to each edge.
    edges: bool[B, V, V], True where the graph has an edge.
    share: part of the graph's edges to keep; their number is rounded down, and
      edges as strong as the weakest of them are kept as well.

  Returns:
    bool[B, V, V].
  """
  if share >= 1:
    return edges
  kept = (share * edges.sum(axis=(1, 2))).astype(jnp.int32)[:, None, None]
  # The weakest weight that stays is found bit by bit, many times as fast as by
  # sorting: floats that are not negative have the order of their bits.
  bits = jax.lax.bitcast_convert_type(weights, jnp.int32)
  bits = jnp.where(edges, bits, -1)

  def try_bit(place: jax.Array, weakest: jax.Array) -> jax.Array:
    higher = weakest | (1 << (30 - place))
    enough = (bits >= higher).sum(axis=(1, 2), keepdims=True) >= kept
    return jnp.where(enough, higher, weakest)

  weakest = jax.lax.fori_loop(0, 31, try_bit, jnp.zeros_like(kept))
  return edges & (bits >= weakest) & (kept > 0)


class GraphLayer(nn.Module):
  """MTAG fusion: attention with a vector for each kind of edge.

    x'_i = M_m x_i, with a matrix M for each modality m
    alpha_ij = softmax over j of LeakyReLU(a_k [x'_i; x'_j])
    z_i = sum over j of alpha_ij x'_j

  k is the kind of the edge: the modalities of its ends, and its time.

  Attributes:
    sizes: number of frames of each modality.
  """

  sizes: tuple[tuple[str, int], ...]
  heads: int
  keep: float
  dropout: float

  @nn.compact
  def __call__(
    self,
    carry: tuple[jax.Array, jax.Array],
    when: jax.Array,
    deterministic: bool,
  ) -> tuple[tuple[jax.Array, jax.Array], None]:
    """Nodes [B, V, W] and edges bool[B, V, V] -> those of the next layer."""
    nodes, edges = carry
    batch, count, width = nodes.shape
    projected = [
      Dense(width, use_bias=False, name=name)(part)
      for (name, _), part in zip(self.sizes, self._split(nodes), strict=True)
    ]
    values = jnp.concatenate(projected, axis=1)
    values = values.reshape(batch, count, self.heads, -1)
    logits = nn.leaky_relu(self._logits(values, when), _SLOPE)
    lowest = jnp.finfo(logits.dtype).min
    weights = nn.softmax(jnp.where(edges[:, None], logits, lowest))
    weights = jnp.where(edges[:, None], weights, 0.0)
    edges = strongest(
      jax.lax.stop_gradient(weights.mean(axis=1)), edges, self.keep
    )
    weights = Dropout(self.dropout)(weights, deterministic)
    mixed = jnp.einsum("BHIJ,BJHC->BIHC", weights, values)
    bias = self.param("bias", nn.initializers.zeros, (width,))
    return (mixed.reshape(nodes.shape) + bias, edges), None

  def _split(self, nodes: jax.Array, axis: int = 1) -> list[jax.Array]:
    """The parts of the modalities."""
    *places, _ = itertools.accumulate(size for _, size in self.sizes)
    return jnp.split(nodes, places, axis=axis)

  def _logits(self, values: jax.Array, when: jax.Array) -> jax.Array:
    """a_k [x'_i; x'_j], float32[B, H, V, V]."""
    kinds = len(self.sizes)
    shape = (kinds, kinds, _WHEN, *values.shape[2:])
    start = nn.initializers.normal(values.shape[-1] ** -0.5)
    target = self.param("target_attention", start, shape)
    source = self.param("source_attention", start, shape)
    parts, rows = self._split(values), []
    for i, of_target in enumerate(self._split(when)):
      blocks = []
      for j, relation in enumerate(self._split(of_target, axis=2)):
        left = jnp.einsum("BIHC,RHC->RBHI", parts[i], target[i, j])
        right = jnp.einsum("BJHC,RHC->RBHJ", parts[j], source[i, j])
        block = left[0, ..., None] + right[0, :, :, None]
        for each in range(1, _WHEN):
          other = left[each, ..., None] + right[each, :, :, None]
          block = jnp.where((relation == each)[:, None], other, block)
        blocks.append(block)
      rows.append(jnp.concatenate(blocks, axis=3))
    return jnp.concatenate(rows, axis=2)


class MTAG(nn.Module):
  """All frames of all modalities in one graph; every one reads every other.

  Frames of different modalities are of one time where the parts of the
  utterance that they take overlap; the paper aligns them by windows of equal
  length and stride. T5's states of the words stand in place of GloVe vectors.
  Edges are pruned within each graph, the code ranks those of a batch together;
  its default leaves out, within a modality, all edges but those to the frames
  before and after. As there, nothing stands between two layers, and their
  nodes are not added up.

  Attributes:
    layers: number of layers, whose nodes' mean is read.
    heads: number of heads of the attention.
    keep: share of the edges that outlast a layer.
  """

  width: int
  dropout: float
  layers: int = 6
  heads: int = 4
  keep: float = 0.8

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    check_heads(self.heads, self.width)
    starts = [
      self._embed(name, stream, deterministic)
      for name, stream in streams.items()
    ]
    masks = [stream.mask for stream in streams.values()]
    there = jnp.concatenate(masks, axis=1)
    layers = nn.scan(
      nn.remat(GraphLayer, static_argnums=(3,), prevent_cse=False),
      variable_axes={"params": 0},
      split_rngs={"params": True, "dropout": True},
      in_axes=(nn.broadcast, nn.broadcast),
      length=self.layers,
    )
    (nodes, _), _ = layers(
      tuple((name, each.mask.shape[1]) for name, each in streams.items()),
      self.heads,
      self.keep,
      self.dropout,
      name="graph",
    )(
      (jnp.concatenate(starts, axis=1), there[:, :, None] & there[:, None]),
      temporal_relations(masks),
      deterministic,
    )
    pooled = Stream(nodes, there).mean()
    return Fused(nn.relu(Dense(self.width, name="hidden")(pooled)))

  def _embed(self, name: str, stream: Stream, deterministic: bool) -> jax.Array:
    """The nodes at the start: float32[B, F, W], with positions."""
    embedded = Dense(self.width, name=name)(stream.frames)
    embedded = with_positions(embedded, stream.mask)
    return Dropout(self.dropout)(embedded, deterministic)
