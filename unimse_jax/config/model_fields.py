"""The fields of the networks and of what training minimises."""

import dataclasses
from typing import Literal

from unimse_jax.config.field import field


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Fields:
  """T5 (section 4.4: T5-base). A pretrained checkpoint brings its shape; the
  shape here is for random weights and the benchmark."""

  pretrained: str = "google-t5/t5-base"
  """A directory or hub name, whose config.json gives the shape; "" makes a T5
  of the shape below with random weights."""
  width: int = field(768, at_least=1)
  """Of the residual stream (d_model)."""
  head_width: int = field(64, at_least=1)
  """Of an attention head (d_kv)."""
  hidden: int = field(3072, at_least=1)
  """Width inside a feed-forward layer (d_ff)."""
  heads: int = field(12, at_least=1)
  """Of each attention."""
  encoder_layers: int = field(12, at_least=1)
  """Blocks that read."""
  decoder_layers: int = field(12, at_least=1)
  """Blocks that write."""
  activation: Literal["relu", "gelu", "gelu_new", "silu"] = "relu"
  """Of the feed-forward; v1.1 has "gelu_new"."""
  gated: bool = False
  """A second linear map multiplies the activation, as in T5 v1.1."""
  dropout: float = field(0.1, at_least=0, below=1)
  """Share of T5's activations that a training step drops; of pretrained ones
  too."""
  warm_start: Literal["none", "sentences"] = "none"
  """What random weights learn before the training proper. "sentences": to give
  each training text the vector that the sentence encoder gave it, which
  feature_export.universal_labels --sentences stores; first the token embeddings
  by a ridge regression, then the whole encoder by steps."""
  warm_start_epochs: int = field(4, at_least=1)
  """Epochs of "sentences", over the training texts."""
  dtype: Literal["float32", "bfloat16"] = "bfloat16"
  """Of the computation; parameters, norms, softmax and logits stay float32.
  "float32" where the device is slow in bfloat16, as a CPU is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  """Voice and face, and where they meet the text (sections 3.3 and 3.4)."""

  modality_width: int = field(64, at_least=1)
  """d_a = d_v: the LSTMs' width (D7)."""
  modality_dropout: float = field(0.3, at_least=0, below=1)
  """After the LSTM, before its linear map (D7)."""
  lstm: Literal["uni", "bi"] = "uni"
  """Which way the LSTMs read: "uni", to the last frame; "bi", also from the
  last to the first (D8)."""
  zeroed_modalities: tuple[str, ...] = ()
  """Some of data.modalities whose clips all count as absent: their weights and
  their places in the concatenation stay. The other way to do without a modality
  is to leave it out of data.modalities (D42)."""
  pmf: bool = True
  """The adapters of multimodal fusion; False: the ablation w/o PMF, in which
  voice and face act through the contrastive loss alone."""
  pmf_layers: int = field(3, at_least=0)
  """How many of the encoder's layers, the last ones, have PMF; the contrastive
  loss looks at the same ones (D5)."""
  pmf_layer_numbers: tuple[int, ...] = ()
  """In place of model.pmf_layers any layers, rising, counted from 0 (D5)."""
  pmf_decoder: bool = True
  """PMF also after the decoder's last layers, or those of these numbers, as far
  as it has them (D5): voice and face then reach the label's logits through one
  linear map."""
  pmf_place: Literal["after", "parallel", "cross_attention"] = "after"
  """Where PMF sits (D6): "after" the feed-forward and its residual; "parallel":
  W^d reads the feed-forward's input instead; "cross_attention": every token
  attends to the LSTM states of each modality in two layers of width
  adapter_width."""
  adapter_width: int = field(64, at_least=1)
  """Between W^d and W^u (D4)."""
  adapter_activation: Literal["sigmoid", "relu", "gelu"] = "sigmoid"
  """Between W^d and W^u (D3)."""
  adapter_residual: Literal["concat", "text"] = "concat"
  """What F^u is added to: "concat" [F; X^a; X^v], or "text", F alone (D1)."""
  adapter_init: Literal["identity", "near_identity", "authors_random"] = (
    "identity"
  )
  """How adapters start (D2). "identity": step 0 equals plain T5;
  "near_identity": W starts N(0, 1e-3) on voice and face, so that the LSTMs have
  a gradient at once; "authors_random": W as torch starts a linear map, which
  undoes T5 at step 0 (with model.pmf_units = "none" alone)."""
  adapter_norm: bool = False
  """RMSNorm of the text before W^d (D2)."""
  pmf_units: Literal["stream", "none"] = "stream"
  """What Eq. 2 is computed in (D44). "stream": the text in units of the root
  mean square of each token, voice and face in units of their own, and what the
  adapter changes is scaled back; "none": as they come, so that the larger T5's
  residual stream is, the later voice and face are heard."""
  drop_modality: float = field(0.0, at_least=0, below=1)
  """Share of the rows of a training step whose voice counts as absent in the
  fusion, and of those whose face does (D45)."""
  drop_text: float = field(0.0, at_least=0, below=1)
  """Share of the rows of a training step whose words are hidden, </s> excepted
  (D45)."""
  segment_units: Literal["table", "none"] = "table"
  """What the two rows of text.marking = "segments" are multiplied by (D46):
  "table", the root mean square of the token embeddings, so that a learning rate
  means the same to any T5; "none", nothing."""
  adapter_heads: int = field(4, at_least=1)
  """Of "cross_attention"; must divide model.adapter_width (D6)."""
  contrastive_layers: Literal["pmf", "last_only", "pre_block"] = "pmf"
  """Which layers are contrasted (D10). "pmf": after every PMF layer;
  "last_only": after the last of them; "pre_block": the last one's input."""
  contrastive_decoder: bool = False
  """The contrastive loss also at the decoder's layers of these numbers
  (D10)."""
  contrastive_width: int = field(64, at_least=1)
  """Out dimension of the Conv1D of Eq. 3 (D13)."""
  contrastive_kernel: int = field(1, at_least=1)
  """Steps that the Conv1D spans, of tokens and of frames; an odd number has a
  middle (D13)."""
  contrastive_keys: Literal["separate", "shared"] = "separate"
  """Whether voice and face have "separate" Conv1Ds, or "shared" weights
  (D13)."""
  contrastive_anchor: Literal["utterance", "window"] = "utterance"
  """Which tokens the anchor is the mean of (D47): those of the utterance that
  is labelled, or of the "window", its context too."""
  contrastive_pooling: Literal["masked", "include_padding"] = "masked"
  """Mean over valid steps ("masked"), or over padded ones too
  ("include_padding"), which lets a row depend on its batch (D14)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """What training minimises: L^task + alpha L^a + beta L^v (Eq. 4 and 5)."""

  alpha: float = field(0.5, at_least=0)
  """Weight of the text-audio contrast, summed over its layers (D9). Both 0: the
  ablation w/o CL."""
  beta: float = field(0.5, at_least=0)
  """Weight of the text-video contrast (D9)."""
  temperature: float = field(0.1, above=0)
  """Divides the similarities; the lower, the more the nearest negatives count
  (D12)."""
  normalize: bool = True
  """Cosine instead of raw dot product (D12)."""
  count_positive_twice: bool = False
  """Eq. 4 to the letter: the positive stands twice in the denominator (D11)."""
  contrastive_units: Literal["chance", "nats"] = "chance"
  """"nats": the contrasts are summed over their layers, as in Eq. 5, and start
  at the logarithm of the batch size each. "chance": divided by both, so that
  alpha is what the text-audio contrast weighs at the start (D9)."""
  absent: Literal["left_out", "as_zeros"] = "left_out"
  """A text without voice (face) is "left_out" of this loss and has X^a = 0;
  "as_zeros": it has a clip of zero frames like any other clip (D16)."""
  completed_weight: float = field(1.0, at_least=0)
  """Weight in L^task of label fields that are a donor's; annotated ones weigh
  1. Lower it where completed labels are little better than a guess."""
  class_balance: float = field(0.0, at_least=0, at_most=1, before=0.0)
  """Makes up for rare emotions: an emotion weighs the inverse frequency of its
  class among the training labels to this power, 1 on average. 0: all weigh the
  same; 1: each class weighs the same, which on MELD's words gave macro F1 .03
  and took no accuracy (docs/results.md)."""
  heads: float = field(0.0, at_least=0, before=0.0)
  """Weight of linear heads on the fused text, which learn what the corpora
  annotate beside the decoder, as the systems of docs/rivals.md do: L1 of the
  intensity, cross-entropy of each emotion scheme (D49). 0: there are none.
  decoding.emotion can read them."""
  number_spread: float = field(0.0, at_least=0)
  """Numbers that know their neighbours: each time a label is learnt, its number
  is drawn around the rated one, from a Gaussian of this standard deviation (in
  points of the score) over the rated numbers of its sign; 0: as rated (D24)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RivalConfig:
  """A system of the paper's Table 2 in UniMSE's place (docs/rivals.md). It has
  T5's encoder and reads what UniMSE reads; the model section and what of the
  loss is not its own are not read then."""

  system: str = field("", before="")
  """Which one: a name of docs/rivals.md; "" trains UniMSE."""
  width: int = field(64, at_least=2, before=64)
  """Of the vectors of each modality and of a system's layers."""
  dropout: float = field(0.1, at_least=0, below=1, before=0.1)
  """Share of its activations that a training step drops."""
  options: tuple[str, ...] = field((), before=())
  """What a system has of its own, where it is not to be the paper's: "rank=4"
  (docs/rivals.md)."""
