"""What runs a model, from text and frames to label text and back.

Training writes it into the workdir; evaluation and prediction open it from
there, without the corpora and without the pretrained weights.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from unimse_jax.config import Config, layer_faults
from unimse_jax.data import inputs
from unimse_jax.data.batching import Collator, Encoded
from unimse_jax.data.features import FeatureTransform
from unimse_jax.data.mixture import Example
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.labels import LabelSchema, LabelText, UniversalLabel
from unimse_jax.models import T5Config, UniMSE, UniMSEConfig
from unimse_jax.parallel import sharding

TOKENIZER_FILE = "tokenizer/spiece.model"
FEATURES_FILE = "features.npz"
MODEL_FILE = "model.json"
CHECKPOINTS = "checkpoints"
# What the checkpointer calls the best: the step that was the best when it was
# saved, so that a later best one always stands above an earlier.
BEST = ("selected", "max")


@dataclasses.dataclass(frozen=True)
class Pipeline:
  """Attributes:
  config: the typed config.
  tokenizer: the vocabulary.
  label_text: how labels are written and read.
  collator: makes batches.
  model: UniMSE.
  data_sha256: hash of the corpora and labels that it was made from.
  extraction: settings of the features that it was trained on ("audio",
    "video", "settings_sha256"); empty in runs that are older than the field.
  """

  config: Config
  tokenizer: Tokenizer
  label_text: LabelText
  collator: Collator
  model: UniMSE
  data_sha256: str
  extraction: Mapping[str, Any]

  def encode(self, example: Example) -> Encoded:
    """Tokens of an utterance and of its label's text."""
    tokens, segments = inputs.encode(example, self.tokenizer, self.config.text)
    return Encoded(tokens, segments, *self.encode_label(example.label))

  def encode_label(
    self, label: UniversalLabel
  ) -> tuple[list[int], list[float]]:
    """The label's tokens with </s>, and the weight of each in the loss.

    A token belongs to the field that it ends in. Separators weigh 1: that a
    field follows is no guess, whatever stands in it.
    """
    label = self.label_text.schema.project(label)
    fields = self.label_text.fields(label)
    separator = self.label_text.separator
    tokens, ends = self.tokenizer.encode_with_ends(separator.join(fields))
    places = np.array(ends)
    weights = np.ones(len(tokens))
    start = 0
    for slot, text in zip(self.label_text.schema.slots, fields, strict=True):
      end = start + len(text.encode())
      if slot in label.completed:
        inside = (start < places) & (places <= end)
        weights[inside] = self.config.loss.completed_weight
      start = end + len(separator.encode())
    return [*tokens, EOS], [*weights.tolist(), 1.0]

  def init(self, key: jax.Array) -> Any:
    """Fresh parameters, T5's among them."""
    return self.model.init(key, self._dummy_batch())["params"]

  def abstract_params(self, mesh: Mesh | None = None) -> Any:
    """Shapes of the parameters; with a mesh, their shardings too."""
    shapes = jax.eval_shape(self.init, jax.random.key(0))
    if mesh is None:
      return shapes
    return sharding.placed(shapes, sharding.state_sharding(shapes, mesh))

  def _dummy_batch(self) -> dict[str, jax.Array]:
    """One row of one token and one frame, to find out shapes with."""
    tokens = jnp.ones((1, 1), jnp.int32)
    batch = {
      "encoder_input_tokens": tokens,
      "segment_ids": tokens,
      "encoder_mask": tokens > 0,
      "decoder_input_tokens": tokens,
      "decoder_target_tokens": tokens,
    }
    for name in self.config.data.modalities:
      width = self.collator.transform.width(name)
      batch[name] = jnp.zeros((1, 1, width))
      batch[f"{name}_mask"] = tokens > 0
    return batch


def model_config(config: Config, t5: T5Config) -> UniMSEConfig:
  """The model's own view of a config.

  Raises:
    InputError: the PMF layers are not all layers of this T5.
  """
  t5 = dataclasses.replace(t5, dtype=config.t5.dtype, dropout=config.t5.dropout)
  faults = layer_faults(config, t5.encoder_layers, t5.decoder_layers)
  if faults:
    raise InputError(
      "The T5 does not fit the config:\n  " + "\n  ".join(faults)
    )
  return UniMSEConfig(
    **vars(config.model),
    t5=t5,
    modalities=config.data.modalities,
    audio_frames=config.data.audio_frames,
    video_frames=config.data.video_frames,
    marking=config.text.marking,
    absent=config.loss.absent,
    contrastive=bool(config.loss.alpha or config.loss.beta),
  )


