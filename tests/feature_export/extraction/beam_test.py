"""The pipeline's groups, and the commands of docs/cluster_export.md."""

import pathlib
import re
import shlex

import pytest
from absl import flags

from feature_export import statistics, verify
from feature_export.corpora.importers import ImportOptions
from feature_export.corpora.utterance import Media, Utterance
from feature_export.extraction.flags import FeatureOptions, RunOptions
from feature_export.labels.completion import Rules
from feature_export.labels.flags import AuditOptions, MixtureOptions
from feature_export.options import define, read
from unimse_cli import program

beam = pytest.importorskip("apache_beam", reason="apache-beam is not installed")

_PAGE = pathlib.Path(__file__).parents[3] / "docs" / "cluster_export.md"
_OPTIONS = {
  "export": (ImportOptions, FeatureOptions, RunOptions),
  "universal_labels": (MixtureOptions, Rules, AuditOptions),
  "verify": (verify.VerifyOptions,),
  "statistics": (statistics.StatisticsOptions,),
}


def _commands() -> list[list[str]]:
  """Our commands of the page, as words of a shell."""
  text = _PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
  lines = re.findall(r"^ {4}(python -m feature_export\..*)$", text, re.M)
  return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("words", _commands(), ids=lambda words: words[2])
def test_a_command_of_the_page_is_taken(words, monkeypatch):
  monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
  values = flags.FlagValues()
  kinds = _OPTIONS[words[2].removeprefix("feature_export.")]
  for kind in kinds:
    define(values, kind)
  program.parse(values, words[2:])
  *_, running = (read(values, kind) for kind in kinds)
  if not isinstance(running, RunOptions) or not running.beam_runner:
    return
  from apache_beam.options.pipeline_options import PipelineOptions

  options = PipelineOptions(shlex.split(running.beam_options))
  known = options.get_all_options(retain_unknown_options=False)
  given = options.get_all_options(retain_unknown_options=True)
  assert given.keys() - known.keys() == set()
  assert beam.runners.create_runner(running.beam_runner)


def test_the_page_has_a_command_for_every_runner():
  text = " ".join(word for words in _commands() for word in words)
  for runner in ("Dataflow", "Flink", "Spark", "Direct", "Portable"):
    assert f"--beam_runner {runner}Runner" in text


def test_media_of_one_file_are_one_workers():
  from feature_export.extraction.beam import _group

  film, other = pathlib.Path("film.mp4"), pathlib.Path("other.mp4")
  clips = [
    Utterance(
      *(str(number), "train", ""),
      audio=Media(path, number, number + 1),
      video=Media(path, number, number + 1),
    )
    for number in range(10)
    for path in [other if number == 4 else film]
  ]
  groups = _group(clips)
  assert [len(group) for group in groups] == [16, 2, 2]
  assert [{task.media.path for task in group} for group in groups] == (
    [{film}, {film}, {other}]
  )
  # Two clips of one stretch are extracted once.
  assert sum(map(len, _group([clips[0], clips[0]]))) == 2
