"""A model with what it reads and writes: from an utterance to its label."""

import dataclasses
import pathlib
import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from unimse_jax.config import Config
from unimse_jax.data import inputs
from unimse_jax.data.batching import Collator, Encoded
from unimse_jax.data.features import FeatureTransform
from unimse_jax.data.records import Record
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError
from unimse_jax.labels import ClassWeights, LabelText, UniversalLabel
from unimse_jax.models import T5Config, UniMSE
from unimse_jax.parallel import sharding
from unimse_jax.pipeline import model_file
from unimse_jax.pipeline.model_shape import make_label_text, make_model
from unimse_jax.rivals import Rival, find
from unimse_jax.rundir import RunDir

_EQUAL: ClassWeights = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Pipeline:
  """Attributes:
  config: the typed config.
  tokenizer: the vocabulary.
  label_text: writer and reader of label texts.
  collator: makes batches.
  model: UniMSE, or a system in its place.
  data_sha256: hash of the corpora and labels that it was made from.
  extraction: settings of the features that it was trained on ("audio",
    "video", "settings_sha256"); empty in runs that are older than the field.
  class_counts: emotion slot -> word -> number of annotated training labels;
    empty in runs that are older than the field.
  """

  config: Config
  tokenizer: Tokenizer
  label_text: LabelText
  collator: Collator
  model: UniMSE | Rival
  data_sha256: str
  extraction: Mapping[str, Any]
  class_counts: Mapping[str, Mapping[str, int]]

  def encode(self, utterance: Utterance) -> Encoded:
    """Tokens of an utterance whose label is not known."""
    return Encoded(*inputs.encode(utterance, self.tokenizer, self.config.text))

  def encode_example(
    self, example: Record, class_weights: ClassWeights = _EQUAL
  ) -> Encoded:
    """Tokens of a labelled record and of its label's text."""
    target, weights = self.encode_label(example.label, class_weights)
    encoded = self.encode(example)
    return dataclasses.replace(encoded, target=target, weights=weights)

  def encode_label(
    self, label: UniversalLabel, class_weights: ClassWeights = _EQUAL
  ) -> tuple[list[int], list[float]]:
    """The label's tokens with </s>, and the weight of each in the loss.

    What a donor gave weighs loss.completed_weight, an emotion its class's
    weight, and all else 1.
    A token belongs to each field that it holds a letter of: T5 has one for "1,"
    and others of that kind. Separators of their own weigh 1: that a field
    follows is no guess, whatever stands in it.
    """
    label = self.label_text.schema.project(label)
    fields = self.label_text.fields(label)
    separator = self.label_text.separator
    tokens, ends = self.tokenizer.encode_with_ends(separator.join(fields))
    begins, ends = np.array([0, *ends[:-1]]), np.array(ends)
    weights = np.ones(len(tokens))
    start = 0
    for slot, text in zip(self.label_text.schema.slots, fields, strict=True):
      end = start + len(text.encode())
      weight = class_weights.get(slot, {}).get(text, 1.0)
      if slot in label.donors:
        weight *= self.config.loss.completed_weight
      if weight != 1.0:
        weights[(begins < end) & (ends > start)] = weight
      start = end + len(separator.encode())
    return [*tokens, EOS], [*weights.tolist(), 1.0]

  @property
  def reads_dialogues(self) -> bool:
    """Whether a batch must hold whole dialogues."""
    system = self.config.rival.system
    return bool(system) and find(system).dialogues

  def require_unimse(self, what: str) -> None:
    """Raises InputError where the run's model is another system."""
    system = self.config.rival.system
    if system:
      raise InputError(
        f"{what}: expected a run of UniMSE, found one of rival.system = "
        f"{system}, which is trained to be compared with (eval, report)"
      )

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
    if self.reads_dialogues:
      batch["dialogue_rows"] = batch["dialogue_speakers"] = tokens - 1
    return batch


def open_pipeline(
  config: Config, run_dir: RunDir, vocabulary: pathlib.Path | None = None
) -> Pipeline:
  """Opens what training left in a run directory.

  Args:
    config: config of the run.
    run_dir: the run, or a folder with the same files.
    vocabulary: the SentencePiece file, where it lies elsewhere.

  Raises:
    InputError: no training run has written its pipeline files there, or one of
      them was changed since.
  """
  vocabulary = vocabulary or run_dir.tokenizer_file
  files = (vocabulary, run_dir.features_file, run_dir.model_file)
  missing = [file for file in files if not file.is_file()]
  if missing:
    raise InputError(
      "Expected the workdir of a training run, found no "
      f"{', '.join(map(str, missing))}; train first, or correct --workdir."
    )
  run_dir.check_unchanged(config)
  stored = model_file.read(run_dir.model_file)
  if config.decoding.logit_adjustment and "class_counts" not in stored:
    raise InputError(
      "config.decoding.logit_adjustment: expected class_counts in "
      f"{run_dir.model_file}, found none: the run is older than the field and "
      "knows no frequencies of its emotions; leave the field at 0"
    )
  label_text = make_label_text(
    config, stored["slots"], stored["grid"], stored["contradictions"]
  )
  return Pipeline(
    config=config,
    tokenizer=Tokenizer(vocabulary),
    label_text=label_text,
    collator=Collator(
      FeatureTransform.load(run_dir.features_file),
      config.data,
      config.augment,
      stored["target_length"],
    ),
    model=make_model(config, T5Config(**stored["t5"]), label_text),
    data_sha256=stored["data_sha256"],
    extraction=stored.get("extraction", {}),
    class_counts=stored.get("class_counts", {}),
  )


def restore_params(
  pipeline: Pipeline, mesh: Mesh, run_dir: RunDir, step: int | None = None
) -> tuple[Any, dict[str, Any]]:
  """The parameters of a checkpoint, and which it was.

  Args:
    pipeline: the run's pipeline.
    mesh: devices that the parameters are placed on.
    run_dir: the run.
    step: number of the checkpoint; None for the best of those that are there,
      else the latest.

  Returns:
    Parameters, and {"checkpoint": "best", "latest" or "chosen", "step",
    "epoch"}.

  Raises:
    InputError: the directory holds no such whole checkpoint.
  """
  with run_dir.open_checkpoints(read_only=True) as checkpointer:
    best = checkpointer.best_step() if step is None else step
    restored = checkpointer.restore(
      pipeline.abstract_params(mesh),
      best,
      subtree="average" if pipeline.config.train.average else "params",
    )
  kind = "best" if step is None else "chosen"
  return restored.state, {
    "checkpoint": "latest" if best is None else kind,
    "step": restored.step,
    "epoch": restored.metadata["epoch"],
  }
