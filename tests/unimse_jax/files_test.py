"""A file is the old one or the new one, never half; JSON is JSON or refused."""

from typing import NotRequired

import pytest
from typing_extensions import TypedDict

from unimse_jax import files
from unimse_jax.errors import InputError


def test_write_atomically_replaces_and_leaves_no_draft(tmp_path):
  path = tmp_path / "x.json"
  files.write_atomically(path, b"one")
  files.write_atomically(path, b"two")
  assert path.read_bytes() == b"two"
  assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_write_atomically_keeps_the_old_file_when_it_fails(
  tmp_path, monkeypatch
):
  path = tmp_path / "x.json"
  files.write_atomically(path, b"one")

  def fail(descriptor):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(files.os, "fsync", fail)
  with pytest.raises(OSError, match="No space"):
    files.write_atomically(path, b"two")
  assert path.read_bytes() == b"one"
  assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_every_encoding_that_json_may_have(tmp_path, encoding):
  path = tmp_path / "x.json"
  path.write_bytes('{"a": [1, 2.5, "\u00e9"]}'.encode(encoding))
  assert files.read_json(path) == {"a": [1, 2.5, "\u00e9"]}


@pytest.mark.parametrize(
  ("content", "expected"),
  [
    (b" \n", "an empty file"),
    (b'{"a": 1', "Expecting"),
    (b"\xff\xfe\xff", "found none"),
    (b"[" * 10**5, "nested too deeply"),
    (b"1" * 5000, "a number of 5000 digits"),
    (b'[{"a": 1, "b": 2, "a": 1}]', "the key 'a' stands twice"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
  ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path, content, expected):
  path = tmp_path / "x.json"
  path.write_bytes(content)
  with pytest.raises(InputError, match=expected) as caught:
    files.read_json(path)
  assert str(path) in str(caught.value)
  assert "\n" not in str(caught.value)


def test_json_that_is_missing_is_told(tmp_path):
  with pytest.raises(InputError, match="No such file"):
    files.read_json(tmp_path / "x.json")
  with pytest.raises(InputError, match="Is a directory"):
    files.read_json(tmp_path)


class _Shape(TypedDict):
  width: int
  names: NotRequired[dict[str, str | None]]


def test_json_of_the_kind_is_read_with_all_its_keys(tmp_path):
  path = tmp_path / "x.json"
  path.write_text('{"width": 3, "names": {"a": null}, "more": [1]}')
  expected = {"width": 3, "names": {"a": None}, "more": [1]}
  assert files.read_json(path, kind=_Shape) == expected


@pytest.mark.parametrize(
  ("content", "faults"),
  [
    ("[]", ["at the top: ", "found []"]),
    ("null", ["at the top: ", "found None"]),
    ("{}", ["width: field required"]),
    (
      '{"width": true, "names": {"a": 1}}',
      ["width: ", "valid integer, found True", "names.a: ", "found 1"],
    ),
    ('{"width": "' + "x" * 1000 + '"}', ["width: ", "..."]),
  ],
)
def test_json_of_another_kind_is_told_with_every_fault(
  tmp_path, content, faults
):
  path = tmp_path / "x.json"
  path.write_text(content)
  with pytest.raises(InputError, match="found other content: ") as caught:
    files.read_json(path, kind=_Shape)
  message = str(caught.value)
  assert [each for each in [*faults, str(path)] if each not in message] == []
  assert "\n" not in message
  assert len(message) < 400
