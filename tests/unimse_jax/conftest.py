"""Tiny models, batches and corpora, made on the spot."""

import functools
import json
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging

from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.data import packing
from unimse_jax.models import T5Config, UniMSE, UniMSEConfig, vocabulary

# Compiling is most of the time of these tests, and nothing here measures speed.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(autouse=True)
def absl_speaks() -> None:
  """The exporter silences absl for its own commands; these tests listen."""
  logging.set_verbosity(logging.WARNING)


SHAPE = {"vocab_size": 40, "width": 16, "head_width": 4, "hidden": 24}
SHAPE |= {"heads": 3, "encoder_layers": 2, "decoder_layers": 1}


@pytest.fixture(scope="session")
def tiny_t5() -> T5Config:
  """2 + 1 layers; heads x head_width differs from the width on purpose."""
  return T5Config(**SHAPE)


@pytest.fixture(scope="session")
def tiny_model(tiny_t5) -> Callable[..., UniMSE]:
  """UniMSE on `tiny_t5`; keywords replace fields of its config."""

  def make(**changes) -> UniMSE:
    fields = {"t5": tiny_t5, "pmf_layers": 1, "modality_width": 5}
    fields |= {"adapter_width": 6, "contrastive_width": 7, **changes}
    return UniMSE(UniMSEConfig(**fields))

  return make


@pytest.fixture(scope="session")
def fill() -> Callable[..., Any]:
  """Random numbers in the shapes that a module's init would give.

  Init itself has zeros in places that tests must see at work.
  """

  def make(model, *args, seed: int = 0, scale: float = 0.3) -> Any:
    # A closure: flags such as `deterministic` must stay plain bools.
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *args))
    shapes = shapes["params"]
    rng = np.random.default_rng(seed)
    return jax.tree.map(
      lambda leaf: jnp.asarray(
        scale * rng.standard_normal(leaf.shape), leaf.dtype
      ),
      shapes,
    )

  return make


@pytest.fixture(scope="session")
def score_tokens() -> Callable[..., jax.Array]:
  """float32[B, T, V], logits of whole texts int32[B, T], without a cache."""

  def score(model, variables, tokens, encoded, mask):
    apply = functools.partial(model.apply, variables)
    places = jnp.arange(tokens.shape[1])
    tree = (places, places[None, :] <= places[:, None])
    _, cross = apply(encoded, 1, method="start_cache")
    decoded = apply(tokens, cross, mask, tree, method="decode_tree")
    return vocabulary.scores(*apply(decoded, method="output"))

  return score


