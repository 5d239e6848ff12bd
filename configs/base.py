"""The default: the paper's method with its faults mended (fidelity column
`default`). Every field of every config is defined here, with its unit and
where it comes from; D-numbers are the decisions of docs/decisions.md.

  python -m unimse_jax.train --config configs/base.py
  python -m unimse_jax.eval  --config configs/base.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.name = "base"  # the default workdir is runs/<name>
  config.seed = 0  # of initial weights, order and dropout

  # What the encoder reads (Eq. 1).
  text = config.text = ConfigDict()
  text.prefix = "sst2 sentence: "  # D17: a task T5 was pre-trained on
  text.prefixes = ()  # "corpus=prefix", where a corpus has another one (D17)
  text.window = 2  # turns of dialogue either side, 0 to 8 (D18)
  text.context = "both"  # "both" sides, or "past" for real-time use
  # Corpora whose window holds turns of the utterance's own speaker alone, as
  # the authors' IEMOCAP files do (D18).
  text.same_speaker = ()
  # How the decoder learns which turn is meant (D19): "segments", a 2-row
  # embedding, zero at start (Eq. 1); "eos_marks", </s> before and after it;
  # "slice_encoder", the decoder sees that turn alone; or "none".
  text.marking = "segments"
  text.turn_separator = "|"  # between turns; "" for nothing (D19)
  text.speakers = ("meld",)  # corpora whose turns start with a name (D20)
  text.speaker_names = "real"  # or "anonymised": P1, P2 as they speak (D20)
  text.speaker_end = ": "  # between name and words
  text.lowercase = ("mosi", "mosei")  # corpora to lower-case (D21)
  text.max_tokens = 512  # tokens; beyond it the farthest turns go first

  # What the decoder writes (section 3.2).
  label = config.label = ConfigDict()
  # "all": one emotion per scheme of the mixture; "three_field": one emotion,
  # the sample's own or its most similar donor's (Algorithm 1; D22).
  label.fields = "all"
  label.separator = ", "  # one token per emotion word (D23)
  # "rounded" to so many decimals, trailing zeros trimmed; or "raw", as the
  # authors' files print float32 (D24).
  label.numbers = "rounded"
  label.decimals = 2
  # Reads a written number as the nearest intensity of the training labels, and
  # constrained decoding then writes no other (D24).
  label.snap = False

  tokenizer = config.tokenizer = ConfigDict()
  # A SentencePiece file or a directory with spiece.model; "" takes the one
  # beside the T5 weights, or trains one on the training texts where T5 starts
  # from random weights.
  tokenizer.path = ""
  tokenizer.vocab_size = 2000  # pieces, of a trained one

  data = config.data = ConfigDict()
  data.dir = "data"  # where feature_export.export wrote
  data.corpora = ("mosi", "mosei", "meld", "iemocap")
  data.labels = "data/universal_labels.jsonl"
  # What the labels file's donors must be: "train", or "all_splits" as in the
  # authors' files, which leaks test labels into training (D34).
  data.donors = "train"
  # "scheme": only the scheme's classes give labels. "authors_drop": any class
  # does, and records that get one outside the task are left out (D37).
  data.donor_classes = "scheme"
  # Shares of the corpora in an epoch: rows ** (1 / temperature). 1 is all of
  # each, once; more lets small corpora come more often (D31).
  data.temperature = 1.0
  data.modalities = ("audio", "video")  # beside the text (D42)
  data.buckets = (32, 64, 96, 128, 192, 256, 512)  # padded text lengths
  data.audio_frames = 157  # 5 s at 31.25 frames/s; later frames are cut
  data.video_frames = 32  # T
  # Frame embeddings are projected to this width by a PCA of the training
  # split (D41); 0 keeps them and lets the LSTM learn the projection.
  data.video_components = 64
  # Of the Mel-spectrogram: "absolute" dB as exported, or "clip", less the
  # clip's own mean, where microphones and distances differ between speakers.
  data.audio_level = "absolute"

  # T5 (section 4.4: T5-base).
  t5 = config.t5 = ConfigDict()
  # A directory or hub name, whose config.json gives the shape; "" makes a T5
  # of the shape below with random weights.
  t5.pretrained = "google-t5/t5-base"
  t5.width = 768
  t5.head_width = 64
  t5.hidden = 3072
  t5.heads = 12
  t5.encoder_layers = 12
  t5.decoder_layers = 12
  t5.activation = "relu"
  t5.gated = False
  t5.dropout = 0.1
  t5.dtype = "bfloat16"  # of the computation; parameters stay float32

  # Voice and face (sections 3.3 and 3.4).
  model = config.model = ConfigDict()
  model.modality_width = 64  # d_a = d_v (D7)
  model.modality_dropout = 0.3  # after the LSTM, before its linear map (D7)
  model.lstm = "uni"  # or "bi": also from the last frame to the first (D8)
  # Some of data.modalities whose clips all count as absent: their weights and
  # their places in the concatenation stay. The other way to do without a
  # modality is to leave it out of data.modalities (D42).
  model.zeroed_modalities = ()
  model.pmf = True  # False: the ablation w/o PMF
  model.pmf_layers = 3  # the last ones of the encoder (D5)
  model.pmf_layer_numbers = ()  # in their place any layers, counted from 0 (D5)
  model.pmf_decoder = False  # also after the decoder's layers of these numbers
  # (D6) "after" the feed-forward and its residual; "parallel": W^d reads the
  # feed-forward's input instead; "cross_attention": every token attends to the
  # LSTM states of each modality in two layers of width adapter_width.
  model.pmf_place = "after"
  model.adapter_width = 64  # D4
  model.adapter_activation = "sigmoid"  # or "relu", "gelu" (D3)
  # What F^u is added to: "concat" [F; X^a; X^v], or "text", F alone (D1).
  model.adapter_residual = "concat"
  # (D2) "identity": step 0 equals plain T5; "near_identity": W starts N(0,
  # 1e-3) on voice and face, so that the LSTMs have a gradient at once;
  # "authors_random": W as torch starts a linear map, which undoes T5 at step 0.
  model.adapter_init = "identity"
  model.adapter_norm = False  # RMSNorm of the text before W^d (D2)
  model.adapter_heads = 4  # of "cross_attention"; must divide adapter_width
  # (D10) "pmf": after every PMF layer; "last_only": after the last of them;
  # "pre_block": the last one's input.
  model.contrastive_layers = "pmf"
  model.contrastive_decoder = False  # also the decoder's layers (D10)
  model.contrastive_width = 64  # out dimension of the Conv1D of Eq. 3 (D13)
  model.contrastive_kernel = 1  # tokens and frames, odd: 3, 5 (D13)
  model.contrastive_keys = "separate"  # or "shared" by voice and face (D13)
  # Mean over valid steps, or "include_padding": over padded ones too (D14).
  model.contrastive_pooling = "masked"

  # Eq. 4 and 5.
  loss = config.loss = ConfigDict()
  loss.alpha = 0.5  # weight of text-audio, summed over the PMF layers (D9)
  loss.beta = 0.5  # weight of text-video
  loss.temperature = 0.1  # D12
  loss.normalize = True  # cosine instead of raw dot product (D12)
  loss.count_positive_twice = False  # Eq. 4 to the letter (D11)
  # A text without voice (face) is "left_out" of this loss and has X^a = 0;
  # "as_zeros": it has a clip of zero frames like any other clip (D16).
  loss.absent = "left_out"
  # Of label fields that are a donor's in L^task; annotated ones weigh 1.
  loss.completed_weight = 1.0

  optimizer = config.optimizer = ConfigDict()
  # (D28) "adamw"; "adam_l2": decay inside the gradient; "adafactor": second
  # moments of rows and columns alone, which saves memory.
  optimizer.kind = "adamw"
  optimizer.lr_t5 = 3e-4  # section 4.4
  optimizer.lr_pmf = 1e-4
  optimizer.lr_main = 1e-4  # LSTMs, projections, segment embedding
  # Regular expressions, found anywhere in a parameter's path (D27): what
  # learns, and of that what stays after all. r"^t5/" freezes T5; the last two
  # blocks of T5-base learn with trainable = r"^t5/.*/layers_1[01]/|^(?!t5/)".
  optimizer.trainable = ".*"
  optimizer.frozen = "^$"  # nothing; "^contrastive": the Conv1D of Eq. 3 (D13)
  optimizer.weight_decay = 1e-4  # a step, times the learning rate (D28)
  # The paths that it is for: no norm scales, biases, relative positions (D28).
  optimizer.decayed = r"^(?!.*(scale|bias|relative_bias/embedding)$)"
  optimizer.clip_norm = 1.0  # global gradient norm; 0: none
  optimizer.schedule = "constant"  # or "linear" decay to zero (D30)
  optimizer.warmup_steps = 0

  train = config.train = ConfigDict()
  train.batch_size = 96  # utterances a step (section 4.4)
  # The batch is worked off in this many parts, to save memory; contrastive
  # negatives then come from the part alone.
  train.microbatches = 1
  train.epochs = 20  # D29
  # Which evaluation's checkpoint is kept as the best (D33): "mean_rank" of the
  # validation scores, "last_epoch", or "best_on_test", which is cheating: only
  # to imitate those who did, and the results say so.
  train.selection = "mean_rank"
  train.evaluate_every_epochs = 1
  train.checkpoint_every_steps = 500  # also at every evaluation
  train.log_every_steps = 10

  decoding = config.decoding = ConfigDict()
  decoding.max_new_tokens = 32  # plus end of sequence (D25)
  decoding.batch_size = 96
  # Only legal label texts are written (D26); False: whatever the model writes.
  decoding.constrained = True
  decoding.beams = 1  # texts kept at every place; 1: greedy
  decoding.length_penalty = 0.0  # >= 0; above 0 favours longer texts in beams
  # The predicted number: as written ("greedy"), or the "mean" or "median" of
  # the distribution over all numbers.
  decoding.intensity = "greedy"

  # jax devices: what fsdp and model leave goes to data parallelism.
  parallel = config.parallel = ConfigDict()
  parallel.devices = 0  # 0: all
  parallel.fsdp = 1
  parallel.model = 1
  return config
