"""RAVDESS: real acted voices, two sentences, eight emotions, no dialogue.

  python -m feature_export.export --corpus ravdess --raw PATH --out data/ravdess
  python -m feature_export.universal_labels --data data/ravdess \
      --corpora ravdess --out data/ravdess/universal_labels.jsonl
  python -m unimse_jax.train --config configs/ravdess.py
"""

from ml_collections import ConfigDict

from configs import scratch


def get_config() -> ConfigDict:
  config = scratch.get_config()
  config.name = "ravdess"
  config.data.dir = "data/ravdess"
  config.data.corpora = ("ravdess",)
  config.data.labels = "data/ravdess/universal_labels.jsonl"
  config.data.modalities = ("audio",)  # the speech archive has no faces
  config.data.audio_frames = 160
  config.data.audio_level = "clip"  # actors were recorded at their own levels
  config.data.buckets = (16,)
  config.text.max_tokens = 16
  config.tokenizer.vocab_size = 200
  config.t5.width = 128
  config.t5.hidden = 256
  config.t5.heads = 4
  config.t5.encoder_layers = 2
  config.t5.decoder_layers = 2
  config.model.pmf_layers = 2
  config.optimizer.lr_pmf = 3e-3
  config.optimizer.lr_main = 3e-3
  config.optimizer.warmup_steps = 50
  # Two sentences: there is nothing in the text that a voice could match.
  config.loss.alpha = 0.0
  config.train.batch_size = 32
  config.train.epochs = 40
  config.train.evaluate_every_epochs = 2
  config.decoding.max_new_tokens = 8
  return config
