"""Voice as the states of a speech transformer, instead of a Mel-spectrogram.

wav2vec 2.0, HuBERT and WavLM read samples and give 50 states a second;
Whisper's encoder reads its own spectrogram of 30 s and gives as many.
Neighbouring states are averaged, which keeps records small: they differ little.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_export.errors import InputError, MediaError
from feature_export.features import model_folders

if TYPE_CHECKING:
  import torch

MEL = "mel"
WHISPER = "whisper"
# Backbone -> model_type of its config.json.
KINDS = ("wav2vec2", "hubert", "wavlm", WHISPER)
BACKBONES = (MEL, *KINDS)
RATE = 16000  # Hz that all of them were trained with
_HOP = 320  # samples between states
_LEAST = 400  # samples: the first state of a convolutional front end
_WHISPER_SECONDS = 30.0
_LARGEST = float(np.finfo(np.float16).max)
_WHAT = "Speech model"


@dataclass(frozen=True)
class SpeechSettings:
  """Everything that changes the values of the states.

  Attributes:
    kind: "wav2vec2", "hubert", "wavlm" or "whisper".
    sha256: hash over the model's weights and settings, in hexadecimal.
    layer: hidden state that is taken, as transformers counts them: 0 is the
      input of the first layer, -1 the model's output.
    pool: number of neighbouring states that are averaged.
  """

  kind: str
  sha256: str
  layer: int = -1
  pool: int = 2


@dataclass(frozen=True)
class SpeechEncoder:
  """A frozen model.

  Attributes:
    states: function float32[N] samples at 16 kHz -> float32[T, D].
  """

  states: Callable[[np.ndarray], np.ndarray]


def find_model(name: str) -> Path:
  """The folder of a model; a hub name is fetched, which is said.

  Raises:
    InputError: no folder, and the hub does not have it.
  """
  return model_folders.find_folder(
    _WHAT,
    name,
    "a folder as transformers saves it, or the name of a model that can be "
    "fetched",
    "Correct --audio_model.",
  )


def describe_model(
  kind: str, folder: Path, layer: int, pool: int
) -> tuple[SpeechSettings, int]:
  """The settings of a model, and D.

  Raises:
    InputError: another kind of model, no weights, or no such layer.
  """
  from transformers import AutoConfig

  try:
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
  except (OSError, ValueError) as error:
    raise InputError(
      f"Speech model {folder}: expected config.json of a {kind} model, found: "
      f"{error}"
    ) from error
  if config.model_type != kind:
    raise InputError(
      f"Speech model {folder}: expected the kind {kind}, found "
      f"{config.model_type}. Correct --audio_backbone or --audio_model."
    )
  layers = (
    config.encoder_layers if kind == WHISPER else config.num_hidden_layers
  )
  if not -layers - 1 <= layer <= layers:
    raise InputError(
      f"--audio_layer: expected {-layers - 1} to {layers} for {folder}, found "
      f"{layer}"
    )
  width = config.d_model if kind == WHISPER else config.hidden_size
  return SpeechSettings(kind, _hash_model(folder), layer, pool), width


def _hash_model(folder: Path) -> str:
  return model_folders.hash_folder(
    _WHAT, folder, "Correct --audio_model.", model_folders.SETTINGS
  )


def load_encoder(
  settings: SpeechSettings, folder: Path, device: str
) -> SpeechEncoder:
  """Loads a model as transformers does, its weights as tensors alone.

  Args:
    settings: from `describe_model`, perhaps of another machine.
    folder: the model's.
    device: "cpu" or "cuda".

  Raises:
    InputError: not the model that the settings are of, or one that lacks
      weights.
  """
  found = _hash_model(folder)
  if found != settings.sha256:
    raise InputError(
      f"Speech model {folder}: expected the sha256 {settings.sha256}, found "
      f"{found}. Give --audio_model the same model everywhere."
    )
  import torch
  from transformers import AutoFeatureExtractor, AutoModel

  extractor = AutoFeatureExtractor.from_pretrained(
    folder, local_files_only=True
  )
  model, report = AutoModel.from_pretrained(
    folder,
    local_files_only=True,
    dtype=torch.float32,
    output_loading_info=True,
  )
  model_folders.check_complete(
    f"{_WHAT} {folder}",
    report["missing_keys"],
    "all weights of its model",
    "Give one that was saved whole.",
  )
  if settings.kind == WHISPER:
    model = model.get_encoder()
  model = model.eval().to(device)

  def states(samples: np.ndarray) -> np.ndarray:
    inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    inputs = {
      k: v.to(device) for k, v in inputs.items() if k != "attention_mask"
    }
    with torch.inference_mode():
      output = model(**inputs, output_hidden_states=True)
    return _chosen(output, settings.layer)[0].float().cpu().numpy()

  return SpeechEncoder(states)


def _chosen(output, layer: int) -> "torch.Tensor":
  """[1, T, D]; the output has a norm that the last hidden state may lack."""
  if layer == -1:
    return output.last_hidden_state
  return output.hidden_states[layer]


def embed_speech(
  samples: np.ndarray, settings: SpeechSettings, encoder: SpeechEncoder
) -> np.ndarray:
  """The states of a clip, `pool` neighbours averaged.

  Args:
    samples: float32[N] at 16 kHz, N > 0.
    settings: which layer, how many neighbours.
    encoder: the model.

  Returns:
    float16[A, D] with A = ceil(T / pool), T about N / 320.

  Raises:
    MediaError: states that are not finite or beyond float16.
  """
  padded = np.pad(samples, (0, max(0, _LEAST - len(samples))))
  states = encoder.states(padded)
  if settings.kind == WHISPER:
    states = states[: math.ceil(len(padded) / _HOP)]
  starts = np.arange(0, len(states), settings.pool)
  counts = np.diff([*starts, len(states)])
  pooled = np.add.reduceat(states, starts, axis=0) / counts[:, None]
  if not np.isfinite(pooled).all() or np.abs(pooled).max() > _LARGEST:
    raise MediaError("not_finite", "states that are not finite in float16")
  return pooled.astype(np.float16)


def step_seconds(pool: int) -> float:
  """Time between the frames of a record, s: `pool` states are one frame."""
  return pool * _HOP / RATE


def flag_faults(kind: str, model: str | None, max_seconds: float) -> list[str]:
  """What is wrong with the flags of the voice's backbone."""
  faults = []
  if (kind == MEL) == (model is not None):
    faults.append(
      "--audio_model goes with --audio_backbone "
      f"{', '.join(KINDS)}, each of which needs it"
    )
  if kind == WHISPER and max_seconds > _WHISPER_SECONDS:
    faults.append(
      f"--max_seconds: expected at most {_WHISPER_SECONDS:g} with "
      f"--audio_backbone whisper, found {max_seconds:g}"
    )
  return faults
