"""States of speech models are transformers' own, in records of their width."""

import json
import math
import shutil

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
import transformers

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError, MediaError
from feature_export.extraction import prediction_clips
from feature_export.extraction.flags import FeatureOptions, build_settings
from feature_export.features import speech
from feature_export.features.audio import extract_audio
from feature_export.features.findings import Inspection
from feature_export.features.settings import AudioSettings
from feature_export.records.schema import hash_settings

RATE = speech.RATE
_WIDTH = 16
_CONVOLUTIONS = {
  "conv_dim": (8,) * 7,
  "conv_stride": (5, 2, 2, 2, 2, 2, 2),
  "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
  "hidden_size": _WIDTH,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 24,
  "num_conv_pos_embeddings": 16,
  "num_conv_pos_embedding_groups": 4,
}
_CLASSES = {
  "wav2vec2": transformers.Wav2Vec2Model,
  "hubert": transformers.HubertModel,
  "wavlm": transformers.WavLMModel,
  "whisper": transformers.WhisperModel,
}


@pytest.fixture(scope="module", params=speech.KINDS)
def saved(request, tmp_path_factory):
  """(kind, folder) of a tiny model of random weights, as transformers saves."""
  folder = tmp_path_factory.mktemp(request.param)
  torch.manual_seed(0)
  save(request.param, folder)
  return request.param, folder


def save(kind: str, folder) -> None:
  model = _CLASSES[kind]
  if kind == "whisper":
    config = model.config_class(
      d_model=_WIDTH,
      encoder_layers=2,
      decoder_layers=1,
      encoder_attention_heads=2,
      decoder_attention_heads=2,
      encoder_ffn_dim=24,
      decoder_ffn_dim=24,
      vocab_size=100,
      num_mel_bins=80,
      bos_token_id=1,
      eos_token_id=2,
      pad_token_id=0,
      decoder_start_token_id=1,
    )
    transformers.WhisperFeatureExtractor(80).save_pretrained(folder)
  else:
    config = model.config_class(**_CONVOLUTIONS)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(
      folder
    )
  model(config).save_pretrained(folder)


def reference(kind, folder, samples, layer) -> np.ndarray:
  """What a user of transformers would compute."""
  model = _CLASSES[kind].from_pretrained(folder).eval()
  extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
  inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
  with torch.no_grad():
    if kind == "whisper":
      output = model.encoder(inputs.input_features, output_hidden_states=True)
    else:
      output = model(inputs.input_values, output_hidden_states=True)
  if layer == -1:
    return output.last_hidden_state[0].numpy()
  return output.hidden_states[layer][0].numpy()


def voice(seconds: float) -> np.ndarray:
  times = np.arange(round(seconds * RATE)) / RATE
  tone = np.sin(2 * np.pi * 220 * times) * (1 + np.sin(2 * np.pi * 3 * times))
  return (0.2 * tone).astype(np.float32)


@pytest.mark.parametrize(("layer", "pool"), [(-1, 1), (1, 1), (-1, 2), (0, 3)])
def test_states_are_transformers_own(saved, layer, pool):
  kind, folder = saved
  settings, width = speech.describe_model(kind, folder, layer, pool)
  assert width == _WIDTH
  encoder = speech.load_encoder(settings, folder, "cpu")
  samples = voice(0.9)
  found = speech.embed_speech(samples, settings, encoder)
  states = reference(kind, folder, samples, layer)
  if kind == "whisper":
    states = states[: math.ceil(len(samples) / 320)]
  expected = np.stack(
    [states[at : at + pool].mean(axis=0) for at in range(0, len(states), pool)]
  )
  assert found.dtype == np.float16
  assert found.shape == (math.ceil(len(states) / pool), _WIDTH)
  # float16 has 11 bits, and so much is lost of a value.
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_fifty_states_a_second(saved):
  kind, folder = saved
  settings, _ = speech.describe_model(kind, folder, -1, 2)
  encoder = speech.load_encoder(settings, folder, "cpu")
  assert abs(len(speech.embed_speech(voice(2.0), settings, encoder)) - 50) <= 1


def test_a_clip_of_a_few_samples_has_a_state(saved):
  kind, folder = saved
  settings, _ = speech.describe_model(kind, folder, -1, 2)
  encoder = speech.load_encoder(settings, folder, "cpu")
  assert len(speech.embed_speech(voice(0.005), settings, encoder)) == 1


def test_states_beyond_float16_are_a_fault_of_the_clip():
  settings = speech.SpeechSettings("hubert", "0" * 64, pool=1)
  encoder = speech.SpeechEncoder(lambda samples: np.full((3, 2), 1e6))
  with pytest.raises(MediaError, match="float16"):
    speech.embed_speech(voice(0.1), settings, encoder)


