"""The gaps that tests/benchmarks/span_corruption.py makes."""

import numpy as np

from tests.benchmarks import span_corruption
from tests.benchmarks.span_corruption import LENGTH, LOST, SPANS
from unimse_jax.data.tokenizer import EOS, PAD


def test_corrupt_is_figure_2_of_raffel_et_al():
  """Thank you <X> me to your party <Y> week | <X> for inviting <Y> last <Z>"""
  thank, you, inviting, me, to, your, party, last, week = range(3, 12)
  for_ = 12
  text = [thank, you, for_, inviting, me, to, your, party, last, week]
  x, y, z = 19, 18, 17
  inputs, targets = span_corruption.corrupt(
    text, [range(2, 4), range(8, 9)], 20
  )
  assert inputs == [thank, you, x, me, to, your, party, y, week, EOS]
  assert targets == [x, for_, inviting, y, last, z, EOS]


def test_spans_are_apart_and_lose_the_share():
  rng = np.random.default_rng(0)
  firsts, sizes = set(), set()
  for _ in range(300):
    spans = span_corruption.draw_spans(rng)
    assert len(spans) == SPANS == 3
    assert sum(map(len, spans)) == LOST == 10
    ends = [0, *(each.stop for each in spans)]
    assert all(each.start > end for each, end in zip(spans, ends, strict=False))
    assert ends[-1] <= LENGTH
    firsts.add(spans[0].start)
    sizes |= set(map(len, spans))
  assert min(firsts) == 1 and len(firsts) > 30
  assert sizes == set(range(1, LOST - 1))  # 1 to 8, the others have 1 each


def test_the_decoder_reads_the_target_one_place_late():
  rows = np.arange(3, 3 + 2 * LENGTH).reshape(2, LENGTH)
  batch = span_corruption.make_batch(rows, np.random.default_rng(1), 200)
  assert batch["inputs"].shape == (2, LENGTH - LOST + SPANS + 1)
  assert batch["targets"].shape == (2, LOST + SPANS + 2)
  assert (batch["decoder_inputs"][:, 0] == PAD).all()
  np.testing.assert_array_equal(
    batch["decoder_inputs"][:, 1:], batch["targets"][:, :-1]
  )
