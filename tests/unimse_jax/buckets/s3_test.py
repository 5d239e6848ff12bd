"""What may lie in s3:// is read from there; a run is refused at once."""

import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import fsspec.config
import pytest

from unimse_cli import storage
from unimse_jax.errors import InputError
from unimse_jax.pipeline import prepare_run
from unimse_jax.rundir import RunDir

_KEYS = {
  "AWS_ACCESS_KEY_ID": "any",
  "AWS_SECRET_ACCESS_KEY": "any",
  "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
  """The address of a server that speaks S3's protocol."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  log = tmp_path_factory.mktemp("s3") / "server.log"
  with log.open("w") as output:
    process = subprocess.Popen(
      [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
      env=os.environ | _KEYS,
      stdout=output,
      stderr=subprocess.STDOUT,
    )
  address = f"http://127.0.0.1:{port}"
  try:
    deadline = time.monotonic() + 60  # s
    while True:
      try:
        urllib.request.urlopen(address).read()
        break
      except OSError:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield address
  finally:
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def bucket(server) -> Iterator[pathlib.Path]:
  with pytest.MonkeyPatch.context() as patch:
    for name, value in _KEYS.items():
      patch.setenv(name, value)
    patch.setitem(fsspec.config.conf, "s3", {"endpoint_url": server})
    path = storage.user_path("s3://of-the-tests")
    path.fs.mkdir("of-the-tests")
    yield path


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
  monkeypatch.setenv("UNIMSE_CACHE", str(tmp_path / "cache"))
  storage._fetch.cache_clear()


def test_a_file_is_copied_with_its_companions_and_again_when_it_changes(bucket):
  storage.write_object(bucket / "labels/a.jsonl", b"one")
  storage.write_object(bucket / "labels/a.meta.json", b"{}")
  text = str(bucket / "labels/a.jsonl")
  local = storage.fetch_with_companions(text)
  assert local.read_bytes() == b"one"
  assert local.with_name("a.meta.json").read_bytes() == b"{}"
  storage.write_object(bucket / "labels/a.jsonl", b"two")
  storage._fetch.cache_clear()  # as a new process
  assert storage.fetch_with_companions(text).read_bytes() == b"two"


def test_an_object_can_be_made_only_once(bucket):
  storage.write_object(bucket / "once", b"1", create=True)
  with pytest.raises(FileExistsError):
    storage.write_object(bucket / "once", b"2", create=True)
  assert (bucket / "once").read_bytes() == b"1"


def test_what_is_not_there_is_not_there_and_no_bucket_is_one_sentence(bucket):
  assert not storage.fetch(str(bucket / "nothing")).exists()
  with pytest.raises(InputError, match="expected a bucket that can be reached"):
    storage.fetch("s3://not-of-the-tests/a")


def test_a_run_reads_its_data_and_labels_there(
  bucket, corpora, tiny_config, tmp_path
):
  data = bucket / "data"
  bucket.fs.put(f"{corpora}/", data.path, recursive=True)
  changes = {
    "data.dir": str(data),
    "data.labels": str(data / "films_friends.jsonl"),
  }
  there = prepare_run(tiny_config(changes), RunDir(tmp_path / "there"))
  here = prepare_run(tiny_config(), RunDir(tmp_path / "here"))
  assert there.mixture.examples == here.mixture.examples
  assert there.mixture.examples["train"]


def test_a_workdir_there_is_refused(bucket):
  with pytest.raises(InputError, match="in gs://, found s3://of-the-tests/run"):
    RunDir(bucket / "run")
