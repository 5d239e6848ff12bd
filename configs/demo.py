"""The demo: four synthetic corpora, a small T5 from random weights, a few
minutes of two CPU cores. `make demo` exports the corpora and runs it.

  python -m unimse_jax.train --config configs/demo.py
"""

from ml_collections import ConfigDict

from configs import scratch


def get_config() -> ConfigDict:
  config = scratch.get_config()
  config.name = "demo"
  config.data.dir = "data/demo"
  config.data.corpora = ("demo_mosi", "demo_mosei", "demo_meld", "demo_iemocap")
  config.data.labels = "data/demo/universal_labels.jsonl"
  config.data.audio_frames = 64  # clips of about two seconds
  config.data.video_frames = 4  # as exported
  config.data.buckets = (16, 32)
  config.text.max_tokens = 32
  # Which of five turns is meant is more than random weights learn from 840
  # utterances: with context they never come to read the words.
  config.text.window = 0
  config.text.speakers = ()
  config.text.lowercase = ()
  config.tokenizer.vocab_size = 1000
  config.t5.width = 128
  config.t5.hidden = 256
  config.t5.heads = 4
  config.t5.encoder_layers = 3
  config.t5.decoder_layers = 2
  config.t5.dropout = 0.2
  config.model.pmf_layers = 2
  # Beside so few clips the pairs are soon learnt by heart.
  config.loss.alpha = 0.1
  config.loss.beta = 0.1
  # A sentence that says nothing takes its labels from another one that says
  # nothing: right in polarity, and in the rest a guess.
  config.loss.completed_weight = 0.25
  config.optimizer.lr_t5 = 5e-4
  config.optimizer.lr_pmf = 3e-3
  config.optimizer.lr_main = 3e-3
  config.optimizer.warmup_steps = 100
  config.train.batch_size = 32
  config.train.epochs = 12
  config.train.evaluate_every_epochs = 3
  config.decoding.max_new_tokens = 24
  return config
