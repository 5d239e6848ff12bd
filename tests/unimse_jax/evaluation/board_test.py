"""TensorBoard's own readers read what an evaluation writes."""

import io

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.projector import projector_config_pb2

from unimse_jax.evaluation import board, evaluation_run


@pytest.fixture(scope="module")
def evaluation(straight, tiny_config):
  return evaluation_run.evaluate(tiny_config(), straight, "validation")[0]


@pytest.fixture(scope="module")
def folder(evaluation, tiny_config, tmp_path_factory):
  folder = tmp_path_factory.mktemp("board") / "validation"
  for _ in range(2):
    board.write(folder, "validation", evaluation, 8, tiny_config())
  return folder


@pytest.fixture(scope="module")
def events(folder):
  assert len([*folder.glob("events.out.tfevents.*")]) == 1
  found = event_accumulator.EventAccumulator(str(folder))
  return found.Reload()


def test_scores_are_the_scalars_of_the_checkpoints_step(events, evaluation):
  (point,) = events.Scalars("validation/films/mae")
  assert point.step == 8
  assert point.value == pytest.approx(evaluation.corpora["films"]["mae"])


def test_hyperparameters_are_the_config(events):
  tags = events.PluginTagToContent("hparams")
  start = tags[metadata.SESSION_START_INFO_TAG]
  found = metadata.parse_session_start_info_plugin_data(start).hparams
  assert found["model.pmf_layers"].number_value == 1
  assert found["data.corpora"].string_value == '["films", "friends"]'
  experiment = metadata.parse_experiment_plugin_data(
    tags[metadata.EXPERIMENT_TAG]
  )
  shown = {each.name.tag for each in experiment.metric_infos}
  assert "validation/friends/wf1" in shown


def test_confusions_are_pictures(events):
  assert events.Tags()["images"] == ["validation/friends/confusion"]
  (found,) = events.Images("validation/friends/confusion")
  with Image.open(io.BytesIO(found.encoded_image_string)) as image:
    assert image.size == (found.width, found.height)


def test_a_cell_is_darker_the_more_of_its_row_it_holds():
  png = board.confusion_image([[9, 0, 1], [5, 5, 0]], ("a", "b"))
  pixels = np.asarray(Image.open(io.BytesIO(png)))
  corner = [96 + 48 * k + 2 for k in range(3)]
  red = [[int(pixels[y, x, 0]) for x in corner] for y in corner[:2]]
  assert red == [[25, 255, 229], [127, 127, 255]]


def test_the_projector_gets_a_line_for_each_utterance(folder, evaluation):
  config = projector_config_pb2.ProjectorConfig()
  text = (folder / "projector_config.pbtxt").read_text()
  (each,) = text_format.Parse(text, config).embeddings
  vectors = np.loadtxt(folder / each.tensor_path, delimiter="\t")
  expected = [one.embedding for one in evaluation.predictions]
  # Six digits are written.
  np.testing.assert_allclose(vectors, expected, rtol=1e-5)
  rows = (folder / each.metadata_path).read_text().splitlines()
  assert rows[0].split("\t")[0] == "corpus"
  assert len(rows) == 1 + len(vectors)
  assert all(row.count("\t") == 4 for row in rows)
