"""Two hundred damaged media of many kinds: none stops a run, all are listed.

Every kind of damage is made in several ways from real containers (wav, flac,
mp4 with H.264 and AAC, avi with MPEG-4).
"""

import json

import numpy as np
import pytest

from feature_export import export

_COPIES = 8
_RATE = 16000


def _sound(seconds: float, channels: int = 1) -> np.ndarray:
  time = np.arange(round(seconds * _RATE)) / _RATE
  wave = 0.4 * np.sin(2 * np.pi * 330 * time)
  return np.repeat(wave[:, None], channels, axis=1)


def _wav(path, samples, rate=_RATE, subtype="PCM_16"):
  import soundfile

  soundfile.write(path, samples, rate, subtype=subtype)


def _video(path, codec, seed, level=None, tone=True, seconds=0.8):
  import av

  rng = np.random.default_rng(seed)
  with av.open(str(path), "w") as container:
    video = container.add_stream(codec, rate=25)
    video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
    audio = None
    if tone:
      name = "aac" if path.suffix == ".mp4" else "mp3"
      audio = container.add_stream(name, rate=_RATE)
    for _ in range(round(25 * seconds)):
      picture = rng.integers(0, 256, (64, 96, 3), np.uint8)
      if level is not None:
        picture[:] = level
      frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
      container.mux(video.encode(frame))
    container.mux(video.encode(None))
    if audio is not None:
      wave = _sound(seconds)[:, 0].astype(np.float32)
      for start in range(0, len(wave), 1152):
        part = np.ascontiguousarray(wave[None, start : start + 1152])
        sound = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        sound.sample_rate, sound.pts = _RATE, start
        container.mux(audio.encode(sound))
      container.mux(audio.encode(None))


def _whole_wav(folder, seed) -> bytes:
  path = folder / f"whole{seed}.wav"
  _wav(path, _sound(0.6 + 0.05 * seed))
  return path.read_bytes()


def _whole_mp4(folder, seed) -> bytes:
  path = folder / f"whole{seed}.mp4"
  _video(path, "libx264", seed)
  return path.read_bytes()


def _flipped(content: bytes, seed: int, start: int, share: float) -> bytes:
  rng = np.random.default_rng(seed)
  array = np.frombuffer(content, np.uint8).copy()
  places = rng.integers(start, len(array), max(1, int(share * len(array))))
  array[places] ^= rng.integers(1, 256, len(places), np.uint8)
  return array.tobytes()


def _write(content):
  return lambda path, folder, seed: path.write_bytes(content(folder, seed))


def _samples(make, **options):
  return lambda path, folder, seed: _wav(path, make(seed), **options)


def _pictures(**options):
  return lambda path, folder, seed: _video(
    path, "mpeg4" if path.suffix == ".avi" else "libx264", seed, **options
  )


def _not_finite(value):
  def make(seed):
    samples = _sound(0.5)[:, 0]
    samples[100 * seed : 100 * seed + 5] = value
    return samples

  return make