def test_a_file_becomes_states_and_the_hash_is_of_the_model(saved, tmp_path):
  kind, folder = saved
  options = FeatureOptions(
    audio_backbone=kind, audio_model=str(folder), faces="none"
  )
  settings = build_settings(options, "cpu")
  assert settings.audio.mels == _WIDTH
  path = tmp_path / "voice.wav"
  soundfile.write(path, voice(1.0), RATE)
  encoder = speech.load_encoder(settings.audio.speech, folder, "cpu")
  inspection = Inspection(settings.audio.policies)
  found = extract_audio(Media(path), settings.audio, inspection, encoder)
  assert found.shape[1] == _WIDTH
  assert abs(len(found) - 25) <= 1
  # A dataset's metadata are enough to make the same features again.
  stored = json.loads(json.dumps(settings.describe()))
  again = prediction_clips.build_settings(stored, None, None, str(folder))
  assert hash_settings(again.describe()) == hash_settings(settings.describe())
  with pytest.raises(InputError, match="--audio_model"):
    prediction_clips.build_settings(stored, None, None)


def test_another_model_of_the_kind_is_refused(saved, tmp_path):
  kind, folder = saved
  settings, _ = speech.describe_model(kind, folder, -1, 2)
  other = tmp_path / "other"
  shutil.copytree(folder, other)
  torch.manual_seed(1)
  save(kind, other)
  with pytest.raises(InputError, match="expected the sha256"):
    speech.load_encoder(settings, other, "cpu")


def test_another_kind_and_a_layer_that_is_not_there_are_refused(saved):
  kind, folder = saved
  other = next(each for each in speech.KINDS if each != kind)
  with pytest.raises(InputError, match=f"expected the kind {other}"):
    speech.describe_model(other, folder, -1, 2)
  with pytest.raises(InputError, match=r"--audio_layer: expected -3 to 2"):
    speech.describe_model(kind, folder, 3, 2)


def test_a_model_without_part_of_its_weights_is_refused(tmp_path):
  """They would be drawn at random, in each process anew."""
  save("hubert", tmp_path)
  file = tmp_path / "model.safetensors"
  tensors = safetensors.torch.load_file(file)
  name = "encoder.layers.1.final_layer_norm.weight"
  del tensors[name]
  safetensors.torch.save_file(tensors, file, {"format": "pt"})
  settings, _ = speech.describe_model("hubert", tmp_path, -1, 1)
  with pytest.raises(InputError, match=f"found none for {name} .1 tensors"):
    speech.load_encoder(settings, tmp_path, "cpu")


def test_a_folder_without_weights_is_refused(saved, tmp_path):
  kind, folder = saved
  shutil.copy(folder / "config.json", tmp_path)
  with pytest.raises(InputError, match="safetensors"):
    speech.describe_model(kind, tmp_path, -1, 2)


@pytest.mark.parametrize(
  ("kind", "model", "seconds", "named"),
  [
    ("mel", "x", 20.0, "--audio_model goes with"),
    ("hubert", None, 20.0, "--audio_model goes with"),
    ("whisper", "x", 40.0, "at most 30"),
  ],
)
def test_flags_that_do_not_go_together(kind, model, seconds, named):
  (fault,) = speech.flag_faults(kind, model, seconds)
  assert named in fault


def test_a_spectrogram_keeps_its_hash():
  """Datasets of before the flag are still those of their runs."""
  settings = build_settings(FeatureOptions(faces="none"), "cpu")
  assert "speech" not in settings.describe()["audio"]
  assert AudioSettings(**settings.describe()["audio"]) == settings.audio


def test_an_export_has_states_of_the_models_width(tmp_path, export_raw, capsys):
  """Through worker processes, into records that the trainer reads."""
  from unimse_jax import CorpusRecords

  folder = tmp_path / "hubert"
  torch.manual_seed(0)
  save("hubert", folder)
  flags = ("--audio_backbone", "hubert", "--audio_model", str(folder))
  assert export_raw(*flags) == 0
  assert "audio: hubert, 16 wide, layer -1" in capsys.readouterr().out
  records = CorpusRecords(str(tmp_path / "data"), "mine")
  assert records.metadata["audio"]["mels"] == _WIDTH
  assert records.metadata["audio"]["speech"]["kind"] == "hubert"
  widths = {
    records.frames(split, number)["audio"].shape[1]
    for split in ("train", "validation", "test")
    for number in range(len(records.texts[split]))
  }
  assert widths == {_WIDTH}
