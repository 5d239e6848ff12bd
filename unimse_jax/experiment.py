"""A pipeline with the data that it is trained and measured on.

`open_experiment` makes, in a new workdir, what the pipeline consists of: the
vocabulary, the scale of the frames, the shape of the T5.
"""

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh

from unimse_jax import pipeline as pipeline_lib
from unimse_jax import pretrained
from unimse_jax.config import Config
from unimse_jax.data import (
  features,
  inputs,
  mixture,
  sentences,
  tokenizer,
)
from unimse_jax.data.batching import Batcher
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import SPLITS
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.labels import LabelText, NeighbouringNumbers
from unimse_jax.models import T5Config
from unimse_jax.parallel import multihost, sharding
from unimse_jax.pipeline import Pipeline

_LANES = 128  # vocabulary entries are padded to a multiple of it


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Attributes:
  workdir: where the run lives.
  pipeline: what runs the model.
  mixture: corpora and labels.
  """

  workdir: pathlib.Path
  pipeline: Pipeline
  mixture: Mixture

  @property
  def config(self) -> Config:
    return self.pipeline.config

  def batcher(self, split: str) -> Batcher:
    """The split's examples, encoded."""
    examples = self.mixture.examples[split]
    encoded = [self.pipeline.encode(example) for example in examples]
    return Batcher(self.mixture, split, encoded, self.pipeline.collator)

  def training_batcher(self) -> Batcher:
    """The training split, with the targets that the config's loss asks for."""
    batcher, spread = self.batcher("train"), self.config.loss.number_spread
    if not spread or not self.mixture.grid:
      return batcher
    numbers = NeighbouringNumbers(self.mixture.grid, spread)
    encode = self.pipeline.encode_label
    return dataclasses.replace(
      batcher, redraw=lambda label, rng: encode(numbers.draw(label, rng))
    )

  def initial_params(self, mesh: Mesh) -> Any:
    """Fresh parameters, T5's from its checkpoint where the config has one."""
    pipeline = self.pipeline
    places = sharding.state_sharding(pipeline.abstract_params(), mesh)
    source = self.config.t5.pretrained
    # Random weights of a T5 that is loaded would double its memory.
    fresh = {name for name in places if name != "t5" or not source}

    def make() -> Any:
      params = pipeline.init(jax.random.key(self.config.seed))
      return {name: params[name] for name in fresh}

    params = jax.jit(
      make, out_shardings={name: places[name] for name in fresh}
    )()
    if source:
      params["t5"] = pretrained.place(source, places["t5"])
    return params


