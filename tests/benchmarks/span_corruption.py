"""Which scales of a T5 grow by themselves while it is pretrained.

  python tests/benchmarks/span_corruption.py --data DATA --corpus NAME[,NAME]
      [--optimizer adafactor|adamw] [--rate RATE] [--steps 2000] [--seed 0]
      [--out DIR]

The embeddings of published T5s have a root mean square of about 10, ours start
at 1. To see where such scales come from, a small T5 learns to fill in the gaps
of the corpora's training texts, as T5 did (Raffel et al. 2020, section 3.1.4):
15 % of the tokens are left out in spans of 3 on average, each span is one
sentinel in the input, and the target lists the spans behind their sentinels.

  adafactor  T5's own: Shazeer and Stern 2018, each step relative to the root
             mean square of what it changes; rate 0.01, as T5's in its first
             10,000 steps, if no other is given
  adamw      this package's, with a rate of 0.001

Prints, on texts of the validation split, the root mean squares of the token
embeddings and of the residual stream after each layer, and the loss. With --out
the weights are saved as a Hugging Face directory, which
`tests/benchmarks/rescaled_t5.py --weights DIR` goes on with.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.benchmarks import rescaled_t5  # noqa: E402
from unimse_jax.data import tokenizer as tokenizer_lib  # noqa: E402
from unimse_jax.data.records import CorpusRecords  # noqa: E402
from unimse_jax.data.tokenizer import EOS, PAD, Tokenizer  # noqa: E402
from unimse_jax.models import T5  # noqa: E402
from unimse_jax.pretrained import writer  # noqa: E402
from unimse_jax.training.optimizer import make_optimizer  # noqa: E402
from unimse_jax.training.train_state import TrainState, create  # noqa: E402

Batch = Mapping[str, np.ndarray]

PIECES = 2000  # of the vocabulary, which is made from the training texts
LENGTH, NOISE, MEAN_SPAN = (
  64,
  0.15,
  3,
)  # tokens of a row; share left out; tokens
LOST = round(NOISE * LENGTH)  # tokens of a row that are left out
SPANS = round(LOST / MEAN_SPAN)  # of a row
ROWS, HELD_OUT = 8, 128  # of a batch; of the validation split
LOGGED = (0, 30, 100, 300, 1000, 2000, 3000, 5000, 10000)  # steps
RATES = {"adafactor": 0.01, "adamw": 0.001}


def read_texts(data: str, corpora: Sequence[str], split: str) -> list[str]:
  """Texts of a split, turn after turn; MOSI's have no small letters."""
  texts = []
  for name in corpora:
    records = CorpusRecords(data, name).texts[split]
    records = sorted(records, key=lambda each: (each.dialogue, each.turn))
    texts += [each.text.lower() for each in records]
  return texts


