"""The ladder of tests/benchmarks runs on any exported corpus."""

import re

import pytest

from tests.benchmarks import signal_path

_SECONDS = re.compile(r", \d+ s")
_NUMBER = re.compile(r"[01]\.\d{3}")


@pytest.fixture(scope="module")
def command(corpora, label_writer, config_file):
  """Arguments for one of the tiny corpora, its labels made alone."""

  def make(corpus: str, *more: str) -> list[str]:
    labels = label_writer(corpora, corpus)
    line = ["--data", str(corpora), "--corpus", corpus, "--seeds", "1"]
    line += ["--labels", str(labels), "--config", str(config_file)]
    return [*line, "--config.train.epochs=1", *more]

  return make


def rows(text: str) -> dict[str, list[float]]:
  """Numbers of each line of the table by the name in front of them."""
  found = {}
  for line in text.splitlines():
    name, *cells = re.split(r"\s{2,}", _SECONDS.sub("", line).strip())
    if len(cells) == 4 and all(map(_NUMBER.fullmatch, cells)):
      found[name] = [float(cell) for cell in cells]
  return found


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["friends", "films"])
def test_every_rung_of_emotions_and_of_polarities(corpus, command, capsys):
  signal_path.main(command(corpus, "--modality", "audio"))
  text = capsys.readouterr().out
  assert f"{corpus}, audio: 21 train, 6 validation, 5 test records" in text
  found = rows(text)
  assert set(found) == {*signal_path.RUNGS, "seed 0", "SVM on Mel statistics"}
  assert all(0 <= each <= 1 for line in found.values() for each in line)
  # 5 test records: any accuracy is a multiple of 1 / 5.
  assert all(round(line[2] * 5, 6) % 1 == 0 for line in found.values())


@pytest.mark.slow
def test_the_labels_reach_the_fused_text(command, capsys):
  """The word of the class stands in the text; without it nothing tells."""
  line = ["--rung", "fusion", "--modality", "video"]
  line += [
    "--config.train.epochs=60",
    "--config.train.evaluate_every_epochs=60",
    "--config.optimizer.lr_main=1e-2",
  ]
  signal_path.main(command("friends", *line))
  with_text = rows(capsys.readouterr().out)["fusion"][0]
  signal_path.main(command("friends", *line, "--without_text"))
  without = rows(capsys.readouterr().out)["fusion"][0]
  assert with_text > 0.9 > without, (with_text, without)


def test_a_corpus_that_is_not_there_is_one_message(command, capsys):
  with pytest.raises(SystemExit) as stopped:
    signal_path.main([*command("friends"), "--corpus", "nowhere"])
  assert stopped.value.code == 2
  assert "nowhere" in capsys.readouterr().err
