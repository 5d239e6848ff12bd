"""MELD's words, RAVDESS's voices and drawn faces of one feeling, joined by
tests/benchmarks/joined_corpus.py: real signals of three modalities that have
nothing in common but the feeling.

  python -m unimse_jax.train --config configs/joined.py
"""

from ml_collections import ConfigDict

from configs import demo


def get_config() -> ConfigDict:
  config = demo.get_config()
  config.name = "joined"
  config.data.dir = "data/joined"
  config.data.corpora = ("joined",)
  config.data.labels = "data/joined/universal_labels.jsonl"
  config.data.audio_frames = 112  # of 3.6 s
  config.data.audio_level = "clip"  # actors were recorded at their own levels
  config.data.buckets = (24, 48)
  config.text.max_tokens = 48
  config.tokenizer.vocab_size = 2000
  config.t5.warm_start = "sentences"
  config.optimizer.lr_t5 = 1e-3
  config.train.epochs = 12
  config.train.evaluate_every_epochs = 2
  config.decoding.max_new_tokens = 8
  return config
