"""A package goes to the hub, comes back by name, and is what was trained."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.unimse_jax.prediction import hub_server
from unimse_jax.errors import InputError
from unimse_jax.pipeline import packaged
from unimse_jax.prediction import Predictor, corpus, package, publishing

NAME = "me/tiny"


@pytest.fixture(scope="module")
def directory(straight, tmp_path_factory):
  out = tmp_path_factory.mktemp("package") / "out"
  package.write(straight, out, overwrite=False)
  return out


@pytest.fixture
def hub():
  with hub_server.serve() as server:
    yield server


@pytest.fixture
def here(hub, monkeypatch):
  """This process asks that server."""
  monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
  monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
  return hub


def read(directory) -> dict[str, bytes]:
  return {
    path.relative_to(directory).as_posix(): path.read_bytes()
    for path in directory.rglob("*")
    if path.is_file()
  }


def run(hub, home, *command: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-m", *command],
    env=os.environ
    | {
      "HF_ENDPOINT": hub.address,
      "HF_HOME": str(home),
      "HF_TOKEN": hub_server.TOKEN,
    },
    capture_output=True,
    text=True,
    timeout=120,
  )


def test_pushed_and_predicted_from_by_name(straight, corpora, hub, tmp_path):
  """The two commands, each in a process of its own."""
  pushed = run(
    *(hub, tmp_path / "home", "unimse_jax.package"),
    *(f"--workdir={straight}", f"--out={tmp_path / 'out'}", f"--push={NAME}"),
  )
  assert pushed.returncode == 0, pushed.stderr
  assert f"Pushed: {hub.address}/{NAME}/commit/" in pushed.stdout
  files = hub.repositories[NAME]
  assert packaged.MANIFEST in files
  card = files["README.md"].decode()
  assert f'Predictor.from_pretrained("{NAME}")' in card

  output = tmp_path / "predictions.jsonl"
  predicted = run(
    *(hub, tmp_path / "home", "unimse_jax.predict", f"--model={NAME}"),
    *(f"--features={corpora}", "--corpus=films", f"--output={output}"),
    "--devices=1",
  )
  assert predicted.returncode == 0, predicted.stderr
  assert "HTTP" not in pushed.stderr + predicted.stderr
  predictor = Predictor.from_workdir(straight, devices=1)
  own = tmp_path / "own.jsonl"
  corpus.predict_records(predictor, str(corpora), "films", "test", str(own))
  rows, expected = (
    [json.loads(line) for line in path.read_text().splitlines()]
    for path in (output, own)
  )
  assert len(rows) == len(expected) > 1
  for row, wanted in zip(rows, expected, strict=True):
    assert row["output"] == wanted["output"]
    # Another number of virtual devices adds in another order.
    for slot, chances in wanted["probabilities"].items():
      assert row["probabilities"][slot] == pytest.approx(chances, abs=1e-6)


def test_a_repository_is_the_package_and_nothing_else(here, directory):
  here.repositories[NAME] = {"old.safetensors": b"of before"}
  publishing.push(directory, NAME)
  assert here.repositories[NAME] == read(directory)


def test_a_token_without_the_right_is_one_message(here, directory, monkeypatch):
  monkeypatch.setenv("HF_TOKEN", "hf_wrong")
  with pytest.raises(InputError) as caught:
    publishing.push(directory, NAME)
  message = str(caught.value)
  assert "status 401" in message
  assert "hf auth login" in message
  assert str(directory) in message


def test_no_hub_is_one_message(directory, monkeypatch):
  monkeypatch.setattr(
    "huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9"
  )
  monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
  with pytest.raises(InputError, match=r"expected to reach http://127\.0\.0"):
    publishing.push(directory, NAME)


@pytest.mark.parametrize("name", ["a/b/c", "owner/na me", "owner/"])
def test_a_name_that_is_none_is_refused(here, directory, name):
  with pytest.raises(InputError, match=r"--push: expected owner/name"):
    publishing.push(directory, name)
  assert not here.repositories


def test_a_damaged_package_is_not_pushed(here, directory, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(directory, copy)
  (copy / packaged.FUSION_FILE).write_bytes(b"cut")
  with pytest.raises(InputError, match=r"fusion\.safetensors"):
    publishing.push(copy, NAME)
  assert not here.requests


def test_a_file_that_was_changed_on_the_hub_is_refused(
  hub, directory, tmp_path
):
  files = read(directory)
  files["model.safetensors"] = files["model.safetensors"][:-1] + b"\0"
  hub.repositories[NAME] = files
  done = run(
    *(hub, tmp_path / "home", "unimse_jax.predict", f"--model={NAME}"),
    *(f"--input={tmp_path / 'none'}", f"--output={tmp_path / 'out.jsonl'}"),
  )
  assert done.returncode == 2
  assert "model.safetensors" in done.stderr
  assert "Traceback" not in done.stderr


def test_a_package_that_nobody_has_is_one_message(monkeypatch, tmp_path):
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
  with pytest.raises(InputError, match="HF_TOKEN"):
    Predictor.from_pretrained("me/nothing")


def test_a_run_and_a_package_are_not_taken_for_each_other(directory, straight):
  with pytest.raises(InputError, match="--model"):
    Predictor.from_workdir(directory)
  with pytest.raises(InputError, match="unimse_jax.package"):
    Predictor.from_pretrained(straight)
