"""Makes, in a new run directory, what a pipeline consists of.

The vocabulary, the scale of the frames, the shape of the T5.
"""

import dataclasses
import pathlib

import numpy as np
from absl import logging

from unimse_cli.storage import make_directory
from unimse_jax import pretrained, rivals
from unimse_jax.config import Config
from unimse_jax.data import (
  features,
  inputs,
  mixture,
  sentences,
  tokenizer,
)
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import SPLITS
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.labels import LabelText, count_classes
from unimse_jax.models import T5Config
from unimse_jax.pipeline import model_file, starting_model
from unimse_jax.pipeline.model_shape import make_label_text, random_t5
from unimse_jax.rundir import RunDir

# A T5's table has fewer rows than these beyond its pieces (T5: 128, mT5: 12).
_UNUSED_ROWS = 256


def check_inputs(config: Config) -> None:
  """Looks for everything that a new run reads, before anything is made.

  Raises:
    InputError: one message with all that is missing, where it was looked for
      and the commands that make it.
  """
  faults = mixture.missing(
    config.data.dir,
    config.data.corpora,
    config.data.labels,
    config.data.donors,
    config.data.donor_classes,
  )
  checks = []
  if config.rival.system:
    fields = config.rival
    checks.append(lambda: rivals.read_options(fields.system, fields.options))
  if config.train.init_from:
    checks.append(lambda: starting_model.open_model(config.train.init_from))
  elif config.t5.pretrained:
    checks.append(lambda: pretrained.check_source(config.t5.pretrained))
  if config.tokenizer.path and not config.train.init_from:
    checks.append(lambda: tokenizer.find(config.tokenizer.path))
  warm = config.t5.warm_start == "sentences" and not config.train.init_from
  if warm and not faults:
    checks.append(lambda: sentences.find(config.data.labels))
  for check in checks:
    try:
      check()
    except InputError as error:
      faults.append(str(error))
  if faults:
    raise InputError(
      f"The config {config.name!r} needs {len(faults)} thing(s) that are not "
      "there or do not fit:\n" + "\n".join(f"  - {fault}" for fault in faults)
    )


def make_pipeline(config: Config, run_dir: RunDir, loaded: Mixture) -> None:
  """Writes those files of the pipeline that do not exist yet.

  Args:
    config: the run's config.
    run_dir: an existing directory.
    loaded: the corpora and labels of the config.

  Raises:
    InputError: a file of the config is missing or does not fit the others.
  """
  if all(file.is_file() for file in run_dir.pipeline_files):
    return
  label_text = make_label_text(config, loaded.slots, loaded.grid)
  start = None
  if config.train.init_from:
    start = starting_model.open_model(config.train.init_from)
  if not run_dir.tokenizer_file.is_file():
    source = start.vocabulary if start else None
    _make_tokenizer(config, run_dir.tokenizer_file, loaded, label_text, source)
  if not run_dir.features_file.is_file():
    transform = _fit_transform(config, loaded)
    if start:
      transform = _merge_transform(transform, start, config, loaded)
    transform.save(run_dir.features_file)
  if run_dir.model_file.is_file():
    return
  vocabulary = Tokenizer(run_dir.tokenizer_file)
  content = model_file.ModelFile(
    data_sha256=loaded.sha256,
    extraction=loaded.extraction,
    t5=dataclasses.asdict(
      start.pipeline.model.config.t5
      if start
      else _t5_config(config, vocabulary)
    ),
    slots=loaded.slots,
    grid=list(loaded.grid),
    contradictions=sorted(map(list, _contradictions(loaded, label_text))),
    target_length=_target_length(config, loaded, vocabulary, label_text),
    class_counts=count_classes(
      (example.label for example in loaded.examples["train"]),
      label_text.schema,
    ),
  )
  model_file.write(run_dir.model_file, content)


def _contradictions(
  loaded: Mixture, label_text: LabelText
) -> frozenset[tuple[str, str, str]]:
  """What the training labels say against their own polarity, if anything."""
  contradictions = label_text.find_contradictions(
    example.label for example in loaded.examples["train"]
  )
  if contradictions:
    polarity, slot, word = min(contradictions)
    logging.warning(
      "Training labels contradict themselves in %d way(s), for example "
      "%s = %r beside the polarity %r; these may be written all the same.",
      len(contradictions),
      *(slot, word, polarity),
    )
  return contradictions


