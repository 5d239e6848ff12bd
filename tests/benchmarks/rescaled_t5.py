"""How soon a T5 with a large residual stream hears a voice and sees the mark.

Pretrained T5s have embeddings of an RMS of about 10 and states of up to some
hundred; none can be had here. So a small T5 is trained on sentences of an
invented language, and then the embeddings and all that writes into the residual
stream are multiplied by s. The norms undo it: the function is the same, and the
stream is s times as large. Two tasks that this T5 cannot do by its words:

  turns  two sentences, and the segment row (Eq. 1) alone tells which is meant
         (a guess: .57); T5 and the row learn
  voice  half of the sentences say nothing, and the voice decides through PMF
         (a guess: .14); everything learns

  python tests/benchmarks/rescaled_t5.py [--configs base,paper] \
      [--scales 1,10,100] [--seeds 1] [--weights DIR]

With --weights the T5 is that of a Hugging Face directory, such as
`tests/benchmarks/span_corruption.py --out DIR` makes, and learns the invented
language from there. Models, losses and rates are those of configs/<name>.py;
batches have 32 rows.
"""

import argparse
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from unimse_jax import config as config_lib
from unimse_jax import pretrained
from unimse_jax.config import Config
from unimse_jax.models import T5Config, UniMSE
from unimse_jax.parallel import trees
from unimse_jax.pipeline.model_shape import model_config
from unimse_jax.training.losses import WrittenLabels
from unimse_jax.training.optimizer import make_optimizer
from unimse_jax.training.train_state import create
from unimse_jax.training.train_step import train_step

Batch = dict[str, np.ndarray]

# The invented language: 7 feelings of 20 words each, and words without any.
END, SEPARATOR = 1, 2
FEELING, PLAIN, LABEL = range(10, 150), range(150, 600), 600
CLASSES = 7
ROWS, LONGEST, FRAMES, BANDS = 32, 24, 40, 64
PRETRAINING = 700  # steps; it labels single sentences without an error then
LOGGED = (50, 100, 200, 343)
# What writes into the residual stream.
WRITERS = r"(shared/embedding|attention/out/kernel|wo/kernel)$"
T5 = T5Config(
  vocab_size=640,
  width=128,
  head_width=32,
  hidden=256,
  heads=4,
  encoder_layers=3,
  decoder_layers=2,
  tied=False,
  scale_logits=False,
)


def sentence(rng: np.random.Generator) -> tuple[list[int], int]:
  """4 to 8 words, one of which has a feeling, and the class of that one."""
  words = rng.choice(PLAIN, rng.integers(4, 9)).tolist()
  feeling = int(rng.choice(FEELING))
  words[rng.integers(len(words))] = feeling
  return words, (feeling - FEELING[0]) % CLASSES


def collate(texts: list[tuple[list[int], range]], labels: list[int]) -> Batch:
  """Token arrays; each text with the places of the sentence that is meant."""
  shape = (len(texts), LONGEST)
  tokens, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  for row, (text, own) in enumerate(texts):
    tokens[row, : len(text) + 1] = [*text, END]
    segments[row, own] = 1
  targets = np.array([[LABEL + label, END] for label in labels], np.int32)
  return {
    "encoder_input_tokens": tokens,
    "segment_ids": segments,
    "encoder_mask": tokens > 0,
    "decoder_input_tokens": np.pad(targets[:, :-1], ((0, 0), (1, 0))),
    "decoder_target_tokens": targets,
    "loss_weights": np.ones(targets.shape, np.float32),
  }


def single(rng: np.random.Generator, rows: int) -> Batch:
  """One sentence a row."""
  drawn = [sentence(rng) for _ in range(rows)]
  texts = [(words, range(len(words))) for words, _ in drawn]
  return collate(texts, [label for _, label in drawn])


def turns(rng: np.random.Generator, rows: int) -> Batch:
  """Two sentences a row, either of which may be meant."""
  texts, labels = [], []
  for _ in range(rows):
    (first, of_first), (second, of_second) = sentence(rng), sentence(rng)
    whole = [*first, SEPARATOR, *second]
    is_first = rng.random() < 0.5
    start, stop = (0, len(first)) if is_first else (len(first) + 1, len(whole))
    texts.append((whole, range(start, stop)))
    labels.append(of_first if is_first else of_second)
  return collate(texts, labels)


def voice(rng: np.random.Generator, rows: int) -> Batch:
  """One sentence a row and a noisy voice; `silent` rows say nothing."""
  batch = single(rng, rows)
  labels = batch["decoder_target_tokens"][:, 0] - LABEL
  tokens = batch["encoder_input_tokens"]
  silent = rng.random(rows) < 0.5
  says = (tokens >= FEELING[0]) & (tokens < PLAIN[0]) & silent[:, None]
  tokens[says] = rng.choice(PLAIN, says.sum())
  means = 0.5 * np.random.default_rng(5).normal(0, 1, (CLASSES, BANDS))
  frames = rng.normal(means[labels][:, None], 1, (rows, FRAMES, BANDS))
  mask = np.arange(FRAMES) < rng.integers(20, FRAMES + 1, (rows, 1))
  audio = (frames * mask[..., None]).astype(np.float32)
  return batch | {"audio": audio, "audio_mask": mask, "silent": silent}


