"""Event files hold what TensorBoard expects of them."""

import sys
import types

import pytest

from unimse_jax.rundir.event_file import EventFile


@pytest.fixture
def read_events(tmp_path, monkeypatch):
  """The events of the only file of a directory."""
  # This empty module makes tensorboard use its stub: tensorflow takes 5 s.
  stub = "tensorboard.compat.notf"
  monkeypatch.setitem(sys.modules, stub, types.ModuleType(stub))
  from tensorboard.backend.event_processing import event_file_loader

  def read():
    (file,) = tmp_path.glob("events.out.tfevents.*")
    return [*event_file_loader.LegacyEventFileLoader(str(file)).Load()]

  return read


def test_an_event_has_its_step_and_a_number_its_tag(tmp_path, read_events):
  events = EventFile(tmp_path)
  events.write_scalar(3, "train/loss", 0.25)
  events.close()
  version, scalar = read_events()
  assert version.file_version == "brain.Event:2"
  (value,) = scalar.summary.value
  assert (scalar.step, value.tag, value.simple_value) == (3, "train/loss", 0.25)


def test_a_restart_is_told_before_the_first_number(tmp_path, read_events):
  from tensorboard.compat.proto import event_pb2

  EventFile(tmp_path, restart=5).close()
  _, restart = read_events()
  assert restart.step == 5
  assert restart.session_log.status == event_pb2.SessionLog.START


def test_two_files_of_one_second_have_two_names(tmp_path):
  for _ in range(2):
    EventFile(tmp_path / "new").close()
  assert len([*(tmp_path / "new").iterdir()]) == 2
