"""Greedy decoding beside transformers' generate: same weights, same texts.

python tests/peers/timed_generate.py [--config configs/scratch.py] [--texts 96]
    [--tokens 32] [--rounds 9] [--threads N]

A plain T5 of the config's shape with random weights reads random tokens; both
encode and decode, whole label texts with the grammar (the peer with
prefix_allowed_tokens_fn) and all of max_new_tokens without. The two take turns
in one process; their outputs are compared token for token. Prints JSON;
`python -m unimse_jax.benchmark --peer generate` runs it and prints words.
"""

import argparse
import functools
import json
import pathlib
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

# Run as a script, which finds the folder of the script alone.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import jax
import numpy as np
import torch
import transformers
from flax import traverse_util

from unimse_jax import config as config_lib
from unimse_jax.benchmarking import prediction_speed, workload
from unimse_jax.config import Config
from unimse_jax.data.tokenizer import EOS, PAD
from unimse_jax.decoding import generate, grammar
from unimse_jax.decoding.grammar import TokenAutomaton
from unimse_jax.models import T5, T5Config
from unimse_jax.pretrained import names

Run = Callable[[], np.ndarray]


def make_torch(
  config: T5Config, params: Any
) -> transformers.T5ForConditionalGeneration:
  """The same T5 in torch."""
  model = transformers.T5ForConditionalGeneration(
    transformers.T5Config(
      vocab_size=config.vocab_size,
      d_model=config.width,
      d_kv=config.head_width,
      d_ff=config.hidden,
      num_heads=config.heads,
      num_layers=config.encoder_layers,
      num_decoder_layers=config.decoder_layers,
      feed_forward_proj="gated-" * config.gated + config.activation,
      tie_word_embeddings=config.tied,
      scale_decoder_outputs=config.scale_logits,
      decoder_start_token_id=PAD,
      pad_token_id=PAD,
      eos_token_id=EOS,
    )
  )
  theirs = names.torch_names(config.encoder_layers, config.decoder_layers)
  flat = traverse_util.flatten_dict(params, sep="/")
  tensors = {
    # Torch keeps a matrix as [out, in], we as [in, out].
    theirs[name]: torch.tensor(
      np.array(leaf.T if name.endswith("/kernel") else leaf)
    )
    for name, leaf in flat.items()
  }
  missing = model.load_state_dict(tensors, strict=False)
  assert not missing.unexpected_keys
  # What is tied to the embedding has no weight of its own.
  assert all(
    "embed_tokens" in k or "lm_head" in k for k in missing.missing_keys
  )
  # Of the type that ours computes in.
  return model.to(getattr(torch, config.dtype)).eval()


def allowed_tokens(
  automaton: TokenAutomaton,
) -> Callable[[int, torch.Tensor], Sequence[int]]:
  """The grammar as generate takes it: row, tokens so far -> legal ones."""
  following = automaton.next_states
  column = {int(token): place for place, token in enumerate(automaton.tokens)}
  legal = [automaton.tokens[row >= 0].tolist() or [PAD] for row in following]

  @functools.cache
  def state(tokens: tuple[int, ...]) -> int:
    if not tokens:
      return 0
    place = column.get(tokens[-1])
    # Padding behind </s> stays at the end.
    return -1 if place is None else following[state(tokens[:-1]), place]

  return lambda row, tokens: legal[state(tuple(tokens.tolist()[1:]))]


def make_runs(
  config: Config, texts: int, tokens: int
) -> dict[str, tuple[Run, Run]]:
  """Name -> our decoding of the texts, and the peer's."""
  shape = workload.synthetic_model(config).config.t5
  rng = np.random.default_rng(config.seed)
  lengths = rng.integers(tokens // 2, tokens + 1, texts)
  mask = np.arange(tokens) < lengths[:, None]
  inputs = rng.integers(3, shape.vocab_size, mask.shape).astype(np.int32) * mask
  model = T5(shape)
  params = jax.jit(model.init)(
    jax.random.key(config.seed), inputs[:1], mask[:1], inputs[:1, :1]
  )["params"]
  device = "cuda" if torch.cuda.is_available() else "cpu"
  peer = make_torch(shape, params).to(device)
  read = {
    "input_ids": torch.tensor(inputs, dtype=torch.long, device=device),
    "attention_mask": torch.tensor(mask, dtype=torch.long, device=device),
  }
  label_text, vocabulary = prediction_speed.make_labels(config)
  length = config.decoding.max_new_tokens + 1
  legal = grammar.compile_grammar(label_text, vocabulary, length)

  @functools.partial(jax.jit, static_argnames="constrained")
  def decode(params: Any, constrained: bool) -> jax.Array:
    automaton = legal if constrained else grammar.free(shape.vocab_size)
    encoded = model.apply({"params": params}, inputs, mask, method="encode")
    return generate.search(model, params, encoded, mask, automaton, length - 1)

  @torch.inference_mode()
  def decode_peer(constrained: bool) -> np.ndarray:
    found = peer.generate(
      **read,
      max_new_tokens=length,
      num_beams=1,
      do_sample=False,
      prefix_allowed_tokens_fn=allowed_tokens(legal) if constrained else None,
    )
    return found.cpu().numpy()[:, 1:]

  return {
    name: (
      lambda constrained=constrained: np.asarray(decode(params, constrained)),
      lambda constrained=constrained: decode_peer(constrained),
    )
    for name, constrained in (("greedy", False), ("constrained", True))
  }


def compare(ours: np.ndarray, theirs: np.ndarray) -> int:
  """The number of texts that are equal token for token."""
  short = theirs.shape[1]
  return int(
    ((ours[:, :short] == theirs).all(1) & (ours[:, short:] == PAD).all(1)).sum()
  )


def count_tokens(texts: np.ndarray) -> int:
  """With </s>; all places of a text that has none."""
  ended = texts == EOS
  ends = np.where(ended.any(1), ended.argmax(1) + 1, texts.shape[1])
  return int(ends.sum())


def seconds(run: Run) -> float:
  start = time.perf_counter()
  run()
  return time.perf_counter() - start


def measure(config: Config, texts: int, tokens: int, rounds: int) -> dict:
  """Name -> seconds of both in each turn, tokens written, equal texts."""
  found = {}
  for name, (ours, theirs) in make_runs(config, texts, tokens).items():
    first = ours()
    equal = compare(first, theirs())
    turns = [[seconds(ours), seconds(theirs)] for _ in range(rounds)]
    found[name] = {
      "turns": turns,
      "written": count_tokens(first),
      "texts": texts,
      "equal": equal,
    }
  return found


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/scratch.py")
  parser.add_argument("--texts", type=int, default=96)
  parser.add_argument("--tokens", type=int, default=32)
  parser.add_argument("--rounds", type=int, default=9)
  parser.add_argument("--threads", type=int)
  flags = parser.parse_args()
  if flags.threads:
    torch.set_num_threads(flags.threads)
  if flags.config.endswith(".json"):
    values = json.loads(pathlib.Path(flags.config).read_text())
  else:
    values = runpy.run_path(flags.config)["get_config"]().to_dict()
  config = config_lib.validate(values)
  print(json.dumps(measure(config, flags.texts, flags.tokens, flags.rounds)))


if __name__ == "__main__":
  main()
