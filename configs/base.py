"""The default: the paper's method with its faults mended (fidelity column
`default`). Every field of every config is defined here, with its unit and
where it comes from; D-numbers are the decisions of docs/decisions.md.

  python -m unimse_jax.train --config configs/base.py
  python -m unimse_jax.eval  --config configs/base.py

The comments above and behind a field are its entry in docs/configuration.md;
`make docs` writes that page, and a test fails where it is behind.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  # Of the run: its workdir is runs/<name> unless --workdir says otherwise.
  config.name = "base"
  # Of initial weights, order and dropout; runs of one seed on the same devices
  # are bit-identical.
  config.seed = 0

  # What the encoder reads (Eq. 1).
  text = config.text = ConfigDict()
  # What every text starts with: a task that T5 was pre-trained on (D17). ""
  # where T5 starts from random weights, to which it means nothing.
  text.prefix = "sst2 sentence: "
  # "corpus=prefix" for corpora that have another one (D17).
  text.prefixes = ()
  # Turns of dialogue either side of the utterance (D18); 0 for no context.
  # More turns want more text.max_tokens.
  text.window = 2
  # On which sides turns are read: "both", or the "past" alone, as in real-time
  # use (D18).
  text.context = "both"
  # Corpora whose window holds turns of the utterance's own speaker alone, as
  # the authors' IEMOCAP files do (D18).
  text.same_speaker = ()
  # How the decoder learns which turn is meant (D19): "segments", a 2-row
  # embedding, zero at start (Eq. 1); "eos_marks", </s> before and after it;
  # "slice_encoder", the decoder sees that turn alone; or "none".
  text.marking = "segments"
  text.turn_separator = "|"  # between turns; "" for nothing (D19)
  text.speakers = ("meld",)  # corpora whose turns start with a name (D20)
  # Whether those names are the "real" ones, or "anonymised": P1, P2 in the
  # order in which they speak, so that no name can be learnt (D20).
  text.speaker_names = "real"
  text.speaker_end = ": "  # between a speaker's name and the words (D20)
  text.lowercase = ("mosi", "mosei")  # corpora to lower-case (D21)
  # Longest text, in tokens. Of longer ones the farthest turns go first, the
  # later side before the earlier, then the utterance's own end. Memory and time
  # grow with it.
  text.max_tokens = 512

  # What the decoder writes (section 3.2).
  label = config.label = ConfigDict()
  # "all": one emotion per scheme of the mixture; "three_field": one emotion,
  # the sample's own or its most similar donor's (Algorithm 1; D22).
  label.fields = "all"
  # Between the fields; holds a comma, which the parser splits at. One token per
  # emotion word with ", " (D23).
  label.separator = ", "
  # "rounded" to so many decimals, trailing zeros trimmed; or "raw", as the
  # authors' files print float32 (D24).
  label.numbers = "rounded"
  label.decimals = 2  # digits after the point of "rounded" numbers (D24)
  # Reads a written number as the nearest intensity of the training labels, and
  # constrained decoding then writes no other (D24).
  label.snap = False

  # The SentencePiece vocabulary that texts and labels are cut with.
  tokenizer = config.tokenizer = ConfigDict()
  # A SentencePiece file or a directory with spiece.model; "" takes the one
  # beside the T5 weights, or trains one on the training texts where T5 starts
  # from random weights.
  tokenizer.path = ""
  # Pieces of a vocabulary that is trained; not read otherwise.
  tokenizer.vocab_size = 2000

  # The corpora and their features.
  data = config.data = ConfigDict()
  data.dir = "data"  # where feature_export.export wrote
  # The mixture: names of datasets in data.dir, each once. All are trained on
  # together and scored apart.
  data.corpora = ("mosi", "mosei", "meld", "iemocap")
  # The file that feature_export.universal_labels wrote for these corpora.
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
  # What is read beside the text: "audio", "video", both or () (D42). One that
  # is left out has no weights; see model.zeroed_modalities.
  data.modalities = ("audio", "video")
  # Text lengths, in tokens, that batches are padded to; rising, the last one
  # is text.max_tokens. Each is compiled once: more lengths pad less and compile
  # longer.
  data.buckets = (32, 64, 96, 128, 192, 256, 512)
  # Frames of voice that are read: 5 s at 31.25 frames/s; later ones are cut.
  data.audio_frames = 157
  # Frames of face that are read (T); the exporter's --frames, or fewer.
  data.video_frames = 32
  # Frame embeddings are projected to this width by a PCA of the training
  # split (D41); 0 keeps them and lets the LSTM learn the projection.
  data.video_components = 64
  # Of the Mel-spectrogram: "absolute" dB as exported, or "clip", less the
  # clip's own mean, where microphones and distances differ between speakers.
  data.audio_level = "absolute"

  # T5 (section 4.4: T5-base). A pretrained checkpoint brings its shape; the
  # shape here is for random weights and the benchmark.
  t5 = config.t5 = ConfigDict()
  # A directory or hub name, whose config.json gives the shape; "" makes a T5
  # of the shape below with random weights.
  t5.pretrained = "google-t5/t5-base"
  t5.width = 768  # of the residual stream (d_model)
  t5.head_width = 64  # of an attention head (d_kv)
  t5.hidden = 3072  # width inside a feed-forward layer (d_ff)
  t5.heads = 12  # of each attention
  t5.encoder_layers = 12  # blocks that read
  t5.decoder_layers = 12  # blocks that write
  t5.activation = "relu"  # of the feed-forward; v1.1 has "gelu_new"
  # A second linear map multiplies the activation, as in T5 v1.1.
  t5.gated = False
  # Share of T5's activations that a training step drops; of pretrained ones
  # too.
  t5.dropout = 0.1
  # Of the computation; parameters, norms, softmax and logits stay float32.
  # "float32" where the device is slow in bfloat16, as a CPU is.
  t5.dtype = "bfloat16"

  # Voice and face, and where they meet the text (sections 3.3 and 3.4).
  model = config.model = ConfigDict()
  model.modality_width = 64  # d_a = d_v: the LSTMs' width (D7)
  model.modality_dropout = 0.3  # after the LSTM, before its linear map (D7)
  # Which way the LSTMs read: "uni", to the last frame; "bi", also from the last
  # to the first (D8).
  model.lstm = "uni"
  # Some of data.modalities whose clips all count as absent: their weights and
  # their places in the concatenation stay. The other way to do without a
  # modality is to leave it out of data.modalities (D42).
  model.zeroed_modalities = ()
  # The adapters of multimodal fusion; False: the ablation w/o PMF, in which
  # voice and face act through the contrastive loss alone.
  model.pmf = True
  # How many of the encoder's layers, the last ones, have PMF; the contrastive
  # loss looks at the same ones (D5).
  model.pmf_layers = 3
  # In place of model.pmf_layers any layers, rising, counted from 0 (D5).
  model.pmf_layer_numbers = ()
  # PMF also after the decoder's layers of these numbers (D5).
  model.pmf_decoder = False
  # Where PMF sits (D6): "after" the feed-forward and its residual; "parallel":
  # W^d reads the feed-forward's input instead; "cross_attention": every token
  # attends to the LSTM states of each modality in two layers of width
  # adapter_width.
  model.pmf_place = "after"
  model.adapter_width = 64  # between W^d and W^u (D4)
  model.adapter_activation = "sigmoid"  # between W^d and W^u (D3)
  # What F^u is added to: "concat" [F; X^a; X^v], or "text", F alone (D1).
  model.adapter_residual = "concat"
  # How adapters start (D2). "identity": step 0 equals plain T5;
  # "near_identity": W starts N(0, 1e-3) on voice and face, so that the LSTMs
  # have a gradient at once; "authors_random": W as torch starts a linear map,
  # which undoes T5 at step 0.
  model.adapter_init = "identity"
  model.adapter_norm = False  # RMSNorm of the text before W^d (D2)
  # Of "cross_attention"; must divide model.adapter_width (D6).
  model.adapter_heads = 4
  # Which layers are contrasted (D10). "pmf": after every PMF layer;
  # "last_only": after the last of them; "pre_block": the last one's input.
  model.contrastive_layers = "pmf"
  # The contrastive loss also at the decoder's layers of these numbers (D10).
  model.contrastive_decoder = False
  model.contrastive_width = 64  # out dimension of the Conv1D of Eq. 3 (D13)
  # Steps that the Conv1D spans, of tokens and of frames; an odd number has a
  # middle (D13).
  model.contrastive_kernel = 1
  # Whether voice and face have "separate" Conv1Ds, or "shared" weights (D13).
  model.contrastive_keys = "separate"
  # Mean over valid steps ("masked"), or over padded ones too
  # ("include_padding"), which lets a row depend on its batch (D14).
  model.contrastive_pooling = "masked"

  # What training minimises: L^task + alpha L^a + beta L^v (Eq. 4 and 5).
  loss = config.loss = ConfigDict()
  # Weight of the text-audio contrast, summed over its layers (D9). Both 0: the
  # ablation w/o CL.
  loss.alpha = 0.5
  loss.beta = 0.5  # weight of the text-video contrast (D9)
  # Divides the similarities; the lower, the more the nearest negatives count
  # (D12).
  loss.temperature = 0.1
  loss.normalize = True  # cosine instead of raw dot product (D12)
  # Eq. 4 to the letter: the positive stands twice in the denominator (D11).
  loss.count_positive_twice = False
  # A text without voice (face) is "left_out" of this loss and has X^a = 0;
  # "as_zeros": it has a clip of zero frames like any other clip (D16).
  loss.absent = "left_out"
  # Weight in L^task of label fields that are a donor's; annotated ones weigh
  # 1. Lower it where completed labels are little better than a guess.
  loss.completed_weight = 1.0

  # How parameters move (section 4.4).
  optimizer = config.optimizer = ConfigDict()
  # How gradients become steps (D28). "adamw"; "adam_l2": decay inside the
  # gradient; "adafactor": second moments of rows and columns alone, which saves
  # memory.
  optimizer.kind = "adamw"
  optimizer.lr_t5 = 3e-4  # learning rate of T5's own parameters
  optimizer.lr_pmf = 1e-4  # learning rate of the adapters
  # Learning rate of the rest: LSTMs, projections, segment embedding.
  optimizer.lr_main = 1e-4
  # What learns: a regular expression, found anywhere in a parameter's path
  # (D27). r"^(?!t5/)" freezes T5; the last two blocks of T5-base learn with
  # trainable = r"^t5/.*/layers_1[01]/|^(?!t5/)".
  optimizer.trainable = ".*"
  # What of that stays as it is after all (D27): "^$" is nothing;
  # "^contrastive" the Conv1D of Eq. 3 (D13).
  optimizer.frozen = "^$"
  # Share of a weight that a step takes off, before the learning rate (D28).
  optimizer.weight_decay = 1e-4
  # The paths that decay is for: no norm scales, biases, relative positions
  # (D28).
  optimizer.decayed = r"^(?!.*(scale|bias|relative_bias/embedding)$)"
  # Longer gradients (global norm) are scaled down to this; 0: none are (D28).
  optimizer.clip_norm = 1.0
  # Of the learning rates after warm-up: "constant", or "linear" decay to zero
  # at the last step (D30).
  optimizer.schedule = "constant"
  # Steps in which the learning rates rise from zero; a few hundred where
  # weights are random.
  optimizer.warmup_steps = 0

  # How long and in what portions; when to look and to save.
  train = config.train = ConfigDict()
  # Utterances a step, over all devices (section 4.4; D29). Also the number of
  # contrastive candidates. A multiple of microbatches x devices that share it.
  train.batch_size = 96
  # The batch is worked off in this many parts, to save memory; contrastive
  # negatives then come from the part alone.
  train.microbatches = 1
  train.epochs = 20  # over the whole mixture (D29); more go on where it ended
  # Which evaluation's checkpoint is kept as the best (D33): "mean_rank" of the
  # validation scores, "last_epoch", or "best_on_test", which is cheating: only
  # to imitate those who did, and the results say so.
  train.selection = "mean_rank"
  # Epochs from one decoding of the validation split to the next. It takes time,
  # and is the only moment at which a best checkpoint can be found.
  train.evaluate_every_epochs = 1
  # Steps from one checkpoint to the next, besides those of evaluations: what a
  # killed run loses at most.
  train.checkpoint_every_steps = 500
  # Steps from one line of metrics.jsonl and TensorBoard to the next.
  train.log_every_steps = 10

  # How labels are written at evaluation and prediction.
  decoding = config.decoding = ConfigDict()
  # Longest label, in tokens, plus end of sequence (D25); a warning tells of
  # labels that are longer.
  decoding.max_new_tokens = 32
  # Utterances decoded at once; changes speed and memory, no result.
  decoding.batch_size = 96
  # Only legal label texts are written (D26); False: whatever the model writes.
  decoding.constrained = True
  decoding.beams = 1  # texts kept at every place; 1: greedy (D26)
  decoding.length_penalty = 0.0  # above 0 favours longer texts in beams
  # The predicted number: as written ("greedy"), or the "mean" or "median" of
  # the distribution over all numbers.
  decoding.intensity = "greedy"

  # The mesh of devices: what fsdp and model leave goes to data parallelism, and
  # their product must divide the number of devices.
  parallel = config.parallel = ConfigDict()
  parallel.devices = 0  # how many are used; 0: all
  # Devices over which parameters, optimizer state and batch are all split: more
  # of them where one device has too little memory.
  parallel.fsdp = 1
  # Devices over which the inside of each layer is split (tensor parallelism),
  # for models that fsdp alone does not make room for.
  parallel.model = 1
  return config