def random_t5(config: Config, vocab_size: int) -> T5Config:
  """The shape that the config gives to a T5 of random weights."""
  fields = config.t5
  return T5Config(
    vocab_size=-(-vocab_size // _LANES) * _LANES,
    width=fields.width,
    head_width=fields.head_width,
    hidden=fields.hidden,
    heads=fields.heads,
    encoder_layers=fields.encoder_layers,
    decoder_layers=fields.decoder_layers,
    activation=fields.activation,
    gated=fields.gated,
  )


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
  if config.t5.pretrained:
    checks.append(lambda: pretrained.locate(config.t5.pretrained))
  if config.tokenizer.path:
    checks.append(lambda: tokenizer.find(config.tokenizer.path))
  if config.t5.warm_start == "sentences" and not faults:
    checks.append(lambda: sentences.find(config.data.labels))
  for check in checks:
    try:
      check()
    except InputError as error:
      faults.append(str(error))
  if faults:
    raise InputError(
      f"The config {config.name!r} needs {len(faults)} thing(s) that are not "
      "there:\n" + "\n".join(f"  - {fault}" for fault in faults)
    )


def open_experiment(config: Config, workdir: pathlib.Path) -> Experiment:
  """Opens, and in a new workdir first makes, what the config names.

  Raises:
    InputError: something is missing or does not fit (see `check_inputs`).
  """
  loaded = mixture.load(
    config.data.dir,
    config.data.corpora,
    config.data.labels,
    config.data.donors,
    config.data.donor_classes,
  )
  if config.train.selection == "best_on_test" and not loaded.examples["test"]:
    raise InputError(
      "config.train.selection: best_on_test expects a test split, found none."
    )
  if multihost.is_first():
    _make_pipeline(config, workdir, loaded)
  multihost.wait("pipeline")
  pipeline = pipeline_lib.open_pipeline(config, workdir)
  if pipeline.data_sha256 != loaded.sha256:
    raise InputError(
      f"Data: the corpora in {config.data.dir} or the labels in "
      f"{config.data.labels} are not those that the run in {workdir} was made "
      "with (their hashes differ); bring those back, or choose a new --workdir."
    )
  return Experiment(workdir, pipeline, loaded)


def _make_pipeline(
  config: Config, workdir: pathlib.Path, loaded: Mixture
) -> None:
  """Writes those files of the pipeline that do not exist yet."""
  label_text = pipeline_lib.make_label_text(config, loaded.slots, loaded.grid)
  _make_tokenizer(config, workdir, loaded, label_text)
  _make_transform(config, workdir, loaded)
  if not (workdir / pipeline_lib.MODEL_FILE).is_file():
    vocabulary = Tokenizer(workdir / pipeline_lib.TOKENIZER_FILE)
    pipeline_lib.write_model_file(
      workdir,
      _t5_config(config, vocabulary),
      loaded.slots,
      loaded.grid,
      _contradictions(loaded, label_text),
      _target_length(config, loaded, vocabulary, label_text),
      loaded.sha256,
      loaded.extraction,
    )


def _contradictions(
  loaded: Mixture, label_text: LabelText
) -> frozenset[tuple[str, str, str]]:
  """What the training labels say against their own polarity, if anything."""
  found = label_text.find_contradictions(
    example.label for example in loaded.examples["train"]
  )
  if found:
    polarity, slot, word = min(found)
    logging.warning(
      "Training labels contradict themselves in %d way(s), for example "
      "%s = %r beside the polarity %r; these may be written all the same.",
      len(found),
      *(slot, word, polarity),
    )
  return found


def _make_tokenizer(
  config: Config,
  workdir: pathlib.Path,
  loaded: Mixture,
  label_text: LabelText,
) -> None:
  path = workdir / pipeline_lib.TOKENIZER_FILE
  if path.is_file():
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  source = config.tokenizer.path
  if config.t5.pretrained and not source:
    source = str(pretrained.locate(config.t5.pretrained))
  if source:
    write_atomically(path, tokenizer.find(source).read_bytes())
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


def _make_transform(
  config: Config, workdir: pathlib.Path, loaded: Mixture
) -> None:
  path = workdir / pipeline_lib.FEATURES_FILE
  if path.is_file():
    return
  examples = loaded.examples["train"]
  chosen = np.linspace(
    0, len(examples) - 1, min(features.SAMPLE, len(examples))
  ).astype(int)
  widths = loaded.widths
  frames = (
    features.as_read(loaded.frames("train", examples[number]), config.data)
    for number in (chosen if config.data.modalities else ())
  )
  features.fit(frames, widths, config.data.video_components).save(path)


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
  return t5


def _target_length(
  config: Config,
  loaded: Mixture,
  vocabulary: Tokenizer,
  label_text: LabelText,
) -> int:
  texts = {
    label_text.write(example.label)
    for split in SPLITS
    for example in loaded.examples[split]
  }
  limit = config.decoding.max_new_tokens
  lengths = [len(vocabulary.encode(text)) for text in texts]
  cut = sum(length > limit for length in lengths)
  if cut:
    logging.warning(
      "%d of %d label texts are longer than decoding.max_new_tokens = %d (the "
      "longest has %d tokens): the model cannot learn to write their ends.",
      cut,
      len(texts),
      limit,
      max(lengths),
    )
  return min(max(lengths), limit) + 1
