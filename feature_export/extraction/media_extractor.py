"""Extracts one medium; whatever is wrong with it becomes a finding."""

import socket
from collections.abc import Callable
from functools import cached_property

import numpy as np

from feature_export.corpora.utterance import (
  MODALITIES,
  Media,
  Utterance,
)
from feature_export.errors import InputError, MediaError
from feature_export.extraction.media_copies import on_this_machine
from feature_export.features.audio import extract_audio
from feature_export.features.efficientnet import (
  Backbone,
  choose_device,
  embed_pictures,
  find_weights,
  load_backbone,
  resize_picture,
)
from feature_export.features.extracted import Features, absent
from feature_export.features.faces import (
  Detector,
  crop_largest,
  describe_faces,
  follow,
  load_detector,
)
from feature_export.features.findings import Inspection
from feature_export.features.settings import ExtractionSettings
from feature_export.features.speaking_face import SpeakingFaces, find_speaker
from feature_export.features.speech import SpeechEncoder, load_encoder
from feature_export.features.video import extract_frames
from feature_export.features.weights import hash_weights


class MediaExtractor:
  """Extracts media in one process, and keeps its networks between them.

  Networks are loaded when first needed, because that takes seconds.
  """

  def __init__(self, settings: ExtractionSettings):
    self._settings = settings

  @cached_property
  def _backbone(self) -> Backbone:
    import torch

    # The work is spread over processes, so more threads would only compete;
    # and one thread adds up in one order, which keeps features identical.
    torch.set_num_threads(1)
    settings = self._settings
    weights = find_weights(settings.video.backbone, settings.weights)
    if hash_weights(weights) != settings.video.weights_sha256:
      raise InputError(
        f"{weights} on {socket.gethostname()} is not the weights file that the "
        "export began with. Install the same packages on every machine, and "
        "give --backbone_weights the same file."
      )
    return load_backbone(settings.video, weights, settings.device)

  @cached_property
  def _speech(self) -> SpeechEncoder | None:
    settings = self._settings
    if settings.audio.speech is None:
      return None
    import torch

    torch.set_num_threads(1)  # as above
    device = choose_device(settings.device)
    return load_encoder(settings.audio.speech, settings.speech_model, device)

  @cached_property
  def _detector(self) -> Detector:
    settings, model = self._settings.video.faces, self._settings.face_model
    described = describe_faces(settings.detector, model, settings.speaker)
    if described != settings:
      raise InputError(
        f"The face detector {settings.detector} on {socket.gethostname()} is "
        "not the one that the export began with. Install the same OpenCV on "
        "every machine, and give --face_model the same file."
      )
    return load_detector(settings, model)

  def _embed_video(self, media: Media, inspection: Inspection) -> np.ndarray:
    """The embeddings of the faces in a clip's frames, float16[V, D]."""
    settings = self._settings.video
    pictures, faceless, spoken = [], 0, 0
    find, speaking = self._detector, SpeakingFaces()
    if settings.faces.speaker is not None:
      speaking = find_speaker(media, settings, find)
    if settings.faces.detector != "none":
      find = follow(find)
    # One frame at a time: 32 of 1920 x 1080 would be 200 MB.
    for time, frame in extract_frames(media, settings, inspection):
      box = speaking.box_at(time)
      face = crop_largest(frame, find(frame) if box is None else [box])
      spoken += box is not None
      if face is None:
        faceless += 1
      else:
        pictures.append(resize_picture(face, settings.image_size))
    speaking.report(inspection, spoken)
    if not pictures:
      raise MediaError("no_face", "no face in any frame")
    if faceless:
      inspection.report(
        "frames_without_face", f"{faceless} of {faceless + len(pictures)}"
      )
    return embed_pictures(np.stack(pictures), settings, self._backbone)

  def extract(self, modality: str, media: Media) -> Features:
    """Extracts one medium; the features of an unusable one have length 0.

    Raises:
      InputError: weights or a detector that cannot be used for any medium.
      OSError: the bucket of the medium cannot be read.
    """
    with on_this_machine(media) as copy:
      return self._extract(modality, copy)

  def _load(self, modality: str) -> None:
    """Loads the networks of a modality: what fails there is no clip's fault."""
    try:
      if modality == "audio":
        _ = self._speech
      else:
        _ = self._detector, self._backbone
    except InputError:
      raise
    # Torch, safetensors and packages that lack a part raise what they like.
    except Exception as error:
      raise InputError(
        f"The networks for {modality} cannot be loaded; found "
        f"{type(error).__name__}: {error}. Fetch damaged weights again; where "
        "memory is short, lower --jobs or give --device cpu."
      ) from error

  def _extract(self, modality: str, media: Media) -> Features:
    self._load(modality)
    of_modality = getattr(self._settings, modality)
    inspection = Inspection(of_modality.policies)
    run: Callable[[], np.ndarray]
    if modality == "audio":

      def run():
        return extract_audio(media, of_modality, inspection, self._speech)
    else:

      def run():
        return self._embed_video(media, inspection)

    width = self._settings.width(modality)
    try:
      return Features(run(), inspection.findings())
    except MediaError as error:
      return absent(width, *inspection.findings(error))
    except InputError:
      raise
    # Decoders raise what nobody foresees; one clip must not stop thousands.
    except Exception as error:
      detail = f"{type(error).__name__}: {error}".replace(str(media.path), "")
      failure = MediaError("failed", detail[:200])
      return absent(width, *inspection.findings(failure))


def media_of(utterance: Utterance) -> dict[str, Media]:
  """Modality -> the file that has to be decoded for it."""
  return {
    modality: medium
    for modality in MODALITIES
    if isinstance(medium := getattr(utterance, modality), Media)
  }