@pytest.fixture(scope="session")
def score_texts(score_tokens) -> Callable[..., jax.Array]:
  """float32[N, B], log P of texts int32[N, B, T], one by one.

  An empty text has probability one.
  """

  def score(model, variables, texts, encoded, mask):
    def one(text):
      inputs = jnp.pad(text[:, :-1], ((0, 0), (1, 0)))
      logits = score_tokens(model, variables, inputs, encoded, mask)
      log_p = jax.nn.log_softmax(logits)
      chosen = jnp.take_along_axis(log_p, text[..., None], axis=-1)[..., 0]
      return jnp.where(text == 0, 0.0, chosen).sum(-1)

    return jax.lax.map(one, texts)

  return score


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., dict[str, np.ndarray]]:
  """A batch with every kind of row: short texts, missing voice or face."""

  def make(rows: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(2, 40, (rows, 9)).astype(np.int32)
    lengths = rng.integers(3, 10, rows)
    mask = np.arange(9) < lengths[:, None]
    target = rng.integers(2, 40, (rows, 5)).astype(np.int32)
    weights = np.arange(5) < rng.integers(2, 6, rows)[:, None]
    frames = {"audio": (rows, 6, 4), "video": (rows, 3, 8)}
    batch = {
      "encoder_input_tokens": tokens * mask,
      "segment_ids": (rng.integers(0, 2, (rows, 9)) * mask).astype(np.int32),
      "encoder_mask": mask,
      "decoder_input_tokens": np.pad(target[:, :-1], ((0, 0), (1, 0))),
      "decoder_target_tokens": target * weights,
      "loss_weights": weights.astype(np.float32),
    }
    for name, shape in frames.items():
      count = rng.integers(1, shape[1] + 1, rows)
      count[rows - 1 if name == "audio" else 0] = 0  # absent
      valid = np.arange(shape[1]) < count[:, None]
      values = rng.standard_normal(shape).astype(np.float32)
      batch[name], batch[f"{name}_mask"] = values * valid[..., None], valid
    return batch

  return make


@pytest.fixture(scope="session")
def pack() -> Callable[..., dict[str, np.ndarray]]:
  """The batch with its texts packed, as few rows as they need."""

  def packed(
    batch: dict[str, np.ndarray],
    devices: int = 1,
    parts: int = 1,
    room: int = 9,
  ) -> dict[str, np.ndarray]:
    lengths = batch["encoder_mask"].sum(1)
    size, length = batch["encoder_mask"].shape
    groups = packing.group_rows(size, devices, parts)
    rows = packing.rows_needed([lengths], room, groups)
    return batch | packing.arrays(lengths, length, groups, (rows, room))

  return packed


# One corpus with intensities and one with emotions and dialogues.
_WORDS = {"positive": "great", "negative": "awful", "neutral": "plain"}
_EMOTIONS = {"joy": "positive", "anger": "negative", "calm": "neutral"}
_SPLITS = {"train": 21, "validation": 6, "test": 5}


def _films(split: str, number: int) -> dict:
  intensity = (1.6, -1.2, 0.0)[number % 3]
  word = _WORDS[("positive", "negative", "neutral")[number % 3]]
  return {"text": f"a {word} film number {number}", "intensity": intensity}


def _friends(split: str, number: int) -> dict:
  emotion = tuple(_EMOTIONS)[number % 3]
  return {
    "text": f"that is {_WORDS[_EMOTIONS[emotion]]} my friend {number}",
    "emotion": emotion,
    "dialogue": f"{split}{number // 5}",
    "turn": number % 5,
    "speaker": "AB"[number % 2],
  }


def write_corpus(
  folder: pathlib.Path,
  name: str,
  describe: Callable[[str, int], dict],
  image_size: int = 32,
  splits: dict[str, int] = _SPLITS,
  emotions: dict[str, str] = _EMOTIONS,
) -> None:
  """Writes a corpus with the exporter's own builder, without media.

  Every third utterance has no voice and every fourth no face.
  """
  from feature_export.corpora.schemes import EmotionScheme
  from feature_export.corpora.utterance import Corpus, Utterance, with_contexts
  from feature_export.features.extracted import Extraction, Features
  from feature_export.features.settings import (
    AudioSettings,
    ExtractionSettings,
    VideoSettings,
  )
  from feature_export.records import tensorflow_start
  from feature_export.records.schema import build_metadata, build_record

  tensorflow_start.prepare()
  from feature_export.records import builder

  utterances = tuple(
    Utterance(id=f"{split}{number}", split=split, **describe(split, number))
    for split, count in splits.items()
    for number in range(count)
  )
  scheme = EmotionScheme("moods", tuple(emotions), dict(emotions))
  with_emotion = any(each.emotion for each in utterances)
  corpus = Corpus(name, utterances, scheme if with_emotion else None)
  settings = ExtractionSettings(
    AudioSettings(mels=4),
    VideoSettings("none", "0" * 64, image_size=image_size, dimension=6),
  )

  rng = np.random.default_rng(len(name))
  records = {}
  for number, each in enumerate(with_contexts(utterances)):
    audio = rng.standard_normal((number % 3 * 2, 4)).astype(np.float16)
    video = rng.standard_normal((number % 4, 6)).astype(np.float16)
    extraction = Extraction(Features(audio), Features(video))
    records[each.id] = build_record(each, extraction, corpus)
  ids = {
    split: [each.id for each in utterances if each.split == split]
    for split in splits
  }
  builder.write_draft(
    name,
    build_metadata(corpus, settings),
    ids,
    lambda chosen: (records[each] for each in chosen),
    folder,
  )


def write_labels(
  folder: pathlib.Path, corpora: str, *flags: str
) -> pathlib.Path:
  """Completes labels with the exporter's command and a toy text encoder."""
  from feature_export import universal_labels
  from feature_export.labels import labelling
  from feature_export.labels.sentences import SentenceEncoder

  def encode(texts):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return np.array([[1 + t.count(each) for each in letters] for t in texts])

  path = folder / f"{corpora.replace(',', '_')}.jsonl"
  arguments = ["--data", str(folder), "--corpora", corpora, "--out", str(path)]
  arguments += flags
  with pytest.MonkeyPatch.context() as patch:
    toy = SentenceEncoder("toy", "0" * 64, encode)
    patch.setattr(labelling, "load_encoder", lambda *_: toy)
    assert universal_labels.main([*arguments, *flags]) == 0
  return path


@pytest.fixture(scope="session")
def corpora(tmp_path_factory) -> pathlib.Path:
  """DATA_DIR with the corpora films and friends and their labels.

  Written by the exporter and read by the trainer: the contract of both.
  """
  folder = tmp_path_factory.mktemp("data")
  write_corpus(folder, "films", _films)
  write_corpus(folder, "friends", _friends)
  write_labels(folder, "films,friends")
  return folder


@pytest.fixture(scope="session")
def corpus_writer() -> Callable[..., None]:
  """`write_corpus` and the texts of films, for corpora with a fault."""

  def write(folder: pathlib.Path, name: str, **options) -> None:
    write_corpus(folder, name, options.pop("describe", _films), **options)

  return write


@pytest.fixture(scope="session")
def label_writer() -> Callable[..., pathlib.Path]:
  return write_labels


@pytest.fixture(scope="session")
def tiny_values(corpora) -> dict[str, Any]:
  """A whole config, as nested dicts: seconds on one core."""
  from configs import scratch

  values = scratch.get_config().to_dict()
  changes = {
    "": {"name": "tiny"},
    "text": {"max_tokens": 64},
    "tokenizer": {"vocab_size": 70},
    # The three numbers of these corpora are too few to see much by.
    "label": {"snap": False},
    "data": {
      "dir": str(corpora),
      "corpora": ("films", "friends"),
      "labels": str(corpora / "films_friends.jsonl"),
      "buckets": (64,),
      "audio_frames": 4,
      "video_frames": 3,
      "video_components": 2,
    },
    # Resumed runs and several processes must draw the same changes.
    "augment": {"time_masks": 1, "time_share": 0.5, "level": 3.0},
    "t5": {"width": 16, "head_width": 4, "hidden": 24, "heads": 2}
    | {"encoder_layers": 2, "decoder_layers": 1},
    "model": {"modality_width": 4, "pmf_layers": 1, "adapter_width": 4}
    | {"contrastive_width": 4},
    "optimizer": {"lr_t5": 1e-2, "warmup_steps": 2},
    "train": {"batch_size": 12, "epochs": 2, "log_every_steps": 1}
    | {"checkpoint_every_steps": 3},
    "decoding": {"max_new_tokens": 8, "batch_size": 6, "intensity": "greedy"},
    "parallel": {"devices": 1},
  }
  for section, fields in changes.items():
    target = values[section] if section else values
    target.update(fields)
  return values


@pytest.fixture(scope="session")
def tiny_config(tiny_values) -> Callable[..., Config]:
  """The typed config of `tiny_values`; changes as {"train.epochs": 1}."""

  def make(changes: dict[str, Any] | None = None) -> Config:
    values = json.loads(json.dumps(tiny_values))
    for path, value in (changes or {}).items():
      section, _, name = path.rpartition(".")
      (values[section] if section else values)[name] = value
    return config_lib.validate(values)

  return make


@pytest.fixture(scope="session")
def compilations() -> list[str]:
  """Names of the functions that `straight` compiled, once for each time."""
  return []


@pytest.fixture(scope="session")
def straight(tiny_config, compilations, tmp_path_factory) -> pathlib.Path:
  """The workdir of a run of 8 steps that nothing interrupted."""
  from unimse_jax.training import trainer

  def record(event: str, _: float, **details: Any) -> None:
    if event.endswith("/backend_compile_duration"):
      compilations.append(details["fun_name"])

  workdir = tmp_path_factory.mktemp("straight")
  jax.monitoring.register_event_duration_secs_listener(record)
  outcome = trainer.train(tiny_config(), workdir)
  jax.monitoring.unregister_event_duration_listener(record)
  assert outcome.finished
  assert outcome.step == outcome.total_steps == 8
  return workdir


@pytest.fixture(scope="session")
def config_file(tiny_values, tmp_path_factory) -> pathlib.Path:
  """The tiny config as a file, for commands."""
  path = tmp_path_factory.mktemp("config") / "tiny.py"
  path.write_text(
    "from ml_collections import ConfigDict\n\n\n"
    f"def get_config():\n  return ConfigDict({tiny_values!r})\n"
  )
  return path


_ARGUMENTS = (
  "--headless",
  "--no-sandbox",  # needed as root; the pages are our own
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  # A camera and a microphone that show and play a test signal.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
)
_WAYS = {
  "wide": (1280, "light"),
  "phone": (390, "light"),
  "dark": (1280, "dark"),
  "dark phone": (390, "dark"),
}


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
  """Debian's Chromium, without a window."""
  webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is absent: extra `test`"
  )
  from selenium.webdriver.chrome.service import Service

  program = shutil.which("chromium") or shutil.which("chromium-browser")
  driver = shutil.which("chromedriver")
  if not (program and driver):
    pytest.skip("no Chromium: apt-get install chromium chromium-driver")
  options = webdriver.ChromeOptions()
  options.binary_location = program
  folder = tmp_path_factory.mktemp("chromium")
  for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
    options.add_argument(argument)
  options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
  driver = webdriver.Chrome(options=options, service=Service(driver))
  yield driver
  driver.quit()