def rescaled(params: Any, scale: float) -> Any:
  """The T5 that computes the same with a stream `scale` times as large."""
  writes = trees.match(((WRITERS, scale), (r".*", 1.0)), params)
  return jax.tree.map(jnp.multiply, params, writes)


def read_config(name: str, changes: dict[str, Any]) -> Config:
  values = importlib.import_module(f"configs.{name}").get_config()
  values.t5.dtype = "float32"
  values.model.pmf_layers = 2
  values.data.audio_frames = FRAMES
  values.update_from_flattened_dict(changes)
  return config_lib.validate(values.to_dict())


def train(
  config: Config,
  t5: T5Config,
  params: Any,
  draw: Callable[[np.random.Generator, int], Batch],
  steps: int,
  seed: int,
  optimizer: optax.GradientTransformation | None = None,
) -> Iterator[tuple[int, Callable[[Batch], np.ndarray]]]:
  """Yields (step, batch -> int32[B], the first token of each label).

  The optimizer is the config's if none is given.
  """
  model = UniMSE(model_config(config, t5))
  rng = np.random.default_rng(seed)
  fresh = model.init(jax.random.key(seed), _arrays(draw(rng, 2)))["params"]
  params = fresh | params
  optimizer = optimizer or make_optimizer(config.optimizer, params, steps)
  state = create(params, optimizer)
  step = jax.jit(
    functools.partial(
      train_step,
      model=model,
      optimizer=optimizer,
      objective=WrittenLabels(config.loss),
      microbatches=1,
    )
  )
  apply = jax.jit(model.apply)
  for number in range(1, steps + 1):
    state, _ = step(state, _arrays(draw(rng, ROWS)), jax.random.key(seed))
    if number in LOGGED or number == steps:

      def label(batch: Batch, params=state.params) -> np.ndarray:
        logits = apply({"params": params}, _arrays(batch)).logits
        return np.asarray(logits[:, 0].argmax(-1))

      label.params = state.params
      yield number, label


def _arrays(batch: Batch) -> Batch:
  return {name: array for name, array in batch.items() if name != "silent"}


def pretrain(t5: T5Config, params: Any) -> Any:
  """T5's parameters after single sentences; from random ones if {}."""
  changes = {"data.modalities": (), "text.marking": "none", "model.pmf": False}
  alone = {"loss.alpha": 0.0, "loss.beta": 0.0}
  if params:
    # Whatever its scale is: with T5's own optimizer, whose steps are relative.
    rates = {"t5.dropout": 0.0}
    steps, optimizer = 2 * PRETRAINING, optax.adafactor(2e-2)
  else:
    rates = {"optimizer.lr_t5": 1e-3, "optimizer.warmup_steps": 100}
    steps, optimizer = PRETRAINING, None
  config = read_config("base", changes | rates | alone)
  *_, (_, label) = train(config, t5, params, single, steps, 0, optimizer)
  batch = single(np.random.default_rng(99), 600)
  table = label.params["t5"]["shared"]["embedding"]
  print(
    f"pretrained, single sentences: {_share(label, batch):.3f}; root mean "
    f"square of the embeddings {np.sqrt(np.mean(np.square(table))):.2f}",
    flush=True,
  )
  return label.params["t5"]


def _share(label: Callable, batch: Batch, rows: Any = slice(None)) -> float:
  right = label(batch) == batch["decoder_target_tokens"][:, 0]
  return float(right[rows].mean())


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--configs", default="base")
  parser.add_argument("--scales", default="1,10,100")
  parser.add_argument("--seeds", type=int, default=1)
  parser.add_argument("--steps", type=int, default=LOGGED[-1])
  parser.add_argument("--weights", help="Hugging Face directory of a T5")
  options = parser.parse_args()
  t5, params = T5, {}
  if options.weights:
    t5, loaded = pretrained.load(options.weights)
    params = {"t5": loaded}
    if t5.tied and options.scales != "1":
      # Its embeddings are its output matrix, and that must stay.
      parser.error("expected --scales 1: the T5 of --weights is a tied one")
  params = pretrain(t5, params)
  without = {"loss.alpha": 0.0, "loss.beta": 0.0, "model.pmf": False}
  changes = {
    "turns": {"data.modalities": (), **without},
    "voice": {"data.modalities": ("audio",), "text.marking": "none"},
  }
  held_out = np.random.default_rng(77)
  batches = {"turns": turns(held_out, 600), "voice": voice(held_out, 600)}
  for name in options.configs.split(","):
    for scale in map(float, options.scales.split(",")):
      for task, draw in (("turns", turns), ("voice", voice)):
        config = read_config(name, changes[task])
        batch = batches[task]
        silent = batch.get("silent", np.ones(len(batch["segment_ids"]), bool))
        for seed in range(options.seeds):
          start = {"t5": rescaled(params, scale)}
          runs = train(config, t5, start, draw, options.steps, seed + 1)
          shown = []
          for step, label in runs:
            shares = f"{_share(label, batch, silent):.3f}"
            if task == "voice":
              shares += f" (worded {_share(label, batch, ~silent):.3f})"
            shown.append(f"{step}: {shares}")
          print(
            f"{name}, s = {scale:g}, {task}, seed {seed}: {', '.join(shown)}",
            flush=True,
          )


if __name__ == "__main__":
  main()
