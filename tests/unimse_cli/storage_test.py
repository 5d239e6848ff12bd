"""Reading and writing where files are objects."""

import hashlib
import json
import pathlib
import threading

import pytest

from unimse_cli import storage
from unimse_jax import files
from unimse_jax.errors import InputError


def put(path, content: bytes) -> None:
  storage.write_object(path, content)


def test_a_file_is_copied_once_and_again_when_it_changes(bucket, monkeypatch):
  put(bucket / "labels/a.jsonl", b"one")
  put(bucket / "labels/a.meta.json", b"{}")
  put(bucket / "labels/ab.jsonl", b"another's")
  text = str(bucket / "labels/a.jsonl")
  local = storage.fetch_with_companions(text)
  assert local.read_bytes() == b"one"
  assert local.with_name("a.meta.json").read_bytes() == b"{}"
  assert not local.with_name("ab.jsonl").exists()
  inode = local.stat().st_ino, local.stat().st_mtime_ns

  storage._fetch.cache_clear()  # as a new process
  assert storage.fetch_with_companions(text) == local
  assert (local.stat().st_ino, local.stat().st_mtime_ns) == inode
  put(bucket / "labels/a.jsonl", b"two")
  (bucket / "labels/a.meta.json").unlink()
  assert storage.fetch_with_companions(text).read_bytes() == b"one"
  storage._fetch.cache_clear()
  assert storage.fetch_with_companions(text).read_bytes() == b"two"
  assert not local.with_name("a.meta.json").exists()


def test_a_directory_is_copied_with_all_below_it(bucket):
  put(bucket / "data/c/1.0.0/metadata.json", b"{}")
  put(bucket / "data/c/1.0.0/deep/x", b"1")
  put(bucket / "data/cc/y", b"2")
  local = storage.fetch(f"{bucket}/data/c")
  names = sorted(
    path.relative_to(local).as_posix()
    for path in local.rglob("*")
    if path.is_file()
  )
  assert names == ["1.0.0/deep/x", "1.0.0/metadata.json"]


def test_a_copy_that_was_killed_is_made_again(bucket):
  put(bucket / "d/a", b"whole")
  local = storage.fetch(f"{bucket}/d")
  (local / "a").write_bytes(b"wh")
  for record in local.parent.glob("*.fetched.json"):
    record.unlink()
  storage._fetch.cache_clear()
  assert (storage.fetch(f"{bucket}/d") / "a").read_bytes() == b"whole"


def test_what_is_not_there_does_not_exist(bucket):
  assert not storage.fetch(f"{bucket}/none").exists()
  assert not storage.fetch_with_companions(f"{bucket}/no/file.json").exists()


def test_a_bucket_that_is_not_there_is_one_sentence(bucket):
  missing = storage.user_path("gs://no-such-bucket-of-ours/run")
  with pytest.raises(InputError, match="gs://no-such-bucket-of-ours/run: expe"):
    storage.reach(missing)
  storage.reach(bucket / "run")  # is there, though the directory is not


def test_a_file_is_whole_or_absent(bucket):
  file = bucket / "x/y.bin"
  with pytest.raises(ZeroDivisionError), files.open_atomically(file) as draft:
    draft.write(b"half")
    raise ZeroDivisionError
  assert not file.exists()
  files.write_atomically(file, b"whole")
  assert file.read_bytes() == b"whole"
  assert files.hash_file(file) == hashlib.sha256(b"whole").hexdigest()


def test_only_one_of_many_makes_an_object(bucket):
  made = []

  def make(number: int) -> None:
    try:
      storage.write_object(bucket / "lock", b"%d" % number, create=True)
      made.append(number)
    except FileExistsError:
      pass

  threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(made) == 1
  assert (bucket / "lock").read_bytes() == b"%d" % made[0]


def test_moving_leaves_a_whole_directory_at_every_moment(bucket, monkeypatch):
  """The manifest comes last in the copy and goes first in the original."""
  for name in ("manifest", "a", "z/b"):
    put(bucket / "step" / name, name.encode())
  seen = []
  copy, remove = bucket.fs.cp_file, bucket.fs.rm
  monkeypatch.setattr(
    bucket.fs, "cp_file", lambda a, b: (seen.append(f"+{b}"), copy(a, b))
  )
  monkeypatch.setattr(
    bucket.fs, "rm", lambda a, **k: (seen.append(f"-{a}"), remove(a, **k))
  )
  target = storage.move_tree(bucket / "step", bucket / "old", "manifest")
  assert [each.rpartition("/")[2] for each in seen if each[0] == "+"][-1] == (
    "manifest"
  )
  assert not (bucket / "step").exists()
  assert (target / "z/b").read_bytes() == b"z/b"
  assert (target / "manifest").read_bytes() == b"manifest"


def test_a_package_is_uploaded_with_its_manifest_last(bucket, tmp_path):
  (tmp_path / "deep").mkdir()
  (tmp_path / "a.json").write_text("manifest")
  (tmp_path / "deep/z").write_text("z")
  storage.upload_tree(tmp_path, bucket / "p", "a.json")
  times = {
    name: bucket.fs.info((bucket / "p" / name).path)["generation"]
    for name in ("a.json", "deep/z")
  }
  assert int(times["a.json"]) > int(times["deep/z"])


@pytest.mark.parametrize("text", ["ftp://a/b", "gs://", "hdfs://x", "s3:///"])
def test_other_addresses_are_refused(text):
  with pytest.raises(InputError, match="expected a local path, gs://"):
    storage.user_path(text)


def test_local_paths_are_those_of_pathlib(tmp_path, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  assert storage.user_path("~/runs") == tmp_path / "runs"
  assert storage.user_path("runs/a") == pathlib.Path("runs/a")
  assert storage.fetch("~/data") == tmp_path / "data"
  with pytest.raises(InputError, match="found 'gs://bucket/clips.jsonl'"):
    storage.local_path("gs://bucket/clips.jsonl")


def test_what_reads_buckets_is_named_where_it_is_missing(monkeypatch):
  import sys

  monkeypatch.setitem(sys.modules, "gcsfs", None)
  with pytest.raises(InputError, match=r"'unimse_jax\[gcs\]'"):
    storage.user_path("gs://bucket/run")


def test_json_of_a_bucket_is_read_like_any(bucket):
  put(bucket / "a.json", json.dumps({"a": 1}).encode())
  assert files.read_json(bucket / "a.json") == {"a": 1}
  with pytest.raises(InputError, match=r"expected JSON in gs://.*none that"):
    files.read_json(bucket / "b.json")
