"""Tests of what a pickle may not do: pointers, endless or giant values."""

import io
import pickle
import struct

import numpy as np
import pytest

from feature_export.corpora import pickle_extent, pickle_machine
from feature_export.corpora.pickle_machine import PickleMachine
from feature_export.corpora.pickle_values import BadPickle, RefusedName

_HEAD = b"\x80\x02"


def _run(content: bytes) -> object:
  return PickleMachine(io.BytesIO(content), len(content)).run()


def _dtype(code: bytes, state: bytes = b"") -> bytes:
  """Instructions that make a dtype; `state` are those of its state's items."""
  made = b"cnumpy\ndtype\n(U%c%sK\x00K\x01tR" % (len(code), code)
  return made + (b"(" + state + b"tb" if state else b"")


def _state(order=b"<", size=-1, alignment=-1, flags=0, fields=b"NNN") -> bytes:
  numbers = b"".join(
    b"J" + struct.pack("<i", each) for each in (size, alignment, flags)
  )
  return b"K\x03U\x01" + order + fields + numbers


def _array(dtype: bytes, data: bytes, shape: bytes = b"K\x01\x85") -> bytes:
  return (
    b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
    b"\x87R(K\x01" + shape + dtype + b"\x89" + data + b"tb"
  )


def _bytes(content: bytes) -> bytes:
  return b"B" + struct.pack("<I", len(content)) + content


_EIGHT = _bytes(b"A" * 8)
_PLAIN = _dtype(b"f8", _state())


def test_the_form_that_numpy_writes_is_an_array():
  made = _run(_HEAD + _array(_PLAIN, _bytes(np.float64(2.5).tobytes())) + b".")
  np.testing.assert_array_equal(made, [2.5])
  assert not made.flags.writeable


@pytest.mark.parametrize(
  "dtype",
  [
    # The object flag cleared: eight bytes of the file would be a pointer.
    pytest.param(_dtype(b"O8", _state(b"|", flags=0)), id="no object flag"),
    pytest.param(_dtype(b"O8", _state(b"|", 8, 8, 0)), id="sized object"),
    pytest.param(_dtype(b"f8", _state(flags=63)), id="object flag on f8"),
    pytest.param(_dtype(b"U2", _state(size=800, alignment=4, flags=8)), id="U"),
    pytest.param(_dtype(b"S2", _state(b"|", 10**6, 1)), id="S"),
    pytest.param(_dtype(b"f8", _state(fields=b"N)N")), id="names"),
    pytest.param(_dtype(b"f8", _state(fields=b"NN}")), id="fields"),
    pytest.param(_dtype(b"f8", _state(fields=b"\x88NN")), id="subarray"),
    pytest.param(_dtype(b"f8", _state(b"!")), id="order"),
    pytest.param(_dtype(b"f8", _state()) + b"(" + _state() + b"tb", id="twice"),
    pytest.param(_dtype(b"f8", b"K\x03"), id="short"),
    pytest.param(_dtype(b"f8"), id="none"),
    pytest.param(_dtype(b"V8", _state(b"|")), id="void"),
    pytest.param(_dtype(b"M8[s]", _state()), id="time"),
    pytest.param(_dtype(b"f8,f8", _state()), id="record"),
    pytest.param(_dtype(b"S99999999999", _state()), id="long text"),
    pytest.param(b"cnumpy\ndtype\n(}K\x00K\x01tR", id="dict"),
  ],
)
def test_no_state_of_the_file_reaches_a_dtype(dtype):
  with pytest.raises(BadPickle):
    _run(_HEAD + _array(dtype, _EIGHT) + b".")


