"""Tests of the unpickler that knows plain data only."""

import os
import pickle

import numpy as np
import pytest

from feature_export.corpora.pickles import load_pickle, to_text
from feature_export.errors import InputError


class _Call:
  """Pickles as a call of any function."""

  def __init__(self, function, *arguments):
    self._call = (function, arguments)

  def __reduce__(self):
    return self._call


def _named(module: str, name: str, argument: str) -> bytes:
  """A protocol 0 pickle of module.name(argument)."""
  return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


@pytest.mark.parametrize(
  ("module", "name"),
  [
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "check_call"),
    *(("builtins", each) for each in ("eval", "exec", "getattr", "open")),
    ("__builtin__", "eval"),
    ("__builtin__", "__import__"),
    ("numpy", "load"),
    ("numpy", "memmap"),
    ("numpy", "f2py"),
    ("numpy.f2py", "compile"),
    ("numpy.testing", "rundocs"),
    ("numpy.core.numeric", "load"),
    ("collections", "OrderedDict"),
  ],
)
def test_other_names_are_refused_unrun(tmp_path, module, name):
  path, trace = tmp_path / "bad.pkl", tmp_path / "trace"
  path.write_bytes(_named(module, name, f"touch {trace}"))
  with pytest.raises(InputError, match=f"the name {module}.{name},"):
    load_pickle(path)
  assert not trace.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_calls_inside_data_are_refused_unrun(tmp_path, protocol):
  path, trace = tmp_path / "bad.pkl", tmp_path / "trace"
  content = {"audio": np.ones(3), "x": _Call(os.system, f"touch {trace}")}
  path.write_bytes(pickle.dumps(content, protocol))
  with pytest.raises(InputError, match="system"):
    load_pickle(path)
  assert not trace.exists()


def test_dotted_names_do_not_reach_through_a_known_one(tmp_path):
  path = tmp_path / "bad.pkl"
  # STACK_GLOBAL resolves dots: numpy . "dtype.__class__" would be a type.
  path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.")
  with pytest.raises(InputError, match="numpy.dtype.__class__"):
    load_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_comes_back(tmp_path, protocol):
  content = {
    "floats": np.arange(6.0).reshape(2, 3),
    "halves": np.ones((2, 2), np.float16, order="F"),
    "bytes": np.array([b"a_1", b"b_2"]),
    "objects": np.array(["x", None], object),
    "scalar": np.float32(0.5),
    "plain": [b"\xff", "\u00e9", {1, 2}, None, 1.5],
  }
  path = tmp_path / "good.pkl"
  path.write_bytes(pickle.dumps(content, protocol))
  found = load_pickle(path)
  for name in ("floats", "halves", "bytes", "objects"):
    np.testing.assert_array_equal(found[name], content[name])
    assert found[name].dtype == content[name].dtype
  assert found["scalar"] == content["scalar"]
  assert found["plain"] == content["plain"]


@pytest.mark.parametrize("core", ["core", "_core"])
def test_python_2_and_both_paths_of_numpy(tmp_path, core):
  """Strings as Python 2 wrote them, under the old and the new module."""
  data = np.array([1.0, 2.0], "<f8").tobytes()
  content = (
    b"\x80\x02cnumpy.%s.multiarray\n_reconstruct\n"
    b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    b"\x89U\x10%stb." % (core.encode(), data)
  )
  path = tmp_path / "old.pkl"
  path.write_bytes(content)
  np.testing.assert_array_equal(load_pickle(path), [1.0, 2.0])


def test_texts_of_every_kind():
  assert to_text(b"vid_1 ") == "vid_1"
  assert to_text(np.array(["so", "what"])) == "so what"
  assert to_text(["so", b"what"]) == "so what"
  # UTF-8 bytes of Python 2, read as Latin-1.
  assert to_text("d\u00e9j\u00e0".encode().decode("latin1")) == "d\u00e9j\u00e0"
  assert to_text("d\u00e9j\u00e0 \u2019") == "d\u00e9j\u00e0 \u2019"


@pytest.mark.parametrize(
  ("content", "fault"),
  [
    (b"", "is empty"),
    (b"PK\x03\x04 a zip file", "truncated or damaged"),
    (pickle.dumps(np.arange(1000.0))[:-500], "truncated or damaged"),
    (b"\x80\x04", "truncated or damaged"),
    (b"<html>Not found</html>", "truncated or damaged"),
  ],
)
def test_damaged_files_give_one_clear_error(tmp_path, content, fault):
  path = tmp_path / "damaged.pkl"
  path.write_bytes(content)
  with pytest.raises(InputError, match=fault):
    load_pickle(path)
  with pytest.raises(InputError, match="No pickle at"):
    load_pickle(tmp_path / "gone.pkl")
