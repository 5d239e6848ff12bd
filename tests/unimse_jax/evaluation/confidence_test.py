"""Bootstrap intervals: exact where they can be, right in their coverage."""

import numpy as np
import pytest
from scipy import stats

from unimse_jax.evaluation import confidence, metrics
from unimse_jax.evaluation.confidence import Groups


def _mean_of(values):
  return lambda rows: {"mean": float(np.mean(values[rows])), "n": len(rows)}


def _share_of(right):
  """Scores a bool[N] as an accuracy."""
  return lambda rows: {"acc": float(np.mean(right[rows])), "n": len(rows)}


def test_the_value_is_of_the_sample_and_counts_are_left_out():
  found = confidence.bootstrap(
    _mean_of(np.array([1.0, 2.0, 6.0])), Groups.single(3)
  )
  assert set(found) == {"mean"}
  assert found["mean"].value == 3.0
  assert 1.0 <= found["mean"].low <= 3.0 <= found["mean"].high <= 6.0


def test_resamples_that_all_agree_tell_of_no_interval():
  """As the MAE of a perfect model: zero in every resample."""
  found = confidence.bootstrap(_mean_of(np.full(9, 0.25)), Groups.single(9))
  assert found["mean"].value == 0.25
  assert np.isnan([found["mean"].low, found["mean"].high]).all()


def test_the_same_seed_gives_the_same_interval():
  values = np.random.default_rng(3).standard_normal(50)
  first, second, other = (
    confidence.bootstrap(_mean_of(values), Groups.single(50), seed=seed)
    for seed in (1, 1, 2)
  )
  assert first == second != other


def test_the_width_is_that_of_the_normal_approximation():
  values = np.random.default_rng(0).standard_normal(400)
  interval = confidence.bootstrap(_mean_of(values), Groups.single(400))["mean"]
  expected = 2 * 1.96 * values.std() / np.sqrt(400)
  # 1000 resamples know a 95 % width to about 5 %.
  assert interval.high - interval.low == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("n", [1, 43, 686])
@pytest.mark.parametrize("right", [True, False])
def test_where_all_are_right_or_wrong_the_interval_is_wilsons(n, right):
  """43 of 43 is 91.8 to 100, not 100 to 100."""
  found = confidence.bootstrap(
    _share_of(np.full(n, right)), Groups.single(n), resamples=20
  )["acc"]
  expected = stats.binomtest(n * right, n).proportion_ci(method="wilson")
  assert (found.low, found.high) == pytest.approx(
    (expected.low, expected.high), abs=1e-7
  )
  if n == 43 and right:
    assert round(100 * found.low, 1) == 91.8 and found.high == 1


def test_a_share_of_independent_utterances_has_about_wilsons_interval():
  right = np.arange(200) < 150
  found = confidence.bootstrap(_share_of(right), Groups.single(200))["acc"]
  expected = stats.binomtest(150, 200).proportion_ci(method="wilson")
  # 1000 resamples know a variance to about 5 %, so a width to half of it.
  width = expected.high - expected.low
  assert found.high - found.low == pytest.approx(width, rel=0.1)


def test_every_score_of_a_perfect_model_has_an_interval_but_the_distances():
  target = np.linspace(-3, 3, 43)
  found = confidence.bootstrap(
    lambda rows: metrics.sentiment_scores(target[rows], target[rows]),
    Groups.single(43),
  )
  for name, each in found.items():
    if name in ("mae", "corr"):
      assert np.isnan([each.low, each.high]).all()
    else:
      n = 42 if name.endswith("non0") else 43  # one target is 0
      assert each.low == pytest.approx(n / (n + 1.959964**2))
      assert each.high == each.value == 1


def test_intervals_of_alike_utterances_are_wider_over_dialogues():
  """Ten utterances a dialogue, all right or all wrong: 30 facts, not 300."""
  right = np.repeat(np.arange(30) < 20, 10)
  dialogues = [f"d{number // 10}" for number in range(300)]
  over_dialogues, over_utterances, thirty = (
    confidence.bootstrap(_share_of(values), groups)["acc"]
    for values, groups in (
      (right, Groups.of(dialogues, [""] * 300)),
      (right, Groups.single(300)),
      (right[::10], Groups.single(30)),
    )
  )
  widths = [
    each.high - each.low for each in (over_dialogues, over_utterances, thirty)
  ]
  assert widths[0] == pytest.approx(widths[2], rel=0.1)
  assert widths[0] > 2.5 * widths[1]


def test_a_resample_holds_whole_dialogues():
  groups = Groups("dialogue", np.array([2, 0, 1, 0, 2, 2]))
  members = {0: {1, 3}, 1: {2}, 2: {0, 4, 5}}
  for rows in groups.draw(0, 50):
    drawn = rows.tolist()
    assert len(drawn) >= 3
    while drawn:
      own = members[int(groups.numbers[drawn[0]])]
      assert set(drawn[: len(own)]) == own
      drawn = drawn[len(own) :]


def test_groups_are_dialogues_then_speakers_then_utterances():
  names = [f"d{number % 6}" for number in range(12)]
  none, few = [""] * 12, ["a", "b"] * 6
  assert Groups.of(names, few).describe() == {"unit": "dialogue", "groups": 6}
  assert Groups.of(none, names).describe() == {"unit": "speaker", "groups": 6}
  assert Groups.of(none, none).describe() == {
    "unit": "utterance",
    "groups": 12,
  }
  # Two actors say too little of actors; two dialogues of six speakers too.
  for pair, unit in (((none, few), "speaker"), ((few, names), "dialogue")):
    assert Groups.of(*pair).describe() == {
      "unit": "utterance",
      "groups": 12,
      "too_few": {"unit": unit, "groups": 2},
    }
  # An utterance without a dialogue is one of its own.
  mixed = [*names[:10], "", ""]
  assert Groups.of(mixed, none).describe() == {"unit": "dialogue", "groups": 8}


