"""Miniature raw corpora with real media, through the real export and back.

wav, mp4 and avi are encoded here; lengths of audio follow from the interval:
A = 1 + N // 512 rows at 16 kHz.
"""

import json

import numpy as np
import pytest

from feature_export import export
from feature_export.records.reader import dataset_dirs, read_records

HOP, RATE = 512, 16000
FIELDS = (
  *("id", "dialogue", "turn", "speaker", "text"),
  *("before", "after", "before_speakers", "after_speakers"),
  *("audio", "video", "polarity", "intensity", "has_intensity", "emotion"),
)


@pytest.fixture
def write_avi():
  """MPEG-4 in an avi, tagged DIVX, 720x480, with sound: as IEMOCAP's."""
  import av

  def write(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
      video = container.add_stream("mpeg4", rate=10)
      video.width, video.height, video.pix_fmt = 720, 480, "yuv420p"
      video.codec_context.codec_tag = "DIVX"
      picture = np.zeros((480, 720, 3), np.uint8)
      picture[:, :360], picture[:, 360:] = 90, 200
      for _ in range(int(seconds * 10)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(video.encode(frame))
      container.mux(video.encode(None))
    return path

  return write


@pytest.fixture
def exported(tmp_path):
  """Exports a raw folder and reads back the records and the report."""

  def run(corpus, raw, *flags):
    out = tmp_path / "data"
    arguments = ["--corpus", corpus, "--raw", str(raw), "--out", str(out)]
    arguments += ["--jobs", "1", "--frames", "2", "--image_size", "64"]
    arguments += ["--faces", "none"]  # plain grey holds no face to be found
    assert export.main([*arguments, *flags]) == 0
    folder = dataset_dirs(out)[corpus]
    report = json.loads((folder / "export_report.json").read_text())
    records = {}
    for split in ("train", "validation", "test"):
      for record in read_records(folder, split, FIELDS):
        records[record["id"]] = {**record, "split": split}
    return records, report

  return run


def rows(seconds):
  """Rows of log-Mel that a cut of that length has, one more or less."""
  count = 1 + round(seconds * RATE) // HOP
  # Sample rates and intervals round.
  return pytest.approx(count, abs=1)


def split_counts(report, split):
  """Records of a split, those with audio, those with video."""
  counts = report["splits"][split]
  return counts["clips"], counts["with_audio"], counts["with_video"]


def test_mosi(tmp_path, exported, write_text, write_tone, write_video):
  raw = tmp_path / "Raw"
  videos = ("2WGyTLYerpo", "WKA5OygbEKI", "c7UH_rxdZv4")
  lines = [
    f"0,1.5,{video},1,{score}"
    for video, score in zip(videos, (2.4, 0, -3), strict=True)
  ]
  lines.append("1.5,1.5,2WGyTLYerpo,44,-1.2")
  write_text(raw / "Labels" / "OpinionLevelSentiment.csv", "\n".join(lines))
  for video in videos:
    path = raw / "Transcript" / "Segmented" / f"{video}.annotprocessed"
    write_text(path, "1_DELIM_I LOVED IT\n44_DELIM_UMM\n")
    name = f"{video}_1"
    write_tone(raw / "Audio" / "WAV_16000" / "Segmented" / f"{name}.wav", 1.5)
    write_video(raw / "Video" / "Segmented" / f"{name}.mp4", [60, 90, 120])
  write_tone(raw / "Audio" / "WAV_16000" / "Full" / f"{videos[0]}.wav", 3)
  records, report = exported("mosi", raw)
  assert len(records) == 4
  record = records["2WGyTLYerpo_1"]
  assert record["text"] == "I LOVED IT"
  assert (record["split"], record["speaker"]) == ("train", "2WGyTLYerpo")
  assert (record["has_intensity"], record["polarity"]) == (True, "positive")
  assert record["intensity"] == pytest.approx(2.4, abs=1e-6)  # float32
  assert len(record["audio"]) == rows(1.5)
  assert record["audio"].shape[1] == 64
  assert len(record["video"]) == 2
  assert record["emotion"] == record["dialogue"] == ""
  zero = records["2WGyTLYerpo_44"]
  assert (len(zero["audio"]), len(zero["video"])) == (0, 0)
  assert records["WKA5OygbEKI_1"]["polarity"] == "neutral"
  assert split_counts(report, "train") == (2, 1, 1)


def test_mosei(
  tmp_path, exported, write_text, write_csd, write_tone, write_video
):
  """Cut out of the full recordings, which other sentences share."""
  raw = tmp_path / "Raw"
  videos = ("-3g5yACwYnA", "101787")
  labels = {}
  for video in videos:
    write_text(
      raw / "Transcript" / "Segmented" / "Combined" / f"{video}.txt",
      f"{video}___0___-0.4___1.0___One\n{video}___1___1.0___3.0___Two\n",
    )
    labels[video] = [[1.0, 3.0, -1.5], [-0.4, 1.0, 2 / 3]]
    write_tone(raw / "Audio" / "Full" / "WAV_16000" / f"{video}.wav", 4)
    path = raw / "Videos" / "Full" / "Combined" / f"{video}.mp4"
    write_video(path, list(range(60, 220, 4)))
  write_csd(raw / "CMU_MOSEI_Labels.csd", "All Labels", labels)
  records, _ = exported("mosei", raw)
  assert len(records) == 4
  first, second = records["101787_0"], records["101787_1"]
  assert first["split"] == "validation"
  assert len(first["audio"]) == rows(1.0)
  assert len(second["audio"]) == rows(2.0)
  assert len(second["video"]) == 2
  assert second["intensity"] == -1.5
  assert first["intensity"] == pytest.approx(2 / 3, abs=1e-6)  # float32


def test_meld(tmp_path, exported, write_text, write_video):
  """The sound is inside the mp4; an unreadable clip stays, as text."""
  raw = tmp_path / "MELD.Raw"
  header = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
  clips = {
    "train": raw / "train" / "train_splits",
    "dev": raw / "dev_splits_complete",
    "test": raw / "test" / "output_repeated_splits_test",
  }
  for split, folder in clips.items():
    write_text(
      raw / f"{split}_sent_emo.csv",
      header
      + "Hi,Ross,joy,positive,0,0\n"
      + "\u2019Sup?,Joey,surprise,negative,0,3\n",
    )
    write_video(folder / "dia0_utt0.mp4", [60, 90, 120, 150], tone=True)
    write_text(folder / "dia0_utt3.mp4", "moov atom missing")
  records, report = exported("meld", raw)
  assert len(records) == 6
  record = records["test/dia0_utt0"]
  assert (record["dialogue"], record["turn"]) == ("test/dia0", 0)
  assert (record["emotion"], record["polarity"]) == ("joy", "positive")
  assert record["after"] == ["\u2019Sup?"]
  assert record["after_speakers"] == ["Joey"]
  # AAC encodes blocks of 1024 samples.
  assert abs(len(record["audio"]) - (1 + 6400 // HOP)) <= 2
  assert len(record["video"]) == 2
  broken = records["train/dia0_utt3"]
  assert (len(broken["audio"]), len(broken["video"])) == (0, 0)
  assert broken["text"] == "\u2019Sup?"
  assert split_counts(report, "validation") == (2, 1, 1)


def test_iemocap(tmp_path, exported, write_text, write_tone, write_avi):
  raw = tmp_path / "IEMOCAP_full_release"
  turns = [
    ("F000", 0.5, 1.5, "exc", "We won!"),
    ("M000", 1.5, 2.0, "xxx", "Hm."),
    ("M001", 2.0, 2.75, "ang", "Stop."),
  ]
  for dialogue in ("Ses01F_impro01", "Ses01F_script01_1", "Ses05F_impro01"):
    session = raw / f"Session{dialogue[4]}"
    labels, lines = "% [START_TIME - END_TIME]\n\n", ""
    for turn, start, end, code, text in turns:
      name = f"{dialogue}_{turn}"
      labels += (
        f"[{start:.4f} - {end:.4f}]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
      )
      lines += f"{name} [{start:08.4f}-{end:08.4f}]: {text}\n"
      wav = session / "sentences" / "wav" / dialogue / f"{name}.wav"
      write_tone(wav, end - start)
    dialog = session / "dialog"
    write_text(dialog / "EmoEvaluation" / f"{dialogue}.txt", labels)
    write_text(dialog / "transcriptions" / f"{dialogue}.txt", lines)
    write_avi(dialog / "avi" / "DivX" / f"{dialogue}.avi", 3)
  records, report = exported("iemocap", raw)
  assert len(records) == 6
  assert report["context_only"] == 3
  record = records["Ses05F_impro01_M001"]
  assert record["split"] == "test"
  assert (record["speaker"], record["turn"]) == ("Ses05M", 2)
  assert (record["emotion"], record["polarity"]) == ("anger", "negative")
  assert record["before"] == ["Hm.", "We won!"]
  assert record["before_speakers"] == ["Ses05M", "Ses05F"]
  assert len(record["audio"]) == rows(0.75)
  assert len(record["video"]) == 2
  assert split_counts(report, "test") == (2, 2, 2)


def test_cremad(tmp_path, exported, write_tone, write_video):
  for actor in (1001, 1070, 1091):
    name = f"{actor}_TAI_SAD_LO"
    write_tone(tmp_path / "raw" / "AudioWAV" / f"{name}.wav", 1)
    write_video(tmp_path / "raw" / "VideoFlash" / f"{name}.mp4", [60, 90, 99])
  records, _ = exported("cremad", tmp_path / "raw")
  assert len(records) == 3
  record = records["1070_TAI_SAD_LO"]
  assert record["text"] == "The airplane is almost full."
  assert (record["emotion"], record["polarity"]) == ("sad", "negative")
  assert record["split"] == "validation"
  assert len(record["audio"]) == rows(1)
  assert len(record["video"]) == 2
