"""Predictions as JSON lines, from features and from raw media."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from unimse_jax.data.records import CorpusRecords
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.prediction import corpus, raw_media


@pytest.fixture(scope="module")
def predictor(straight):
  return corpus.open_predictor(str(straight))


def test_predictions_of_records_are_those_of_the_evaluation(
  straight, tiny_config, corpora, tmp_path
):
  output = tmp_path / "out" / "predictions.jsonl"
  predictor = corpus.open_predictor(str(straight))
  count = corpus.predict_records(
    predictor, str(corpora), "friends", "test", str(output)
  )
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert count == corpus.Count(5, 0)
  assert len(rows) == 5
  evaluation, _, _ = evaluation_run.evaluate(tiny_config(), straight, "test")
  own = [
    each for each in evaluation.predictions if each.example.corpus == "friends"
  ]
  assert [row["output"] for row in rows] == [
    each.labelled.output for each in own
  ]
  assert [row["id"] for row in rows] == [
    record.id for record in CorpusRecords(str(corpora), "friends").texts["test"]
  ]


def test_features_of_other_settings_are_refused(
  predictor, tmp_path, corpus_writer
):
  corpus_writer(tmp_path, "films", image_size=64)
  output = tmp_path / "predictions.jsonl"
  with pytest.raises(InputError, match="extraction settings"):
    corpus.predict_records(
      predictor, str(tmp_path), "films", "test", str(output)
    )
  assert not output.exists()


def describe_features() -> dict:
  from feature_export.features.efficientnet import find_weights
  from feature_export.features.settings import AudioSettings, VideoSettings
  from feature_export.files import hash_file
  from feature_export.records.schema import hash_settings

  weights = find_weights("efficientnet_lite0", None)
  video = VideoSettings("efficientnet_lite0", hash_file(weights), 32, 2)
  audio = AudioSettings(max_seconds=1.0)
  described = {
    "audio": dataclasses.asdict(audio),
    "video": dataclasses.asdict(video),
  }
  return {**described, "settings_sha256": hash_settings(described)}


def test_raw_clips_come_back_as_the_exporter_makes_them(tmp_path):
  import soundfile

  rng = np.random.default_rng(0)
  soundfile.write(tmp_path / "a.wav", rng.uniform(-0.5, 0.5, 32000), 16000)
  rows = [
    {"text": "one", "audio": "a.wav", "dialogue": "d", "speaker": "A"},
    {"text": "lost", "audio": "none.wav"},
    {"text": "two", "dialogue": "d", "turn": 1, "corpus": "meld"},
    {"text": "three", "before": ["own"]},
  ]
  manifest = tmp_path / "clips.jsonl"
  manifest.write_text("\n".join(map(json.dumps, rows)))
  with raw_media.extracted(manifest, tmp_path, describe_features()) as found:
    folder, answers = found
    assert [row["id"] for row in answers] == ["1", "2", "3", "4"]
    assert "no such file" in answers[1]["error"]
    one, two, three = (
      raw_media.read_clip(answers[row], folder) for row in (0, 2, 3)
    )
  assert one.audio.shape == (32, 64)  # 1 + 16000 // 512
  assert one.audio.dtype == np.float16
  assert answers[0]["notes"] == ["audio cut: too_long: cut at 1 s"]
  assert (one.after, one.speaker, two.before) == (("two",), "A", ("one",))
  assert (two.corpus, two.before_speakers) == ("meld", ("A",))
  assert three.before == ("own",)
  assert len(three.audio) == len(three.video) == 0
  assert not folder.exists()


def test_settings_that_the_exporter_cannot_meet_are_refused(
  predictor, tmp_path
):
  manifest = tmp_path / "clips.jsonl"
  manifest.write_text('{"text": "so"}')
  # The tiny corpora name a backbone that no exporter has.
  with pytest.raises(InputError, match="exporter ended with status 2"):
    corpus.predict_media(predictor, str(manifest), str(tmp_path / "out.jsonl"))
  assert not (tmp_path / "out.jsonl").exists()


def test_without_the_exporter_the_command_that_installs_it_is_named(
  monkeypatch, tmp_path
):
  monkeypatch.setattr(raw_media, "_EXPORTER", "no_such_exporter")
  with (
    pytest.raises(InputError, match=r"\[export\]"),
    raw_media.extracted(tmp_path / "a", tmp_path, {"settings_sha256": "0"}),
  ):
    pass


def test_an_old_run_says_why_raw_media_cannot_be_read(tmp_path):
  with (
    pytest.raises(InputError, match="--features"),
    raw_media.extracted(tmp_path / "a", tmp_path, {}),
  ):
    pass


@pytest.mark.parametrize(
  ("flags", "named"),
  [
    ([], "one of --input and --features"),
    (["--input=a", "--features=b"], "one of --input and --features"),
    (["--features=b"], "--corpus"),
    (["--input=/gone.jsonl"], "config.json"),
  ],
)
def test_flags_that_do_not_go_together_end_with_status_2(
  tmp_path, flags, named
):
  done = subprocess.run(
    [sys.executable, "-m", "unimse_jax.predict", f"--workdir={tmp_path}"]
    + flags,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 2
  assert named in done.stderr
  assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_named(
  predictor, corpora, tmp_path
):
  (tmp_path / "file").write_text("")
  output = str(tmp_path / "file" / "predictions.jsonl")
  with pytest.raises(InputError, match="--output"):
    corpus.predict_records(predictor, str(corpora), "films", "test", output)