@pytest.fixture(params=_WAYS)
def way(request, browser) -> tuple[int, str]:
  """The browser's window and colour scheme; the width and the scheme."""
  width, scheme = _WAYS[request.param]
  size = {"width": width, "height": 800, "deviceScaleFactor": 1}
  browser.execute_cdp_cmd(
    "Emulation.setDeviceMetricsOverride", size | {"mobile": width < 600}
  )
  feature = {"name": "prefers-color-scheme", "value": scheme}
  browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
  return width, scheme


# The ink and the ground of every element that holds text of its own.
_COLOURS = """
const ground = e => {
  for (; e; e = e.parentElement) {
    const found = getComputedStyle(e).backgroundColor;
    if (found != "rgba(0, 0, 0, 0)") return found;
  }
};
const pairs = {};
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  if (!own || e.tagName == "title") continue;
  const style = getComputedStyle(e);
  const ink = e.closest("svg") ? style.fill : style.color;
  pairs[ink + "|" + ground(e)] = e.tagName + ": " + e.textContent.slice(0, 40);
}
return pairs;"""


@pytest.fixture
def contrasts(browser) -> Callable[[], dict[str, float]]:
  """Measures the contrast of all text that the browser's page shows."""

  def measure() -> dict[str, float]:
    return {
      f"{pair}, {example}": _contrast(*map(_parse, pair.split("|")))
      for pair, example in browser.execute_script(_COLOURS).items()
    }

  return measure


@pytest.fixture(scope="session")
def parse_colour() -> Callable[[str], tuple[float, ...]]:
  return _parse


def _parse(colour: str) -> tuple[float, ...]:
  """Red, green and blue in [0, 1] of what CSS calls a colour."""
  if colour.startswith("#"):
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
  numbers = [float(each) for each in re.findall(r"[\d.]+", colour)]
  if colour.startswith("rgb"):
    assert len(numbers) == 3 or numbers[3] == 1, colour
    return tuple(each / 255 for each in numbers[:3])
  assert colour.startswith("color(srgb "), colour
  return tuple(numbers[:3])


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
  """(L1 + 0.05) / (L2 + 0.05) of WCAG 2.2."""

  def luminance(colour):
    red, green, blue = (
      each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
      for each in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

  low, high = sorted((luminance(one), luminance(other)))
  return (high + 0.05) / (low + 0.05)