def _merge_transform(
  own: features.FeatureTransform,
  start: starting_model.StartingModel,
  config: Config,
  loaded: Mixture,
) -> features.FeatureTransform:
  """The starting model's scale of all frames that are read as it read them."""
  shared = starting_model.shared_modalities(
    start.pipeline, config, loaded.extraction
  )
  theirs = start.pipeline.collator.transform
  return starting_model.merge_transforms(own, theirs, shared)


def _make_tokenizer(
  config: Config,
  path: pathlib.Path,
  loaded: Mixture,
  label_text: LabelText,
  start: pathlib.Path | None,
) -> None:
  """Copies the vocabulary of `start` or of the config, or learns one."""
  make_directory(path.parent)
  source = str(start or config.tokenizer.path)
  if config.t5.pretrained and not source:
    source = str(pretrained.locate(config.t5.pretrained))
  if source:
    write_atomically(path, tokenizer.read(tokenizer.find(source)))
    return
  texts = [config.text.turn_separator]
  for example in loaded.examples["train"]:
    before, current, after = inputs.turns(example, config.text)
    # As often as it is read, so that a corpus's name becomes few pieces.
    start = inputs.prefix(example.corpus, config.text)
    texts += [start, *before, current, *after, label_text.write(example.label)]
  schema = label_text.schema
  slots = [slot for slot in schema.slots if slot != "intensity"]
  words = dict.fromkeys(word for slot in slots for word in schema.classes(slot))
  tokenizer.train(filter(None, texts), words, config.tokenizer.vocab_size, path)


def _fit_transform(
  config: Config, loaded: Mixture
) -> features.FeatureTransform:
  """Scale and projection of the frames, from a sample of the training clips."""
  examples = loaded.examples["train"]
  chosen = np.linspace(
    0, len(examples) - 1, min(features.SAMPLE, len(examples))
  ).astype(int)
  widths = loaded.widths
  frames = (
    features.as_read(loaded.frames("train", examples[number]), config.data)
    for number in (chosen if config.data.modalities else ())
  )
  return features.fit(frames, widths, config.data.video_components)


def _t5_config(config: Config, vocabulary: Tokenizer) -> T5Config:
  """The T5's shape: its checkpoint's, or the config's for random weights."""
  if config.t5.pretrained:
    t5 = pretrained.open_checkpoint(config.t5.pretrained).config
  else:
    t5 = random_t5(config, vocabulary.size)
  if vocabulary.size > t5.vocab_size:
    raise InputError(
      f"Tokenizer: expected at most the {t5.vocab_size} entries of the T5 "
      f"{config.t5.pretrained}, found {vocabulary.size} pieces; use the "
      "T5's own spiece.model."
    )
  if config.t5.pretrained and config.tokenizer.path:
    _warn_of_another_vocabulary(config, vocabulary, t5)
  return t5


def _warn_of_another_vocabulary(
  config: Config, vocabulary: Tokenizer, t5: T5Config
) -> None:
  """Warns where a pretrained T5 did not learn with this vocabulary."""
  try:
    directory = pretrained.locate(config.t5.pretrained)
    own = Tokenizer(tokenizer.find(str(directory)))
    is_own = own.surfaces() == vocabulary.surfaces()
  except InputError:  # there is none with the T5
    is_own = t5.vocab_size - vocabulary.size < _UNUSED_ROWS
  if not is_own:
    logging.warning(
      "config.tokenizer.path: expected the vocabulary that the T5 %s was "
      "trained with, found another, of %d pieces beside the T5's %d entries: "
      "each piece starts with the embedding of an unrelated one. Set "
      "config.tokenizer.path to the T5's own spiece.model.",
      *(config.t5.pretrained, vocabulary.size, t5.vocab_size),
    )


def _target_length(
  config: Config,
  loaded: Mixture,
  vocabulary: Tokenizer,
  label_text: LabelText,
) -> int:
  """Tokens of the longest label, </s> included; warns of what is too long."""
  texts = {
    label_text.write(example.label)
    for split in SPLITS
    for example in loaded.examples[split]
  }
  limit = config.decoding.max_new_tokens
  lengths = [len(vocabulary.encode(text)) for text in texts]
  too_long = sum(length > limit for length in lengths)
  if too_long:
    logging.warning(
      "%d of %d label texts are longer than decoding.max_new_tokens = %d (the "
      "longest has %d tokens): they are learnt whole, but cannot be written "
      "whole.",
      *(too_long, len(texts), limit, max(lengths)),
    )
  return max(lengths) + 1