# kind of damage -> (suffix, writer, a finding that must be listed)
_DAMAGES = {
  "zero bytes, wav": (".wav", _write(lambda f, s: b""), "empty"),
  "zero bytes, mp4": (".mp4", _write(lambda f, s: b""), "empty"),
  "text named wav": (".wav", _write(lambda f, s: b"text" * 99), "unreadable"),
  "text named mp4": (".mp4", _write(lambda f, s: b"text" * 99), "unreadable"),
  "html named mp4": (
    ".mp4",
    _write(lambda f, s: b"<html>404</html>" * (s + 1)),
    "unreadable",
  ),
  "random bytes, wav": (
    ".wav",
    _write(lambda f, s: np.random.default_rng(s).bytes(5000)),
    None,
  ),
  "random bytes, mp4": (
    ".mp4",
    _write(lambda f, s: np.random.default_rng(s).bytes(5000)),
    None,
  ),
  "only a header, wav": (
    ".wav",
    _write(lambda f, s: _whole_wav(f, s)[:44]),
    None,
  ),
  "half a header, wav": (
    ".wav",
    _write(lambda f, s: _whole_wav(f, s)[: 8 + s]),
    "unreadable",
  ),
  "cut wav": (
    ".wav",
    _write(lambda f, s: _whole_wav(f, s)[: 9000 + 500 * s]),
    "short",
  ),
  "mp4 without its index": (
    ".mp4",
    _write(lambda f, s: _whole_mp4(f, s)[: 4000 + 100 * s]),
    "unreadable",
  ),
  "flipped bytes, mp4": (
    ".mp4",
    _write(lambda f, s: _flipped(_whole_mp4(f, s), s, 3000, 0.02)),
    None,
  ),
  "flipped header, wav": (
    ".wav",
    _write(lambda f, s: _flipped(_whole_wav(f, s)[:36], s, 0, 1.0)),
    None,
  ),
  "silence": (".wav", _samples(lambda s: np.zeros(8000 + s)), "silence"),
  "NaN": (".wav", _samples(_not_finite(np.nan), subtype="FLOAT"), "not_finite"),
  "infinity": (
    ".wav",
    _samples(_not_finite(-np.inf), subtype="FLOAT"),
    "not_finite",
  ),
  "beyond full scale": (
    ".wav",
    _samples(lambda s: 100 * _sound(0.5), subtype="FLOAT"),
    "beyond_full_scale",
  ),
  "six channels": (".wav", _samples(lambda s: _sound(0.5, 6)), "many_channels"),
  "telephone rate": (
    ".wav",
    _samples(lambda s: _sound(0.5), rate=8000),
    "low_rate",
  ),
  "a few samples": (".wav", _samples(lambda s: _sound(0.5)[: 9 + s]), "brief"),
  "no samples": (".wav", _samples(lambda s: np.zeros((0, 1))), None),
  "three minutes": (".wav", _samples(lambda s: _sound(180)), "far_too_long"),
  "black pictures": (".mp4", _pictures(level=0), "black"),
  "one picture throughout": (".avi", _pictures(level=120), "still"),
  "no sound track": (".mp4", _pictures(tone=False), "no_track"),
}


@pytest.mark.slow
def test_two_hundred_damaged_media_are_all_listed(
  tmp_path, write_tone, write_manifest
):
  raw = tmp_path / "mine"
  raw.mkdir()
  write_tone(raw / "good.wav")
  rows, expected = [], {}
  for number, (suffix, write, kind) in enumerate(_DAMAGES.values()):
    for copy in range(_COPIES):
      name = f"d{number}_{copy}"
      write(raw / f"{name}{suffix}", tmp_path, copy)
      media = ("audio",) if suffix == ".wav" else ("audio", "video")
      rows.append(
        {"id": name, "split": "train", "text": "", "intensity": 1}
        | dict.fromkeys(media, f"{name}{suffix}")
      )
      expected[name] = kind
  for split in ("train", "validation"):
    rows.append(
      {"id": f"good_{split}", "split": split, "text": "", "intensity": 1}
      | {"audio": "good.wav"}
    )
  write_manifest(raw, rows)
  flags = ["--corpus", "manifest", "--raw", str(raw), "--faces", "none"]
  flags += ["--out", str(tmp_path / "data"), "--frames", "2", "--jobs", "2"]
  assert export.main([*flags, "--image_size", "64"]) == 0
  path = tmp_path / "data" / "mine" / "1.0.0" / "export_report.json"
  report = json.loads(path.read_text())
  assert sum(split["clips"] for split in report["splits"].values()) == len(rows)
  found: dict[str, set[str]] = {}
  for finding in report["findings"]:
    found.setdefault(finding["id"], set()).add(finding["kind"])
  assert len(expected) >= 200 and len(_DAMAGES) >= 20
  unlisted = [name for name in expected if name not in found]
  assert not unlisted
  wrong = {
    name: found[name]
    for name, kind in expected.items()
    if kind is not None and kind not in found[name]
  }
  assert not wrong
  assert not {name for name in found if name.startswith("good")}
