"""Event files hold what TensorBoard expects of them."""

import sys
import types

import pytest

from unimse_jax.rundir.event_file import EventFile, read_scalars


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


def test_numbers_are_read_back_from_all_files_but_a_cut_record(tmp_path):
  for values in ((0.5, 1.5), (2.5, 3.5)):
    events = EventFile(tmp_path)
    for step, value in enumerate(values):
      events.write_scalar(step, "train/loss", 9.0)
      events.write_scalar(step, "train/rate", value)
    events.close()
  assert read_scalars(tmp_path, "train/rate") == [0.5, 1.5, 2.5, 3.5]
  last = max(tmp_path.glob("events.*"))
  with last.open("r+b") as file:
    file.truncate(last.stat().st_size - 1)
  assert read_scalars(tmp_path, "train/rate") == [0.5, 1.5, 2.5]
  assert read_scalars(tmp_path / "nothing", "train/rate") == []
