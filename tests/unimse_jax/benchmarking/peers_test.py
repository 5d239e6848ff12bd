"""Timing beside a peer: turns, tasks, and what a user is told."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from tests.unimse_jax.benchmarking.throughput_test import tiny
from unimse_jax.benchmarking import peers, synthetic
from unimse_jax.errors import InputError
from unimse_jax.pipeline.mesh import config_mesh


def test_turns_alternate_and_warm_up():
  calls = []

  def side(name, *seconds):
    answers = iter(seconds)

    def run(count):
      calls.append((name, count))
      return next(answers) if count == 3 else 99.0

    return run

  found = peers._take_turns(side("a", 1, 2, 4, 2), side("b", 3, 5, 8, 6), 9)
  # Four turns for nine steps, each after one untimed; at first both compile.
  turn = [("a", 1), ("a", 3), ("b", 1), ("b", 3)]
  assert calls == [("a", 2), ("b", 2)] + 4 * turn
  assert found["median"] == {"ours": 2.0, "theirs": 5.5}
  assert found["ratio"] == 2.75
  assert found["ratio_of_turns"] == [2.0, 3.0]
  assert found["seconds"]["ours"] == [1, 2, 4, 2]


def test_both_sides_get_the_same_rows():
  config = tiny(data={"buckets": (48, 300), "audio_frames": 157})
  tasks = peers.make_train_tasks(config, config_mesh(config))
  equal, drawn = tasks["equal"], tasks["drawn"]
  assert equal.ours["encoder_mask"].shape == (8, 64)
  assert equal.ours["encoder_mask"].all()
  ours, theirs = drawn.ours, drawn.theirs
  longest = theirs["encoder_mask"].sum(1).max()
  assert theirs["encoder_mask"].shape == (8, longest)
  assert ours["encoder_mask"].shape[1] == 300  # its bucket
  assert ours["packed_places"].shape[1] < 8  # fewer rows than texts
  np.testing.assert_array_equal(
    ours["encoder_input_tokens"][:, :longest], theirs["encoder_input_tokens"]
  )
  assert not ours["encoder_input_tokens"][:, longest:].any()
  assert len(set(ours["audio_mask"].sum(1).tolist())) > 4
  assert not ours["audio"][~ours["audio_mask"]].any()
  for name in ("audio", "audio_mask", "video", "decoder_target_tokens"):
    np.testing.assert_array_equal(ours[name], theirs[name])


def test_voices_are_as_long_as_they_were_measured():
  frames = synthetic.voice_frames(tiny(data={"audio_frames": 1000}), 20_000)
  seconds = frames / 31.25
  # One deviation of the mean is .016, of the share .003.
  assert seconds.mean() == pytest.approx(3.2, abs=0.07)
  assert (seconds > 5).mean() == pytest.approx(0.18, abs=0.012)
  cut = synthetic.voice_frames(tiny(data={"audio_frames": 50}), 100)
  assert cut.max() == 50 and cut.min() >= 1


def test_a_user_is_told_what_is_missing(monkeypatch, tmp_path):
  config = tiny()
  monkeypatch.setattr(peers, "SCRIPT", tmp_path / "peer.py")
  with pytest.raises(InputError, match=r"peer\.py, found no such file.*clone"):
    peers.measure(config, "torch", "train", 1)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match=r"package torch, found none.*pip inst"):
    peers.measure(config, "torch", "train", 1)


def test_more_than_one_device_is_refused():
  with pytest.raises(InputError, match=r"one device.*found 2\. Set config"):
    peers.measure(tiny(parallel={"devices": 2}), "torch", "train", 1)


def test_a_peer_that_ends_is_told(monkeypatch, tmp_path):
  monkeypatch.setattr(peers, "SCRIPT", tmp_path / "peer.py")
  peers.SCRIPT.write_text("print('hello')\nraise SystemExit(3)\n")
  peer = peers.Peer(tmp_path, "torch", "train")
  with pytest.raises(InputError, match=r"ended with status 3"):
    peer.time("equal", 1)
  peer.close()


def test_the_command_names_the_peers():
  # A process of its own: two commands cannot define --config in one.
  shown = subprocess.run(
    [sys.executable, "-m", "unimse_jax.benchmark", "--help"],
    capture_output=True,
    text=True,
  ).stdout
  assert f"--peer: <{'|'.join([*peers.PEERS, 'generate'])}>" in shown


@pytest.mark.parametrize("part", ["train", "lstm"])
def test_both_are_timed(part):
  report = peers.measure(tiny(), "torch", part, steps=3)
  assert list(report["tasks"]) == ["equal", "drawn"]
  for task in report["tasks"].values():
    assert np.shape(task["seconds"]["ours"]) == (4,)
    assert np.shape(task["seconds"]["theirs"]) == (4,)
    assert min(task["median"].values()) > 0
  text = peers.format_report(report)
  assert "scratch on cpu, float32" in text and part in text
  assert text.count(" x (") == 2


@pytest.mark.slow
def test_the_compiled_peer_is_one_graph():
  """fullgraph=True raises where it is not."""
  report = peers.measure(tiny(), "torch_compile", "train", steps=1)
  assert report["peer"] == "torch_compile"


def test_decoding_is_timed_beside_generate():
  """In two processes; random weights write the same texts in both."""
  config = tiny(decoding={"max_new_tokens": 16})
  report = peers.measure_decoding(config, steps=1)
  assert list(report["ways"]) == ["greedy", "constrained"]
  for way in report["ways"].values():
    assert way["equal"] == way["texts"] > 1
    assert np.shape(way["turns"]) == (1, 2)
  text = peers.format_decoding(report)
  assert text.count("tokens/s") == 4
  assert text.count(" x (") == 2