def make_label_text(
  config: Config,
  slots: Mapping[str, Any],
  grid: Sequence[float],
  contradictions: Iterable[Sequence[str]] = (),
) -> LabelText:
  """How the config writes labels.

  Args:
    config: its label section.
    slots: what a label holds, from the universal labels' .meta.json.
    grid: the intensities of the training labels, rising.
    contradictions: (polarity, slot, word) of training labels in which the
      polarity and another field contradict each other.
  """
  label = config.label
  schema = LabelSchema.from_slots(slots)
  if label.fields == "three_field":
    schema = schema.three_field()
  raw = label.numbers == "raw"
  return LabelText(
    schema,
    label.separator,
    label.decimals,
    raw,
    tuple(grid) if raw or label.snap else (),
    label.snap,
    config.decoding.constrained and config.decoding.consistent,
    frozenset(map(tuple, contradictions)),
  )


def write_model_file(
  workdir: pathlib.Path,
  t5: T5Config,
  slots: Mapping[str, Any],
  grid: Sequence[float],
  contradictions: Iterable[tuple[str, str, str]],
  target_length: int,
  data_sha256: str,
  extraction: Mapping[str, Any],
) -> None:
  """Keeps what is not in the config: shapes, slots, and which data it was."""
  values = {
    "data_sha256": data_sha256,
    "extraction": extraction,
    "t5": dataclasses.asdict(t5),
    "slots": slots,
    "grid": list(grid),
    "contradictions": sorted(contradictions),
    "target_length": target_length,
  }
  text = json.dumps(values, indent=2)
  write_atomically(workdir / MODEL_FILE, text.encode())


def discard(workdir: pathlib.Path) -> None:
  """Removes those of the files of a pipeline that exist."""
  for name in (TOKENIZER_FILE, FEATURES_FILE, MODEL_FILE):
    (workdir / name).unlink(missing_ok=True)


def open_pipeline(
  config: Config, workdir: pathlib.Path, vocabulary: pathlib.Path | None = None
) -> Pipeline:
  """Opens what training left in a workdir.

  Args:
    config: config of the run.
    workdir: workdir of the run, or a folder with the same files.
    vocabulary: the SentencePiece file, where it lies elsewhere.

  Raises:
    InputError: no training run has come as far as its first step there.
  """
  vocabulary = vocabulary or workdir / TOKENIZER_FILE
  files = {
    TOKENIZER_FILE: vocabulary,
    FEATURES_FILE: workdir / FEATURES_FILE,
    MODEL_FILE: workdir / MODEL_FILE,
  }
  missing = [name for name, path in files.items() if not path.is_file()]
  if missing:
    raise InputError(
      f"Expected the workdir of a training run, found no {', '.join(missing)} "
      f"in {workdir}; train first, or correct --workdir."
    )
  stored = json.loads((workdir / MODEL_FILE).read_text())
  label_text = make_label_text(
    config, stored["slots"], stored["grid"], stored["contradictions"]
  )
  return Pipeline(
    config=config,
    tokenizer=Tokenizer(vocabulary),
    label_text=label_text,
    collator=Collator(
      FeatureTransform.load(workdir / FEATURES_FILE),
      config.data,
      config.augment,
      stored["target_length"],
    ),
    model=UniMSE(model_config(config, T5Config(**stored["t5"]))),
    data_sha256=stored["data_sha256"],
    extraction=stored.get("extraction", {}),
  )


def restore_params(
  pipeline: Pipeline, mesh: Mesh, workdir: pathlib.Path
) -> tuple[Any, dict[str, Any]]:
  """The best checkpoint's parameters, else the latest's, and which it was.

  Raises:
    InputError: the workdir holds no whole checkpoint.
  """
  # Here, so that the model of a config can be built without orbax.
  from unimse_jax.checkpoints.checkpointer import Checkpointer

  with Checkpointer(
    workdir / CHECKPOINTS, best=BEST, read_only=True
  ) as checkpointer:
    best = checkpointer.best_step()
    restored = checkpointer.restore(
      pipeline.abstract_params(mesh), best, subtree="params"
    )
  return restored.state, {
    "checkpoint": "latest" if best is None else "best",
    "step": restored.step,
    **restored.metadata,
  }
