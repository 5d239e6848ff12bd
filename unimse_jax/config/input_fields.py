"""The fields of what is read and written: texts, labels, corpora, features."""

import dataclasses
from typing import Literal

from unimse_jax.config.field import field


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig:
  """What the encoder reads (Eq. 1)."""

  prefix: str = "sst2 sentence: "
  """What every text starts with: a task that T5 was pre-trained on (D17). ""
  where T5 starts from random weights, to which it means nothing. "{corpus}" in
  it is the name of the text's corpus; a clip of no corpus is read with what
  stands before that."""
  prefixes: tuple[str, ...] = ()
  """Entries "corpus=prefix" for corpora that have another one (D17)."""
  window: int = field(2, at_least=0, at_most=8)
  """Turns of dialogue either side of the utterance (D18), of which records hold
  8; 0 for no context. More turns want more text.max_tokens."""
  context: Literal["both", "past"] = "both"
  """On which sides turns are read: "both", or the "past" alone, as in real-time
  use (D18)."""
  same_speaker: tuple[str, ...] = ()
  """Corpora whose window holds turns of the utterance's own speaker alone, as
  the authors' IEMOCAP files do (D18)."""
  marking: Literal["segments", "eos_marks", "slice_encoder", "none"] = (
    "segments"
  )
  """How the decoder learns which turn is meant (D19): "segments", a 2-row
  embedding, zero at start (Eq. 1); "eos_marks", </s> before and after it;
  "slice_encoder", the decoder sees that turn alone; or "none"."""
  turn_separator: str = "|"
  """Between turns; "" for nothing (D19)."""
  speakers: tuple[str, ...] = ("meld",)
  """Corpora whose turns start with a name (D20)."""
  speaker_names: Literal["real", "anonymised"] = "real"
  """Whether those names are the "real" ones, or "anonymised": P1, P2 in the
  order in which they speak, so that no name can be learnt (D20)."""
  speaker_end: str = ": "
  """Between a speaker's name and the words (D20)."""
  lowercase: tuple[str, ...] = ("mosi", "mosei")
  """Corpora to lower-case (D21)."""
  max_tokens: int = field(512, at_least=8)
  """Longest text, in tokens. Of longer ones the farthest turns go first, the
  later side before the earlier, then the utterance's own end. Memory and time
  grow with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelConfig:
  """What the decoder writes (section 3.2)."""

  fields: Literal["all", "three_field"] = "all"
  """Which emotions: "all", one per scheme of the mixture; "three_field", one
  emotion, the sample's own or its most similar donor's (Algorithm 1; D22)."""
  separator: str = ", "
  """Between the fields; holds a comma, which the parser splits at. One token
  per emotion word with ", " (D23)."""
  numbers: Literal["rounded", "raw"] = "rounded"
  """How numbers are written: "rounded" to so many decimals, trailing zeros
  trimmed; or "raw", as the authors' files print float32 (D24)."""
  decimals: int = field(2, at_least=0, at_most=3)
  """Digits after the point of "rounded" numbers (D24)."""
  snap: bool = True
  """Reads a written number as the nearest intensity of the training labels, and
  constrained decoding then writes no other (D24): tens of numbers instead of
  601, which the mean and median of decoding.intensity are the cheaper for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
  """The SentencePiece vocabulary that texts and labels are cut with."""

  path: str = ""
  """A SentencePiece file, a T5's tokenizer.json, or a directory with
  spiece.model or else that; "" takes the one beside the T5 weights, or trains
  one on the training texts where T5 starts from random weights."""
  vocab_size: int = field(2000, at_least=64)
  """Pieces of a vocabulary that is trained; not read otherwise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The corpora and their features."""

  dir: str = "data"
  """Where feature_export.export wrote."""
  corpora: tuple[str, ...] = ("mosi", "mosei", "meld", "iemocap")
  """The mixture: names of datasets in data.dir, each once. All are trained on
  together and scored apart."""
  labels: str = "data/universal_labels.jsonl"
  """The file that feature_export.universal_labels wrote for these corpora."""
  donors: Literal["train", "all_splits"] = "train"
  """What the labels file's donors must be: "train", or "all_splits" as in the
  authors' files, which leaks test labels into training (D34)."""
  donor_classes: Literal["scheme", "authors_drop"] = "scheme"
  """Which classes of donors give labels: "scheme", the scheme's alone;
  "authors_drop", any class, and records that get one outside the task are left
  out (D37)."""
  temperature: float = field(1.0, at_least=1)
  """Shares of the corpora in an epoch: rows ** (1 / temperature). 1 is all of
  each, once; more lets small corpora come more often (D31)."""
  modalities: tuple[str, ...] = ("audio", "video")
  """What is read beside the text: "audio", "video", both or () (D42). One that
  is left out has no weights; see model.zeroed_modalities."""
  buckets: tuple[int, ...] = (32, 48, 64, 80, 96, 112, 128, 160, 192, 256, 512)
  """Lengths, in tokens, that texts are padded to; rising, the last one is
  text.max_tokens. Evaluation compiles each that it needs: more lengths pad less
  and compile longer. Training needs one for most batches and one for the
  longest texts; several texts then share a row of the encoder."""
  audio_frames: int = field(157, at_least=1)
  """Frames of voice that are read: 5 s at 31.25 frames/s."""
  video_frames: int = field(32, at_least=1)
  """Frames of face that are read (T); the exporter's --frames, or fewer."""
  long_clips: Literal["pool", "cut"] = "pool"
  """What becomes of a clip with more frames (D41): "pool" averages neighbouring
  ones, so that all of it is read; "cut" drops the later ones."""
  audio_stride: int = field(1, at_least=1)
  """Neighbouring frames of voice that are averaged to one in every clip; 2
  halves the LSTM's time. data.audio_frames counts what is left."""
  video_components: int = field(64, at_least=0)
  """Frame embeddings are projected to this width by a PCA of the training split
  (D41); 0 keeps them and lets the LSTM learn the projection."""
  audio_level: Literal["absolute", "clip"] = "absolute"
  """Of the Mel-spectrogram: "absolute" dB as exported, or "clip", less the
  clip's own mean, where microphones and distances differ between speakers."""

  @property
  def frames(self) -> dict[str, int]:
    """Modality -> frames of the longest clip, of those that are read."""
    counts = {"audio": self.audio_frames, "video": self.video_frames}
    return {name: counts[name] for name in self.modalities}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
  """Voices changed at random in training batches alone (SpecAugment, Park et
  al. 2019). The changes of a row follow from seed and step, so that resuming
  stays exact."""

  time_masks: int = field(0, at_least=0)
  """Spans of frames that are replaced by the training mean."""
  time_share: float = field(0.2, at_least=0, at_most=1)
  """Widest of those spans, as a share of its clip's frames."""
  frequency_masks: int = field(0, at_least=0)
  """Spans of Mel bands that are replaced by the training mean."""
  frequency_bands: int = field(16, at_least=0)
  """Widest of those spans, of 64 bands."""
  level: float = field(0.0, at_least=0)
  """Greatest change of a clip's loudness, in dB; without effect where
  data.audio_level is "clip"."""
  speed: float = field(0.0, at_least=0, below=1)
  """Greatest change of a clip's speed, as a share, at the same pitch."""
