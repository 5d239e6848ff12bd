"""The fields of how a run trains and decodes, and the whole config."""

import dataclasses
from typing import Literal

from unimse_jax.config.field import define, field
from unimse_jax.config.input_fields import (
  AugmentConfig,
  DataConfig,
  LabelConfig,
  TextConfig,
  TokenizerConfig,
)
from unimse_jax.config.model_fields import (
  LossConfig,
  ModelConfig,
  RivalConfig,
  T5Fields,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
  """How parameters move (section 4.4)."""

  kind: Literal["adamw", "adam_l2", "adafactor"] = "adamw"
  """How gradients become steps (D28). "adamw"; "adam_l2": decay inside the
  gradient; "adafactor": second moments of rows and columns alone, which saves
  memory."""
  lr_t5: float = field(3e-4, at_least=0)
  """Learning rate of T5's own parameters."""
  lr_pmf: float = field(1e-3, at_least=0)
  """Learning rate of the adapters (D48)."""
  lr_main: float = field(1e-3, at_least=0)
  """Learning rate of the LSTMs and of what Eq. 3 projects with (D48)."""
  lr_segment: float = field(1e-2, at_least=0)
  """Learning rate of the two segment rows of Eq. 1, in model.segment_units
  (D46)."""
  trainable: str = ".*"
  """What learns: a regular expression, found anywhere in a parameter's path
  (D27). r"^(?!t5/)" freezes T5; the last two blocks of T5-base learn with
  trainable = r"^t5/.*/layers_1[01]/|^(?!t5/)"."""
  frozen: str = "^$"
  """What of that stays as it is after all (D27): "^$" is nothing;
  "^contrastive" the Conv1D of Eq. 3 (D13)."""
  weight_decay: float = field(1e-4, at_least=0)
  """Share of a weight that a step takes off, before the learning rate (D28)."""
  decayed: str = r"^(?!.*(scale|bias|relative_bias/embedding)$)"
  """The paths that decay is for: no norm scales, biases, relative positions
  (D28)."""
  clip_norm: float = field(1.0, at_least=0)
  """Longer gradients (global norm) are scaled down to this; 0: none are
  (D28)."""
  schedule: Literal["constant", "linear"] = "constant"
  """Of the learning rates after warm-up: "constant", or "linear" decay to zero
  at the last step (D30)."""
  warmup_steps: int = field(0, at_least=0)
  """Steps in which the learning rates rise from zero; a few hundred where
  weights are random."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """How long and in what portions; when to look and to save."""

  init_from: str = field("", before="")
  """A trained run, a package or its hub name, to train on from: other corpora,
  other labels. Its vocabulary, T5 and scale of frames are taken and
  tokenizer.path, t5.pretrained, t5.warm_start and the shape of T5 are not read;
  what of its parameters fits is taken, and the log says what is new."""
  batch_size: int = field(96, at_least=1)
  """Utterances a step, over all devices (section 4.4; D29). Also the number of
  contrastive candidates. A multiple of microbatches x devices that share it."""
  microbatches: int = field(1, at_least=1)
  """The batch is worked off in this many parts, to save memory; contrastive
  negatives then come from the part alone: of 96 utterances in 4 parts, 23 and
  not 95. parallel.fsdp and train.remat save memory and keep all."""
  average: float = field(0.0, at_least=0, below=1, before=0.0)
  """Above 0, a moving average of the parameters is kept, of which a step leaves
  this share as it is (step n at most (1 + n) / (10 + n)), and it is what is
  evaluated and given away; 0.999 is usual. It takes as much memory as the
  parameters."""
  remat: Literal["none", "dots", "full"] = field(
    "none", free=True, before="none"
  )
  """What T5's layers compute twice, to save memory: "none"; "dots", all but the
  products with weight matrices; "full", everything between one layer and the
  next. The loss stays the same; a step takes longer."""
  epochs: int = field(20, at_least=1, free=True)
  """Over the whole mixture (D29); more go on where it ended."""
  selection: Literal["mean_skill", "last_epoch", "best_on_test"] = "mean_skill"
  """Which evaluation's checkpoint is kept as the best (D33): "mean_skill", the
  share of the constant predictor's error that validation has less, averaged
  over the corpora; "last_epoch"; or "best_on_test", which is cheating: only to
  imitate those who did, and the results say so."""
  evaluate_every_epochs: int = field(1, at_least=1, free=True)
  """Epochs from one decoding of the validation split to the next. It takes
  time, and is the only moment at which a best checkpoint can be found."""
  patience: int = field(0, at_least=0, free=True, before=0)
  """Evaluations in a row without a better one, by train.selection, after which
  training ends; 0: it goes on to the last epoch. From random weights less than
  5 stops too early."""
  checkpoint_every_steps: int = field(500, at_least=1, free=True)
  """Steps from one checkpoint to the next, besides those of evaluations: what a
  killed run loses at most."""
  log_every_steps: int = field(10, at_least=1, free=True)
  """Steps from one line of metrics.jsonl and TensorBoard to the next."""
  wandb_project: str = field("", free=True, before="")
  """A project of Weights & Biases that the same scalars go to; "" for none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingConfig:
  """How labels are written at evaluation and prediction."""

  max_new_tokens: int = field(32, at_least=1)
  """Longest label, in tokens, plus end of sequence (D25); a warning tells of
  labels that are longer."""
  batch_size: int = field(96, at_least=1, free=True)
  """Utterances decoded at once; changes speed and memory, no result."""
  constrained: bool = field(True, free=True)
  """Only legal label texts are written (D26); False: whatever the model
  writes."""
  consistent: bool = field(True, free=True)
  """The grammar ties the sign of the number, and the emotions to which their
  scheme gives a polarity, to the polarity that was written: no "negative, 2,
  joy" (D26). Of no effect without decoding.constrained."""
  beams: int = field(1, at_least=1, free=True)
  """Texts kept at every place; 1: greedy (D26)."""
  length_penalty: float = field(0.0, at_least=0, free=True)
  """Above 0 favours longer texts in beams."""
  logit_adjustment: float = field(0.0, at_least=0, free=True, before=0.0)
  """Above 0, an emotion is chosen by its probability over the frequency of its
  class in training to this power, among those that may follow the polarity that
  was written: 1 makes up for it wholly, as macro F1 wants. 0: the emotion that
  was written. On MELD's words loss.class_balance gave more."""
  emotion: Literal["written", "heads"] = field(
    "written", free=True, before="written"
  )
  """The predicted emotions (D49): as "written", or the most probable ones of
  the "heads" that loss.heads has trained, whatever polarity was written."""
  intensity: Literal["greedy", "mean", "median"] = field("median", free=True)
  """The predicted number (D26): as written ("greedy"), or of the distribution
  over all numbers the "mean", which has the least expected squared error, or
  the "median", which has the least expected absolute error."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParallelConfig:
  """The mesh of devices: what fsdp and model leave goes to data parallelism,
  and their product must divide the number of devices."""

  devices: int = field(0, at_least=0, free=True)
  """How many are used; 0: all."""
  fsdp: int = field(1, at_least=1, free=True)
  """Devices over which parameters, optimizer state and batch are all split; a
  step gathers the parameters. On 8 chips of a TPU v5e, 8 halves the memory of a
  chip and the bytes that base moves."""
  model: int = field(1, at_least=1, free=True)
  """Devices over which the inside of each layer is split (tensor parallelism),
  for models that fsdp alone does not make room for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """Everything about a run."""

  name: str = "base"
  """Of the run: its workdir is runs/<name> unless --workdir says otherwise."""
  seed: int = field(0, at_least=0, below=2**32)
  """Of initial weights, order and dropout; runs of one seed on the same devices
  are bit-identical."""
  text: TextConfig = TextConfig()
  label: LabelConfig = LabelConfig()
  tokenizer: TokenizerConfig = TokenizerConfig()
  data: DataConfig = DataConfig()
  augment: AugmentConfig = AugmentConfig()
  t5: T5Fields = T5Fields()
  model: ModelConfig = ModelConfig()
  rival: RivalConfig = RivalConfig()
  loss: LossConfig = LossConfig()
  optimizer: OptimizerConfig = OptimizerConfig()
  train: TrainConfig = TrainConfig()
  decoding: DecodingConfig = DecodingConfig()
  parallel: ParallelConfig = ParallelConfig()


# Path, as "text.window", -> definition.
FIELDS = {each.path: each for each in define(Config)}
# Fields that may differ between the runs of one workdir.
FREE_FIELDS = tuple(path for path, each in FIELDS.items() if each.free)
