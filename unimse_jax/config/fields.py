"""Every field of a config with its type, section by section."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig:
  prefix: str
  prefixes: tuple[str, ...]
  window: int
  context: str
  same_speaker: tuple[str, ...]
  marking: str
  turn_separator: str
  speakers: tuple[str, ...]
  speaker_names: str
  speaker_end: str
  lowercase: tuple[str, ...]
  max_tokens: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelConfig:
  fields: str
  separator: str
  numbers: str
  decimals: int
  snap: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
  path: str
  vocab_size: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  dir: str
  corpora: tuple[str, ...]
  labels: str
  donors: str
  donor_classes: str
  temperature: float
  modalities: tuple[str, ...]
  buckets: tuple[int, ...]
  audio_frames: int
  video_frames: int
  video_components: int
  audio_level: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Fields:
  pretrained: str
  width: int
  head_width: int
  hidden: int
  heads: int
  encoder_layers: int
  decoder_layers: int
  activation: str
  gated: bool
  dropout: float
  dtype: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  modality_width: int
  modality_dropout: float
  lstm: str
  zeroed_modalities: tuple[str, ...]
  pmf: bool
  pmf_layers: int
  pmf_layer_numbers: tuple[int, ...]
  pmf_decoder: bool
  pmf_place: str
  adapter_width: int
  adapter_activation: str
  adapter_residual: str
  adapter_init: str
  adapter_norm: bool
  adapter_heads: int
  contrastive_layers: str
  contrastive_decoder: bool
  contrastive_width: int
  contrastive_kernel: int
  contrastive_keys: str
  contrastive_pooling: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  alpha: float
  beta: float
  temperature: float
  normalize: bool
  count_positive_twice: bool
  absent: str
  completed_weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
  kind: str
  lr_t5: float
  lr_pmf: float
  lr_main: float
  trainable: str
  frozen: str
  weight_decay: float
  decayed: str
  clip_norm: float
  schedule: str
  warmup_steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  batch_size: int
  microbatches: int
  epochs: int
  selection: str
  evaluate_every_epochs: int
  checkpoint_every_steps: int
  log_every_steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingConfig:
  max_new_tokens: int
  batch_size: int
  constrained: bool
  beams: int
  length_penalty: float
  intensity: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParallelConfig:
  devices: int
  fsdp: int
  model: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """Everything about a run; see configs/base.py for each field."""

  name: str
  seed: int
  text: TextConfig
  label: LabelConfig
  tokenizer: TokenizerConfig
  data: DataConfig
  t5: T5Fields
  model: ModelConfig
  loss: LossConfig
  optimizer: OptimizerConfig
  train: TrainConfig
  decoding: DecodingConfig
  parallel: ParallelConfig


# Fields that may differ between the runs of one workdir: they change how long
# or how fast it runs, how it is read out and what it prints, not what is learnt
# at a step.
FREE_FIELDS = (
  "train.epochs",
  "train.evaluate_every_epochs",
  "train.checkpoint_every_steps",
  "train.log_every_steps",
  "decoding.batch_size",
  "decoding.constrained",
  "decoding.beams",
  "decoding.length_penalty",
  "decoding.intensity",
  "parallel",
)
