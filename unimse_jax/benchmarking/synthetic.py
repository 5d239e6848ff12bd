"""Batches with the corpora's lengths and no corpora, to measure speed with.

Needs no files, no tensorflow and no vocabulary: the tokens are noise.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from unimse_jax.config import Config, TextConfig
from unimse_jax.data import annotations
from unimse_jax.data.batching import (
  Batch,
  Encoded,
  collate_frames,
  collate_text,
)
from unimse_jax.data.tokenizer import EOS, PAD
from unimse_jax.labels import INTENSITY, INTENSITY_RANGE, LabelSchema, LabelText
from unimse_jax.pipeline.model_shape import make_label_text

AUDIO_WIDTH = 64  # Mel bands
VIDEO_WIDTH = 1280  # of an EfficientNet-B0 embedding
T5_VOCABULARY = 32128
AUDIO_RATE = 31.25  # frames/s
LABEL_TOKENS = (8, 12)  # with </s>; 10 on average
_FIRST_TOKEN = 3  # beyond pad, </s> and unknown
# A gamma distribution of this shape has MOSEI's 99th percentile (86 of a mean
# of 26.1; 85 measured) and MELD's median and 95th (10.7, 30; 10, 30 measured).
_SHAPE = 2.0
_VOICE_SECONDS = 3.2
_PREFIX_TOKENS = 7  # "sst2 sentence: "
_SPEAKER_TOKENS = 3  # "Rachel: "
# The label slots of the four corpora, as the labels' .meta.json has them.
_MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
_IEMOCAP = ("neutral", "frustrated", "anger", "sadness", "joy", "excited")
SLOTS = {
  "intensity": True,
  "emotions": {
    "meld": dict.fromkeys(_MELD, ""),
    "iemocap": dict.fromkeys(_IEMOCAP, ""),
  },
}
# Rated intensities: MOSI's tenths, and thirds, the means of MOSEI's raters.
GRID = tuple(
  sorted(
    {float(np.float32(number / 10)) for number in range(-30, 31, 2)}
    | {float(np.float32(number / 3)) for number in range(-9, 10)}
  )
)


class Vocabulary:
  """Made-up pieces that write label texts, where no SentencePiece file is.

  Every word behind a space is a piece, every other character one: about as
  many tokens a label as T5's pieces make. It has
  the methods of `data.tokenizer.Tokenizer` that decoding calls.
  """

  def __init__(self, words: Sequence[str]):
    characters = sorted(set("".join(words)) | set("0123456789-., "))
    spaced = [f" {word}" for word in dict.fromkeys(words)]
    self._pieces = [None] * _FIRST_TOKEN + characters + spaced
    self._ids = {piece: number for number, piece in enumerate(self._pieces)}

  def surfaces(self) -> list[bytes | None]:
    return [piece and piece.encode() for piece in self._pieces]

  def encode(self, text: str) -> list[int]:
    """Piece ids, the longest piece at every place."""
    text = f" {text}"
    pieces, place = [], 0
    while place < len(text):
      end = next(
        (
          end
          for end in range(len(text), place, -1)
          if text[place:end] in self._ids
        ),
        place + 1,
      )
      pieces.append(self._ids.get(text[place:end], _FIRST_TOKEN - 1))
      place = end
    return pieces

  def decode(self, tokens: Sequence[int]) -> str:
    """The text up to the first </s>; ids beyond the pieces say nothing."""
    text = ""
    for token in map(int, tokens):
      if token == EOS:
        break
      if PAD < token < len(self._pieces):
        text += self._pieces[token] or ""
    return text.removeprefix(" ")


@dataclasses.dataclass(frozen=True)
class CorpusLengths:
  """T5 tokens of a train split: measured, but for IEMOCAP.

  Attributes:
    rows: utterances.
    mean: tokens of an utterance.
    longest: tokens of the longest one.
    dialogue: turns of a dialogue; 1 where there is no context.
    named: whether turns start with their speaker's name.
  """

  rows: int
  mean: float
  longest: int
  dialogue: int = 1
  named: bool = False


# IEMOCAP's transcripts are not public; its utterances last 4.6 s on average,
# MELD's 3.2 s, and the same tokens a second are assumed.
CORPORA = {
  "mosi": CorpusLengths(1284, 15.5, 80),
  "mosei": CorpusLengths(16326, 26.1, 454),
  "meld": CorpusLengths(9989, 12.7, 102, dialogue=10, named=True),
  "iemocap": CorpusLengths(5237, 18.3, 147, dialogue=49),
}

# Utterances of the test splits, as the paper's Table 1 has them.
TEST_ROWS = {"mosi": 686, "mosei": 4659, "meld": 2610, "iemocap": 1650}


def row_corpora() -> list[str]:
  """The corpus of every row of the four train sets."""
  return [name for name, each in CORPORA.items() for _ in range(each.rows)]


def text_lengths(config: TextConfig, seed: int = 0) -> np.ndarray:
  """Encoder tokens of every row of the four train sets, context included.

  Each turn's own length is drawn; a dialogue's rows then sum over the window
  that the config asks for, as `inputs.encode` does.

  Returns:
    int64[32836], at most config.max_tokens.
  """
  rng = np.random.default_rng(seed)
  prefix = _PREFIX_TOKENS if config.prefix else 0
  lengths = []
  for corpus in CORPORA.values():
    own = rng.gamma(_SHAPE, corpus.mean / _SHAPE, corpus.rows)
    own = np.clip(np.rint(own), 1, corpus.longest).astype(np.int64)
    # The tail of no simple distribution reaches the longest utterance.
    own[rng.integers(corpus.rows)] = corpus.longest
    if corpus.named and config.speakers:
      own = own + _SPEAKER_TOKENS
    lengths.append(_with_context(own, corpus.dialogue, config) + prefix + 1)
  return np.minimum(np.concatenate(lengths), config.max_tokens)


def lengths_of_test_sets(config: TextConfig, seed: int = 0) -> np.ndarray:
  """Encoder tokens of every row of the four test sets, as long as train rows.

  Returns:
    int64[9605].
  """
  rng = np.random.default_rng(seed)
  lengths, corpora = text_lengths(config, seed), np.array(row_corpora())
  drawn = [
    rng.choice(lengths[corpora == corpus], rows)
    for corpus, rows in TEST_ROWS.items()
  ]
  return np.concatenate(drawn)


def _with_context(
  own: np.ndarray, dialogue: int, config: TextConfig
) -> np.ndarray:
  """Tokens of each turn and of those around it, one separator for each."""
  padding = -len(own) % dialogue
  turns = np.pad(own, (0, padding)).reshape(-1, dialogue)
  total = turns.copy()
  for distance in range(1, min(config.window, dialogue - 1) + 1):
    total[:, distance:] += turns[:, :-distance] + 1
    if config.context == "both":
      total[:, :-distance] += turns[:, distance:] + 1
  return total.reshape(-1)[: len(own)]


def label_text(config: Config) -> LabelText:
  """How the config writes the labels of the four corpora."""
  return make_label_text(config, SLOTS, GRID)


def vocabulary_size(config: Config) -> int:
  """Pieces of the vocabulary that the config would use."""
  if config.t5.pretrained or config.tokenizer.path:
    return T5_VOCABULARY
  return config.tokenizer.vocab_size


def target_length(config: Config) -> int:
  """T, the padded length of the labels."""
  return min(LABEL_TOKENS[1], config.decoding.max_new_tokens + 1)


def frame_widths(config: Config) -> dict[str, int]:
  """Modality -> width of a frame as the model reads it."""
  video = config.data.video_components or VIDEO_WIDTH
  widths = {"audio": AUDIO_WIDTH, "video": video}
  return {name: widths[name] for name in config.data.modalities}


def voice_frames(config: Config, rows: int, seed: int = 0) -> np.ndarray:
  """int64[rows], frames of voices as long as MELD's, data.audio_frames at most.

  3.2 s on average, and 18 % above 5 s (16 % measured).
  """
  rng = np.random.default_rng(seed)
  seconds = rng.gamma(_SHAPE, _VOICE_SECONDS / _SHAPE, rows)
  frames = np.rint(seconds * AUDIO_RATE / config.data.audio_stride)
  return np.clip(frames.astype(np.int64), 1, config.data.audio_frames)


def make_batch(
  config: Config,
  lengths: np.ndarray,
  size: int,
  length: int,
  seed: int = 0,
) -> Batch:
  """A batch of noise with these text lengths.

  Args:
    config: widths, frames and vocabulary.
    lengths: int[N], N <= size, encoder tokens of the rows.
    size: B; rows beyond N are empty.
    length: S.
    seed: number that the noise is drawn from.

  Returns:
    The arrays of `batching.collate_text` and `batching.collate_frames`, and of
    `annotations` where the config has heads.
  """
  rng = np.random.default_rng(seed)
  entries = vocabulary_size(config)

  def tokens(count: int) -> list[int]:
    return rng.integers(_FIRST_TOKEN, entries, count - 1).tolist() + [EOS]

  rows = []
  for count in lengths.tolist():
    label = int(rng.integers(LABEL_TOKENS[0], LABEL_TOKENS[1] + 1))
    segments = [int(place >= count // 2) for place in range(count)]
    rows.append(Encoded(tokens(count), segments, tokens(label), [1.0] * label))
  batch = collate_text(rows, size, length, target_length(config))
  counts = config.data.frames
  for name, width in frame_widths(config).items():
    frames = rng.standard_normal((len(rows), counts[name], width), np.float32)
    batch[name], batch[f"{name}_mask"] = collate_frames(
      list(frames), size, counts[name], width
    )
  if config.loss.heads:
    batch |= _annotations(label_text(config).schema, size, rng)
  return batch


def _annotations(
  schema: LabelSchema, size: int, rng: np.random.Generator
) -> Batch:
  """Every slot of every row annotated, which corpora never do."""
  arrays = {INTENSITY: rng.uniform(*INTENSITY_RANGE, size).astype(np.float32)}
  arrays |= {
    annotations.emotion(each.name): rng.integers(
      len(each.classes), size=size, dtype=np.int32
    )
    for each in schema.schemes
  }
  weights = {
    annotations.weight(name): np.ones(size, np.float32) for name in arrays
  }
  return arrays | weights


def mean_label_tokens(config: Config) -> float:
  """Label tokens of an example, on average."""
  drawn = np.arange(LABEL_TOKENS[0], LABEL_TOKENS[1] + 1)
  return float(np.minimum(drawn, target_length(config)).mean())