def pack(texts: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
  """int32[N, LENGTH]: the texts one behind the other, cut into rows."""
  tokens = [token for text in texts for token in tokenizer.encode(text)]
  rows = len(tokens) // LENGTH
  return np.array(tokens[: rows * LENGTH], np.int32).reshape(rows, LENGTH)


def draw_spans(rng: np.random.Generator) -> list[range]:
  """Spans of a row, LOST tokens together; something is kept before each."""

  def parts(total: int) -> np.ndarray:
    cuts = np.sort(rng.choice(np.arange(1, total), SPANS - 1, replace=False))
    return np.diff([0, *cuts, total])

  kept, lost = parts(LENGTH - LOST), parts(LOST)
  stops = np.cumsum(kept + lost)
  return [range(*ends) for ends in np.stack([stops - lost, stops], 1).tolist()]


def corrupt(
  tokens: Sequence[int], spans: Sequence[range], vocab_size: int
) -> tuple[list[int], list[int]]:
  """The text with gaps, and what was in them.

  Args:
    tokens: numbers of the text's pieces.
    spans: places of what is left out, rising and apart.
    vocab_size: number of tokens; the last one is the first sentinel.

  Returns:
    Encoder input and decoder target, both with </s>.
  """
  inputs, targets, place = [], [], 0
  for number, span in enumerate(spans):
    sentinel = vocab_size - 1 - number
    inputs += [*tokens[place : span.start], sentinel]
    targets += [sentinel, *tokens[span.start : span.stop]]
    place = span.stop
  inputs += [*tokens[place:], EOS]
  return inputs, [*targets, vocab_size - 1 - len(spans), EOS]


def make_batch(
  rows: np.ndarray, rng: np.random.Generator, vocab_size: int
) -> Batch:
  """Token arrays; all rows are equally long."""
  pairs = [corrupt(row, draw_spans(rng), vocab_size) for row in rows.tolist()]
  inputs, targets = (
    np.array(each, np.int32) for each in zip(*pairs, strict=True)
  )
  shifted = np.pad(targets[:, :-1], ((0, 0), (1, 0)), constant_values=PAD)
  return {"inputs": inputs, "decoder_inputs": shifted, "targets": targets}


def measure(t5: T5, batch: Batch) -> dict[str, Any]:
  """Root mean squares of the stream by layer, and the loss in nats a token."""
  streams: dict[str, list[jax.Array]] = {"encoder": [], "decoder": []}

  def keep(stack: str, number: int, before: jax.Array, after: jax.Array):
    del number, before
    streams[stack].append(rms(after))
    return after

  mask = jnp.ones(batch["inputs"].shape, bool)
  x = t5.embed(batch["inputs"])
  encoded = t5.encoder(x, mask, True, functools.partial(keep, "encoder"))
  logits = t5.decode(
    batch["decoder_inputs"],
    encoded,
    mask,
    after_layer=functools.partial(keep, "decoder"),
  )
  losses = optax.softmax_cross_entropy_with_integer_labels(
    logits, batch["targets"]
  )
  return {**streams, "loss": losses.mean()}


def rms(x: jax.Array) -> jax.Array:
  return jnp.sqrt(jnp.mean(jnp.square(x)))


def choose_optimizer(
  name: str, rate: float, params: Any, steps: int
) -> optax.GradientTransformation:
  if name == "adafactor":
    return optax.adafactor(rate, multiply_by_parameter_scale=True)
  changes = {"optimizer.lr_t5": rate, "optimizer.warmup_steps": 100}
  config = rescaled_t5.read_config("base", changes)
  return make_optimizer(config.optimizer, params, steps)


def pretrain(
  model: T5, rows: np.ndarray, held_out: np.ndarray, flags: argparse.Namespace
) -> Any:
  """T5's parameters after the last step; prints a line at those of LOGGED."""
  rng, size = np.random.default_rng(flags.seed), model.config.vocab_size
  watched = make_batch(held_out, np.random.default_rng(99), size)
  tokens, targets = watched["inputs"][:1], watched["targets"][:1]
  key = jax.random.key(flags.seed)
  fresh = model.init(key, tokens, tokens > 0, targets)["params"]
  optimizer = choose_optimizer(
    flags.optimizer, flags.rate, {"t5": fresh}, flags.steps
  )

  def figures(params: Any, batch: Batch) -> dict[str, jax.Array]:
    return model.apply({"params": params["t5"]}, batch, method=measure)

  @functools.partial(jax.jit, donate_argnums=0)
  def step(state: TrainState, batch: Batch) -> TrainState:
    grads = jax.grad(lambda *given: figures(*given)["loss"])(
      state.params, batch
    )
    updates, moments = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, moments, {})

  look = jax.jit(figures)
  state = create({"t5": fresh}, optimizer)
  for number in range(flags.steps + 1):
    if number in LOGGED or number == flags.steps:
      table = state.params["t5"]["shared"]["embedding"]
      show(number, table, look(state.params, watched))
    if number < flags.steps:
      drawn = rows[rng.integers(len(rows), size=ROWS)]
      state = step(state, make_batch(drawn, rng, size))
  return state.params["t5"]


def show(step: int, table: jax.Array, found: Mapping[str, Any]) -> None:
  cells = {"embeddings": rms(table)}
  for stack in ("encoder", "decoder"):
    cells |= {f"{stack} {n}": x for n, x in enumerate(found[stack], 1)}
  cells["loss"] = found["loss"]
  if not step:
    print("".join(name.rjust(11) for name in ("step", *cells)))
  values = "".join(f"{float(value):11.2f}" for value in cells.values())
  print(f"{step:11}{values}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--data", required=True)
  parser.add_argument("--corpus", required=True)
  parser.add_argument("--optimizer", choices=RATES, default="adafactor")
  parser.add_argument("--rate", type=float, help="0.01 and 0.001")
  parser.add_argument("--steps", type=int, default=2000)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--out", type=pathlib.Path)
  flags = parser.parse_args(arguments)
  flags.rate = flags.rate or RATES[flags.optimizer]
  corpora = flags.corpus.split(",")
  texts = read_texts(flags.data, corpora, "train")
  with tempfile.TemporaryDirectory() as folder:
    vocabulary = pathlib.Path(folder, tokenizer_lib.FILE_NAME)
    tokenizer_lib.train(texts, (), PIECES, vocabulary)
    tokenizer = Tokenizer(vocabulary)
    rows = pack(texts, tokenizer)
    held_out = pack(read_texts(flags.data, corpora, "validation"), tokenizer)
    shape = dataclasses.replace(
      rescaled_t5.T5, vocab_size=tokenizer.size + SPANS + 1
    )
    print(
      f"{flags.corpus}: {len(texts)} texts, {rows.size} tokens, "
      f"{flags.optimizer} {flags.rate:g}, seed {flags.seed}"
    )
    model = T5(dataclasses.replace(shape, dropout=0.0))
    params = pretrain(model, rows, held_out[:HELD_OUT], flags)
    if flags.out:
      flags.out.mkdir(parents=True)
      writer.save(flags.out, shape, params, vocabulary.read_bytes())


if __name__ == "__main__":
  main()
