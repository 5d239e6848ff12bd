"""A small T5 from random weights, for machines without pretrained ones.

The vocabulary is trained on the training texts, or taken from a T5's:

  python -m unimse_jax.train --config configs/scratch.py \
      --config.tokenizer.path=DIR/spiece.model

It learns words better after a warm start, from vectors that the exporter's
universal_labels --sentences stores:

  python -m unimse_jax.train --config configs/scratch.py \
      --config.t5.warm_start=sentences
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
  config = base.get_config()
  config.name = "scratch"
  config.text.prefix = ""  # means nothing to random weights
  config.tokenizer.vocab_size = 8000
  config.t5.pretrained = ""
  config.t5.width = 256
  config.t5.head_width = 32
  config.t5.hidden = 1024
  config.t5.heads = 8
  config.t5.encoder_layers = 4
  config.t5.decoder_layers = 4
  config.t5.dropout = 0.2
  config.t5.dtype = "float32"  # small, and often on a CPU
  config.optimizer.lr_t5 = 1e-3
  config.optimizer.weight_decay = 1e-2
  config.optimizer.schedule = "linear"
  config.optimizer.warmup_steps = 200
  config.train.batch_size = 64
  # Heads know more of MELD's words than a decoder of random weights writes.
  config.loss.heads = 1.0
  config.decoding.emotion = "heads"
  return config
