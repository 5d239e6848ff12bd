"""Tests of options: dataclasses whose fields are flags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from absl import flags

from feature_export.options import define, option, outside_limits, read


@dataclass(frozen=True)
class _Options:
  """How it is done."""

  raw: Path = option("Folder.")
  jobs: int = option("Processes.", 2, limits=(1, 8))
  share: float | None = option("Share.", None, limits=(0, 1))
  faces: str = option("Detector.", "haar", choices=("haar", "none"))
  audio: bool = option("Take the audio.", True)
  policy: Sequence[str] = option("KIND=ACTION.", ())
  weights: Path | None = option("File.", None)
  kept: Path | None = option("File.", None, local=True)
  device: str = "cpu"  # no flag


def _read(*arguments: str) -> _Options:
  values = flags.FlagValues()
  define(values, _Options)
  values(["command", *arguments])
  return read(values, _Options)


def test_flags_that_are_not_given_have_the_default():
  found = _read("--raw", "x")
  assert found == _Options(Path("x"), policy=[])
  assert found.weights is None


def test_values_have_the_type_of_their_field(monkeypatch):
  monkeypatch.setenv("HOME", "/home/somebody")
  found = _read(
    *("--raw=~/x", "--jobs=3", "--share", "0.5", "--faces=none", "--noaudio"),
    *("--policy=a=b", "--policy", "c=d", "--weights=w"),
  )
  assert found == _Options(
    raw=Path("/home/somebody/x"),
    jobs=3,
    share=0.5,
    faces="none",
    audio=False,
    policy=["a=b", "c=d"],
    weights=Path("w"),
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "--raw must have a value"),
    (["--raw=x", "--faces=harr"], "should be one of <haar|none>"),
    (["--raw=ftp://host/x"], "--raw=ftp://host/x: expected a local path, gs:"),
    (
      ["--raw=x", "--kept=gs://b/x"],
      "--kept=gs://b/x: expected a path on this",
    ),
    (["--raw=x", "--share=half"], "--share=half"),
    (["--raw=x", "--device=cuda"], "Unknown command line flag 'device'"),
  ],
)
def test_what_does_not_fit_a_field_is_refused(arguments, message):
  with pytest.raises(flags.Error) as refused:
    _read(*arguments)
  assert message in str(refused.value)


def test_help_stands_under_the_sentence_of_the_dataclass():
  values = flags.FlagValues()
  define(values, _Options)
  lines = values.get_help(include_special_flags=False).splitlines()
  assert lines[1:4] == [
    "How it is done:",
    "  --[no]audio: Take the audio.",
    "    (default: 'true')",
  ]
  assert "  --raw: Folder. (required)" in lines


def test_all_numbers_outside_of_their_limits_are_listed():
  assert outside_limits(_Options(Path("x"), jobs=1, share=1.0)) == []
  assert outside_limits(_Options(Path("x"), jobs=9, share=float("nan"))) == [
    "--jobs must be in [1, 8], found 9",
    "--share must be in [0, 1], found nan",
  ]
