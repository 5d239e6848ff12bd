"""What the authors' code does, less its bugs (column Authors' code)."""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
  config = base.get_config()
  config.name = "authors"
  config.label.separator = ","  # D23
  config.model.modality_width = 32  # D7
  config.model.segments = False  # D19: none
  config.model.contrastive_width = 30
  config.optimizer.kind = "adam_l2"  # D28
  config.optimizer.clip_norm = 0.0
  # D27: blocks 10 and 11 of both stacks; everything that is not T5.
  config.optimizer.trainable = r"^t5/(en|de)coder/layers_1[01]/|^(?!t5/)"
  config.train.batch_size = 32  # D29
  config.decoding.max_new_tokens = 19  # D25
  config.decoding.constrained = False  # D26
  return config