def _few(unit, groups):
  return {"too_few": {"unit": unit, "groups": groups}}


@pytest.mark.parametrize(
  ("description", "words"),
  [
    ({"unit": "dialogue", "groups": 31}, "31 dialogues"),
    ({"unit": "speaker", "groups": 93}, "93 speakers or videos"),
    ({"unit": "utterance", "groups": 48}, "48 single utterances"),
    (
      {"unit": "utterance", "groups": 9} | _few("speaker", 2),
      "9 single utterances of only 2 speakers or videos",
    ),
    (
      {"unit": "utterance", "groups": 1} | _few("dialogue", 1),
      "1 single utterance of only 1 dialogue",
    ),
    (None, "single utterances"),
  ],
)
def test_tables_say_what_was_drawn(description, words):
  assert confidence.in_words(description) == words


def _predictions(seed, n=40, slack=1.0):
  rng = np.random.default_rng(seed)
  target = np.clip(rng.normal(0, 1.5, n), -3, 3)
  return target + slack * rng.standard_normal(n), target


def _scipy(statistic, arrays, seed):
  found = stats.bootstrap(
    arrays,
    statistic,
    paired=True,
    vectorized=False,
    n_resamples=confidence.RESAMPLES,
    confidence_level=confidence.LEVEL,
    method="percentile",
    rng=np.random.default_rng(seed),
  )
  return tuple(found.confidence_interval)


# The same draws in the same order, so the same percentiles but for the last
# bits of sums.
_SAME = 1e-12


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("name", ["mae", "corr"])
def test_intervals_are_those_of_scipys_percentile_bootstrap(name, seed):
  predicted, target = _predictions(seed)
  found = confidence.bootstrap(
    lambda rows: metrics.sentiment_scores(predicted[rows], target[rows]),
    Groups.single(len(target)),
    seed,
  )[name]

  def statistic(p, y):
    return metrics.sentiment_scores(p, y)[name]

  expected = _scipy(statistic, (predicted, target), seed)
  assert (found.low, found.high) == pytest.approx(expected, rel=0, abs=_SAME)


def test_paired_intervals_are_those_of_scipys_paired_bootstrap():
  first, target = _predictions(1)
  second = _predictions(1, slack=1.2)[0]

  def score(predicted):
    return lambda rows: metrics.sentiment_scores(predicted[rows], target[rows])

  found = confidence.paired_bootstrap(
    score(first), score(second), Groups.single(len(target))
  )

  def statistic(p, q, y):
    return np.abs(p - y).mean() - np.abs(q - y).mean()

  expected = _scipy(statistic, (first, second, target), 0)
  interval = found["mae"]
  assert (interval.low, interval.high) == pytest.approx(
    expected, rel=0, abs=_SAME
  )


def test_an_undefined_score_has_no_interval():
  target = np.array([1.0, 2.0, 3.0])
  found = confidence.bootstrap(
    lambda rows: metrics.sentiment_scores(np.zeros(len(rows)), target[rows]),
    Groups.single(3),
  )
  assert np.isnan([found["corr"].value, found["corr"].low]).all()
  assert np.isfinite(found["mae"].high)
  assert not found["corr"].excludes_zero


def test_runs_that_agree_on_43_utterances_may_differ_on_others():
  """Their difference is 0, but not known to be: as wide as Wilson's."""
  score = _share_of(np.full(43, True))
  found = confidence.paired_bootstrap(score, score, Groups.single(43))["acc"]
  unseen = 1 - stats.binomtest(43, 43).proportion_ci(method="wilson").low
  assert found.value == 0
  assert (found.low, found.high) == pytest.approx((-unseen, unseen), abs=1e-7)
  assert not found.excludes_zero


def test_a_share_of_no_utterances_has_no_difference():
  """Where all intensities are 0, none is told as negative or positive."""
  zeros = np.zeros(9)

  def score(rows):
    return metrics.sentiment_scores(zeros[rows] + 0.5, zeros[rows])

  found = confidence.paired_bootstrap(score, score, Groups.single(9))
  assert np.isnan(found["acc2_non0"].value) and found["mae"].value == 0


def test_equal_distances_tell_of_no_interval():
  score = _mean_of(np.random.default_rng(1).standard_normal(30))
  found = confidence.paired_bootstrap(score, score, Groups.single(30))["mean"]
  assert found.value == 0 and np.isnan([found.low, found.high]).all()
  assert not found.excludes_zero


def test_pairing_sees_a_small_difference_that_two_intervals_hide():
  rng = np.random.default_rng(2)
  values = rng.standard_normal(200)
  better = values + 0.05 + 0.1 * rng.standard_normal(200)
  alone = confidence.bootstrap(_mean_of(values), Groups.single(200))["mean"]
  paired = confidence.paired_bootstrap(
    _mean_of(better), _mean_of(values), Groups.single(200)
  )["mean"]
  assert alone.high - alone.low > 0.2
  assert paired.excludes_zero
  assert paired.value == pytest.approx(0.05, abs=0.02)
