"""CPU seconds that each encoder of voices and faces takes for a clip, one core.

  python tests/benchmarks/encoder_cost.py --voices FOLDER --clips 16

FOLDER holds recordings (.wav) at any depth. The models have the shapes of the
published ones, random weights, and are read from folders as transformers saves
them and from files as timm does, by the exporter's own code. Time is that of
the process (`time.process_time`), with one thread, so that other work on the
machine shows little in it; each line is the median of its clips' times.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import timm
import torch
import transformers
from skimage import data

from feature_export.corpora.utterance import Media
from feature_export.features import speech
from feature_export.features.audio import extract_audio, read_waveform
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  describe_network,
  embed_pictures,
  find_weights,
  load_backbone,
  resize_picture,
)
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import AudioSettings, VideoSettings

FRAMES, SIDE = 32, 224
# Kind -> name of a published model -> what in its config is not the default.
_SPEECH = {
  "wav2vec2": {"wav2vec2-base": {}},
  "hubert": {"hubert-base": {}},
  "wavlm": {"wavlm-base": {}},
  "whisper": {
    name: {
      "d_model": width,
      "encoder_layers": layers,
      "encoder_attention_heads": width // 64,
      "encoder_ffn_dim": 4 * width,
      "decoder_layers": 1,  # only the encoder is used
      "decoder_attention_heads": width // 64,
    }
    for name, width, layers in (
      ("whisper-tiny", 384, 4),
      ("whisper-base", 512, 6),
      ("whisper-small", 768, 12),
    )
  },
}
_SPEECH_CLASSES = {
  "wav2vec2": transformers.Wav2Vec2Model,
  "hubert": transformers.HubertModel,
  "wavlm": transformers.WavLMModel,
  "whisper": transformers.WhisperModel,
}
_VISION = {
  "clip": {"CLIP ViT-B/32": {}, "CLIP ViT-B/16": {"patch_size": 16}},
  "dinov2": {
    "dinov2-small": {"hidden_size": 384, "num_attention_heads": 6},
    "dinov2-base": {},
  },
}
_VISION_CLASSES = {
  "clip": transformers.CLIPVisionModelWithProjection,
  "dinov2": transformers.Dinov2Model,
}
_TIMM = ("tf_efficientnet_b0", "mobilenetv3_large_100", "convnext_tiny")


@dataclass(frozen=True)
class Cost:
  """What one encoder costs.

  Attributes:
    name: published model whose shapes it has.
    parameters: number of its weights.
    width: D of its features.
    seconds: CPU seconds of a clip, the median.
    bytes: size of a clip's features, the mean.
  """

  name: str
  parameters: int
  width: int
  seconds: float
  bytes: float


def measure(name: str, parameters: int, encode: Callable, clips: list) -> Cost:
  """Times an encoder on clips, after one that is not timed."""
  encode(clips[0])
  times, sizes = [], []
  for clip in clips:
    started = time.process_time()
    values = encode(clip)
    times.append(time.process_time() - started)
    sizes.append(values.nbytes)
  width = values.shape[1]
  return Cost(name, parameters, width, np.median(times), np.mean(sizes))


def _count(model: torch.nn.Module) -> int:
  return sum(each.numel() for each in model.parameters())


def save_speech(kind: str, changes: dict, folder: Path) -> int:
  """Saves a model of random weights; returns how many the encoder has."""
  made = _SPEECH_CLASSES[kind]
  model = made(made.config_class(**changes))
  model.save_pretrained(folder)
  if kind == "whisper":
    transformers.WhisperFeatureExtractor(80).save_pretrained(folder)
    return _count(model.get_encoder())
  reader = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
  reader.save_pretrained(folder)
  return _count(model)


def save_vision(kind: str, changes: dict, folder: Path) -> int:
  """Saves a model of random weights; returns their number."""
  made = _VISION_CLASSES[kind]
  model = made(made.config_class(**changes))
  model.save_pretrained(folder)
  reader = (
    transformers.CLIPImageProcessor
    if kind == "clip"
    else transformers.BitImageProcessor
  )
  reader(crop_size=SIDE).save_pretrained(folder)
  return _count(model)


def voice_costs(paths: list[Path]) -> list[Cost]:
  media = [Media(path) for path in paths]

  def encode(settings: AudioSettings, encoder: speech.SpeechEncoder | None):
    policies = default_policies("audio")
    return lambda clip: extract_audio(
      clip, settings, Inspection(policies), encoder
    )

  costs = [measure("mel", 0, encode(AudioSettings(), None), media)]
  for kind, models in _SPEECH.items():
    for name, changes in models.items():
      with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        count = save_speech(kind, changes, folder)
        found, width = speech.describe_model(kind, folder, -1, 2)
        encoder = speech.load_encoder(found, folder, "cpu")
      settings = replace(AudioSettings(), speech=found, mels=width)
      costs.append(measure(name, count, encode(settings, encoder), media))
      print(costs[-1], file=sys.stderr, flush=True)
  return costs


def _face_cost(name: str, backbone: str, weights: Path, count: int, pictures):
  settings = VideoSettings(backbone, "", SIDE)
  settings = replace(settings, **describe_network(backbone, weights))
  network = load_backbone(settings, weights, "cpu")
  cost = measure(
    name,
    count,
    lambda clip: embed_pictures(clip, settings, network),
    pictures,
  )
  print(cost, file=sys.stderr, flush=True)
  return cost


def face_costs(clips: int) -> list[Cost]:
  face = resize_picture(data.astronaut()[60:180, 165:285], SIDE)
  pictures = [np.stack([face] * FRAMES)] * clips
  file = find_weights(DEFAULT_BACKBONE, None)
  state = torch.load(file, weights_only=True)
  count = sum(
    each.numel() for name, each in state.items() if not name.startswith("_fc")
  )
  costs = [
    _face_cost(DEFAULT_BACKBONE, DEFAULT_BACKBONE, file, count, pictures)
  ]
  with tempfile.TemporaryDirectory() as place:
    for name in _TIMM:
      model = timm.create_model(name, num_classes=0)
      file = Path(place) / f"{name}.pt"
      torch.save(model.state_dict(), file)
      backbone = f"timm:{name}"
      costs.append(
        _face_cost(backbone, backbone, file, _count(model), pictures)
      )
  for kind, models in _VISION.items():
    for name, changes in models.items():
      with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        count = save_vision(kind, changes, folder)
        costs.append(_face_cost(name, kind, folder, count, pictures))
  return costs


def print_table(title: str, costs: list[Cost]) -> None:
  print(f"\n| {title} | weights, million | width | CPU s a clip | kB a clip |")
  print("|---|---|---|---|---|")
  for cost in costs:
    print(
      f"| {cost.name} | {cost.parameters / 1e6:.1f} | {cost.width} | "
      f"{cost.seconds:.3f} | {cost.bytes / 1e3:.0f} |",
      flush=True,
    )


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add("--voices", type=Path, required=True, help="folder of recordings")
  add("--clips", type=int, default=16, help="clips of voice, evenly chosen")
  add("--face_clips", type=int, default=3, help=f"clips of {FRAMES} pictures")
  options = parser.parse_args()
  torch.set_num_threads(1)
  torch.manual_seed(0)
  transformers.utils.logging.disable_progress_bar()
  paths = sorted(options.voices.rglob("*.wav"))
  paths = paths[:: max(1, len(paths) // options.clips)][: options.clips]
  waveforms = [
    read_waveform(Media(path), AudioSettings(), Inspection({}))
    for path in paths
  ]
  seconds = np.mean([len(each.samples) / each.rate for each in waveforms])
  print(
    f"{len(paths)} voices of {seconds:.1f} s, {FRAMES} pictures of {SIDE} px"
  )
  print_table("voice", voice_costs(paths))
  print_table("face", face_costs(options.face_clips))


if __name__ == "__main__":
  main()