@pytest.mark.parametrize(
  ("shape", "data"),
  [
    (b"K\x02\x85", _EIGHT),  # beyond the data
    (b"K\x00\x85", _EIGHT),  # not all of them
    (b"J\xff\xff\xff\xff\x85", _EIGHT),  # negative
    (b"K\x01", _EIGHT),  # no tuple
    (b"\x88\x85", _EIGHT),  # True
    (b"G" + struct.pack(">d", 1) + b"\x85", _EIGHT),
    (b"(" + b"K\x01" * 65 + b"t", _EIGHT),  # more sides than NumPy has
    (b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", _EIGHT),
    (b"K\x00J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", _bytes(b"")),  # absurd
    (b"K\x01\x85", b"]"),  # no bytes
    (b"K\x01\x85", b"X\x08\x00\x00\x00" + "\u20ac\u20ac  ".encode()),
  ],
)
def test_sizes_are_checked_against_the_bytes_at_hand(shape, data):
  with pytest.raises(BadPickle):
    _run(_HEAD + _array(_PLAIN, data, shape) + b".")


def test_texts_and_truth_values_have_legal_content():
  text = _dtype(b"U1", _state(size=4, alignment=4, flags=8))
  with pytest.raises(BadPickle, match="beyond Unicode"):
    _run(_HEAD + _array(text, _bytes(b"\xff" * 4)) + b".")
  truth = _dtype(b"b1", _state(b"|"))
  with pytest.raises(BadPickle, match="neither 0 nor 1"):
    _run(_HEAD + _array(truth, _bytes(b"\x07")) + b".")


@pytest.mark.parametrize("count", [0, 2, 10**6])
def test_empty_texts_take_no_memory(count):
  """NumPy reserves a character for each, of which the file has none."""
  shape = b"J" + struct.pack("<i", count) + b"\x85"
  dtype = _dtype(b"S0", _state(b"|", 0, 1))
  content = _HEAD + _array(dtype, _bytes(b""), shape) + b"."
  if count:
    with pytest.raises(BadPickle, match="absurd shape"):
      _run(content)
  else:
    assert _run(content).shape == (0,)


@pytest.mark.parametrize(
  "content",
  [
    b"cbuiltins\nset\n.",
    b"cnumpy\nndarray\n]R.",
    b"]cbuiltins\nset\na.",  # in a list
    b"}K\x01cbuiltins\nset\ns.",
    b"cbuiltins\nset\n\x85.",  # in a tuple
    b"]" + _PLAIN + b"a.",
    b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
    b"\x87R.",  # unfinished
  ],
)
def test_names_and_unfinished_things_are_no_values(content):
  with pytest.raises(BadPickle):
    _run(_HEAD + content)


@pytest.mark.parametrize(
  "content",
  [
    b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # 2 GiB of zeros
    b"cbuiltins\nbytes\nK\x05\x85R.",
    b"cbuiltins\nset\nK\x05\x85R.",
    b"cbuiltins\ncomplex\nX\x01\x00\x00\x001\x85R.",
    b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00rot\x86R.",
    b"]K\x01\x85R.",  # a list is called
    b"]}b.",  # a list gets a state
  ],
)
def test_calls_have_the_arguments_that_pickles_write(content):
  with pytest.raises(BadPickle):
    _run(_HEAD + content)


@pytest.mark.parametrize(
  "content",
  [
    b"(ios\nsystem\n.",  # INST
    b"(cbuiltins\nset\no.",  # OBJ
    b"cbuiltins\nset\n)\x81.",  # NEWOBJ
    b"Pname\n.",  # a persistent id
    b"\x82\x01.",  # an extension
    b"\x97.",  # a buffer outside of the file
    b"\x80\x06N.",
    b"N",
    b".",
    b"(.",
    b"t.",
    b"a.",
    b"h\x07.",
    b"\xff.",
  ],
)
def test_other_instructions_are_refused(content):
  with pytest.raises((BadPickle, RefusedName)):
    _run(_HEAD + content)


@pytest.mark.parametrize(
  "content",
  [
    b"B\xff\xff\xff\xff.",
    b"\x8e" + b"\xff" * 7 + b"\x7f.",
    b"\x8d" + b"\xff" * 8 + b".",
    b"\x95" + b"\xff" * 8 + b"N.",
    b"T\xff\xff\xff\xff.",
    b"\x8b\xff\xff\xff\x7f.",
    b"\x8a\x20" + b"\x01" * 32 + b".",
    b"I" + b"9" * 5000 + b"\n.",
    b"L" + b"9" * 60 + b"L\n.",
    b"F" + b"9" * 500 + b"\n.",
  ],
)
def test_lengths_and_numbers_have_bounds(content):
  with pytest.raises(BadPickle):
    _run(_HEAD + content)


def test_a_high_key_of_the_memo_reserves_nothing():
  """Python's own reader makes room for all keys below."""
  assert _run(_HEAD + b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.") is None


def test_sharing_is_counted_as_a_reader_meets_it():
  doubled = b")" + b"2\x86" * 60 + b"."
  with pytest.raises(BadPickle, match=r"by sharing|deep"):
    _run(_HEAD + doubled)
  as_key = b"}" + b")" + b"2\x86" * 60 + b"Ns."
  with pytest.raises(BadPickle, match="keys"):
    _run(_HEAD + as_key)
  lists = b"]" + b"q\x002\x86\x85]q\x01h\x00a0" * 3 + b"."
  assert _run(_HEAD + lists)


def test_what_real_files_share_is_read(tmp_path):
  shared = np.arange(3.0)
  words = ["so", "what"]
  content = {"a": [shared, words], "b": [shared, words] * 50}
  made = _run(pickle.dumps(content, 4))
  assert made["a"][1] == words
  assert made["b"][98] is made["a"][0]


@pytest.mark.parametrize("nesting", [b"\x85", b"q\x00]h\x00a", b"}K\x01K\x02s"])
def test_depth_has_a_bound(nesting):
  """Python's own hash and comparison of nested tuples overflow the stack."""
  if nesting == b"\x85":
    content = b")" + nesting * 10_000
  elif nesting.startswith(b"q"):
    # Lists: each one new, the last one inside it.
    content = b"]" + b"".join(
      b"r" + struct.pack("<I", n) + b"0]j" + struct.pack("<I", n) + b"a"
      for n in range(10_000)
    )
  else:
    content = b"(" * 10_000 + b"N" + b"l" * 10_000
  with pytest.raises(BadPickle, match="deep"):
    _run(_HEAD + content + b".")


def test_a_container_inside_itself_is_refused():
  with pytest.raises(BadPickle, match="inside itself"):
    _run(_HEAD + b"]q\x00h\x00a.")
  with pytest.raises(BadPickle, match="inside itself"):
    _run(_HEAD + b"]q\x00h\x00\x85a.")


def test_elements_and_objects_have_bounds(monkeypatch):
  monkeypatch.setattr(pickle_extent, "_MOST_ELEMENTS", 1000)
  wide = b"(" + b"N" * 100 + b"tq\x00(" + b"h\x00" * 20 + b"t."
  with pytest.raises(BadPickle, match="by sharing"):
    _run(_HEAD + wide)
  monkeypatch.setattr(pickle_machine, "_MOST_OBJECTS", 1000)
  with pytest.raises(BadPickle, match="containers"):
    _run(_HEAD + b"]" * 1001 + b".")
  with pytest.raises(BadPickle, match="containers"):
    _run(_HEAD + b"N" + b"\x94" * 1001 + b".")
