"""The memory of MFN against loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.memory_fusion import MemoryFusion

WIDTH = 3
SIZES = {"text": 5, "audio": 2}


def sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


def network(params: dict, x: np.ndarray) -> np.ndarray:
  hidden = x @ params["hidden"]["kernel"] + params["hidden"]["bias"]
  return np.maximum(hidden, 0) @ params["out"]["kernel"] + params["out"]["bias"]


def lstm(params: dict, x: np.ndarray, state: tuple) -> tuple:
  cell, hidden = state
  i, f, g, o = (
    x @ params[f"i{gate}"]["kernel"]
    + hidden @ params[f"h{gate}"]["kernel"]
    + params[f"h{gate}"]["bias"]
    for gate in "ifgo"
  )
  cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
  return cell, sigmoid(o) * np.tanh(cell)


def test_the_memory_follows_what_the_cells_say_together():
  rng = np.random.default_rng(0)
  mask = np.array([[False, True, True, False, True, False]])
  words = {
    name: rng.standard_normal((1, mask.shape[1], size))
    for name, size in SIZES.items()
  }
  module = MemoryFusion(WIDTH, dropout=0.0)
  arrays = {name: jnp.asarray(each) for name, each in words.items()}
  variables = module.init(jax.random.key(0), arrays, mask, True)
  variables = jax.tree.map(
    lambda leaf: rng.standard_normal(leaf.shape), variables
  )
  found = module.apply(variables, arrays, jnp.asarray(mask), True)

  params = variables["params"]
  states = {name: (np.zeros(WIDTH), np.zeros(WIDTH)) for name in SIZES}
  memory = np.zeros(WIDTH)
  for place in np.flatnonzero(mask[0]):
    before = [cell for cell, _ in states.values()]
    for name in SIZES:
      states[name] = lstm(params[name], words[name][0, place], states[name])
    cells = np.concatenate([*before, *(cell for cell, _ in states.values())])
    attention = np.exp(network(params["attention"], cells))
    attended = attention / attention.sum() * cells
    proposal = np.tanh(network(params["proposal"], attended))
    both = np.concatenate([attended, memory])
    gates = (
      sigmoid(network(params["memory"][gate], both))
      for gate in ("retain", "update")
    )
    retain, update = gates
    memory = retain * memory + update * proposal
  outputs = [hidden for _, hidden in states.values()]
  expected = np.concatenate([*outputs, memory])
  np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
