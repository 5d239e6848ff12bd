"""What a process of another machine checks before it makes features."""

from dataclasses import replace

import pytest
import safetensors.torch

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError
from feature_export.extraction.flags import FeatureOptions, build_settings
from feature_export.extraction.media_extractor import MediaExtractor


@pytest.mark.parametrize(
  ("faces", "changes", "message"),
  [
    ("none", {"weights_sha256": "0" * 64}, "is not the weights file that the"),
    ("haar", {}, "The face detector haar on .* is not the one that the export"),
  ],
)
def test_other_weights_or_detectors_are_refused(
  faces, changes, message, tmp_path, write_video
):
  options = FeatureOptions(frames=1, image_size=32, faces=faces)
  settings = build_settings(options, "cpu")
  video = replace(settings.video, **changes)
  if faces == "haar":
    video = replace(video, faces=replace(video.faces, version="1.0"))
  extractor = MediaExtractor(replace(settings, video=video))
  media = Media(write_video(tmp_path / "a.mp4", [60, 90]))
  with pytest.raises(InputError, match=message):
    extractor.extract("video", media)


def test_a_network_that_cannot_be_loaded_is_no_fault_of_a_clip(
  tmp_path, write_video
):
  timm = pytest.importorskip("timm")
  whole = tmp_path / "whole.safetensors"
  state = timm.create_model("resnet18", pretrained=False).state_dict()
  safetensors.torch.save_file(state, whole)
  cut = tmp_path / "cut.safetensors"
  cut.write_bytes(whole.read_bytes()[:1_000_000])
  options = FeatureOptions(
    frames=1,
    image_size=32,
    faces="none",
    backbone="timm:resnet18",
    backbone_weights=cut,
  )
  settings = build_settings(options, "cpu")
  media = Media(write_video(tmp_path / "a.mp4", [60, 90]))
  with pytest.raises(InputError, match="networks for video cannot be loaded"):
    MediaExtractor(settings).extract("video", media)
