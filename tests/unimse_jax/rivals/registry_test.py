"""Options of a system are read by the fields of its module."""

import pytest

from unimse_jax.errors import InputError
from unimse_jax.rivals import registry


def test_options_have_the_types_of_the_fields():
  assert registry.read_options("lmf", ("rank=8",)) == (("rank", 8),)
  assert registry.read_options("mag", ("shift=0.5",)) == (("shift", 0.5),)
  found = registry.read_options("dialogue_gcn", ("past=0", "layers=1"))
  assert found == (("layers", 1), ("past", 0))
  module = registry.make("lmf", 8, 0.1, (("rank", 8),))
  assert (module.width, module.rank) == (8, 8)


@pytest.mark.parametrize(
  ("name", "text", "message"),
  [
    ("lmf", "rank=four", "expected int, found 'rank=four'"),
    ("lmf", "rank=0", "expected at least 1, found 'rank=0'"),
    ("lmf", "rank", "expected int, found 'rank'"),
    ("lmf", "width=8", "lmf has the options rank; found 'width=8'"),
    ("mag", "shift=nan", "expected at least 0, found 'shift=nan'"),
    ("dialogue_gcn", "past=-1", "expected at least 0, found 'past=-1'"),
    ("early_fusion", "rank=4", "the options none; found 'rank=4'"),
    ("unknown", "rank=4", "expected one of early_fusion, tfn"),
  ],
)
def test_others_are_refused(name, text, message):
  with pytest.raises(InputError, match=message):
    registry.read_options(name, (text,))
