"""Tables show fractions as percentages, beside the constant predictor."""

from unimse_jax.reporting import score_tables

_EMOTION = {
  "acc": 0.5,
  "wf1": 0.4567,
  "macro_f1": 0.25,
  "n_emotion": 8,
  "malformed": 1,
  "per_class": {"joy": {}, "anger": {}},
  "constant_emotion": {"acc": 0.25, "wf1": 0.1, "macro_f1": 0.2},
}


def _columns(table):
  """heading -> the cells below it."""
  return {head: cells for head, *cells in zip(*table.rows, strict=True)}


def test_emotions_are_percentages_with_n_and_constant():
  (table,) = score_tables.corpus_tables("meld", "validation", _EMOTION)
  assert table.title == (
    "meld, validation: emotion (2 classes), N = 8, malformed 1"
  )
  assert _columns(table) == {
    "": ["ACC", "WF1", "macro F1"],
    "model": ["50.00", "45.67", "25.00"],
    "always train majority": ["25.00", "10.00", "20.00"],
  }


def test_an_interval_is_one_cell_and_its_heading_says_what_was_drawn():
  intervals = {"acc": [0.25, 0.75], "wf1": [0.2, 0.7], "macro_f1": [None, None]}
  resampled = {"emotion": {"unit": "dialogue", "groups": 5}}
  scores = _EMOTION | {"intervals": intervals, "resampled": resampled}
  (table,) = score_tables.corpus_tables("mine", "test", scores)
  assert list(_columns(table)) == [
    *("", "model", "95 % interval over 5 dialogues", "always train majority")
  ]
  assert _columns(table)["95 % interval over 5 dialogues"] == [
    *("25.00 to 75.00", "20.00 to 70.00", "-")
  ]
  # An older version drew utterances and did not say so.
  (table,) = score_tables.corpus_tables(
    "mine", "test", _EMOTION | {"intervals": intervals}
  )
  assert "95 % interval over single utterances" in _columns(table)


def test_the_papers_scores_stand_beside_its_corpora_alone():
  (table,) = score_tables.corpus_tables("meld", "test", _EMOTION)
  assert _columns(table)["UniMSE (paper), N = 2610"] == ["65.09", "65.51", "-"]
  for name, split in (("demo_meld", "test"), ("meld", "validation")):
    (table,) = score_tables.corpus_tables(name, split, _EMOTION)
    assert not any("paper" in heading for heading in _columns(table))


def test_meld_without_neutral_stands_beside_all_seven_classes():
  six = {"acc": 0.4, "wf1": 0.3, "macro_f1": 0.2, "n": 5}
  six["constant_emotion"] = {"acc": 0.3, "wf1": 0.15, "macro_f1": 0.1}
  _, table = score_tables.corpus_tables(
    "meld", "test", _EMOTION | {"six_classes": six}
  )
  assert {head: cells[0] for head, cells in _columns(table).items()} == {
    "": "ACC",
    "7 classes, N = 8": "50.00",
    "always train majority": "25.00",
    "6 classes, N = 5": "40.00",
    "always train majority of the 6": "30.00",
  }


def test_intensities_keep_the_scale_and_show_no_number_for_none():
  scores = dict.fromkeys(
    ("acc7", "acc5", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0"), 0.5
  )
  scores |= {"mae": 0.691, "corr": 0.8, "n_intensity": 686, "n_non0": 656}
  scores["malformed"] = 0
  scores["constant_sentiment"] = {**scores, "corr": None}
  (table,) = score_tables.corpus_tables("mosi", "test", scores)
  assert "N = 686 (656 non-zero)" in table.title
  columns = _columns(table)
  assert columns["model"][:3] == ["0.691", "0.800", "50.00"]
  assert columns["always train median"][1] == "-"
  assert columns["UniMSE (paper), N = 686"] == [
    *(".691", ".809", "48.68", "-", "85.85", "86.9", "85.83", "86.42")
  ]


def test_the_results_end_with_what_was_decoded_and_how_often_test_was_scored():
  results = {
    "corpora": {"meld": _EMOTION},
    "decoding": {
      "n": 8,
      "malformed": 1,
      "malformed_rate": 0.125,
      "malformed_outputs": 0,
      "distinct_outputs": 3,
      "collapse": {"warnings": ["collapse: meld, emotion"]},
    },
  }
  text = score_tables.results_text(results, "test")
  assert text.endswith(
    "decoded 8 utterances: 0 malformed (1, 12.50 %, without the grammar), "
    "3 distinct outputs\ncollapse: meld, emotion"
  )
  text = score_tables.results_text(results | {"test_openings": 1}, "test")
  assert text.endswith("was scored for the first time.")
  text = score_tables.results_text(results | {"test_openings": 2}, "test")
  assert text.endswith("has been scored 2 times by now.")


def test_seeds_have_mean_deviation_and_each_value():
  summary = {"wf1": {"mean": 0.5, "sd": 0.1, "values": [0.4, 0.6]}}
  seeds = {"seeds": [0, 1], "split": "test", "corpora": {"meld": summary}}
  (table,) = score_tables.seed_tables(seeds)
  assert table.title == "meld, test: 2 seed(s)"
  assert _columns(table) == {
    "": ["WF1"],
    "mean": ["50.00"],
    "standard deviation": ["10.00"],
    "seed 0": ["40.00"],
    "seed 1": ["60.00"],
  }
  assert not table.notes
  summary["wf1"]["sd"] = None
  (table,) = score_tables.seed_tables(seeds | {"reservations": ["too good"]})
  assert table.title.endswith("2 seed(s) [a]")
  assert table.notes == {"a": "too good"}
  assert _columns(table)["standard deviation"] == ["-"]


def test_differences_are_marked_where_their_interval_excludes_zero():
  differences = {
    "mosi": {"mae": [0.03, 0.01, 0.05], "acc7": [-0.01, -0.02, 0.01]},
    "meld": {"wf1": [-0.02, None, None], "acc": [None, None, None]},
  }
  resampled = {"mosi": {"intensity": {"unit": "speaker", "groups": 7}}}
  intensity, emotion = score_tables.difference_tables(
    "t", {"w/o A": (differences, resampled)}, "d", {}
  )
  assert intensity.rows[1][:4] == (
    "w/o A",
    "mosi",
    "7 speakers or videos",
    "+0.030 (+0.010 to +0.050) [a]",
  )
  assert intensity.rows[1][5] == "-1.00 (-2.00 to +1.00)"
  assert intensity.notes == {"a": "the 95 % interval excludes zero"}
  assert emotion.rows[1][2:5] == ("single utterances", "-", "-2.00")
  assert not emotion.notes
  _, emotion = score_tables.difference_tables(
    "t", {"w/o A": (differences, resampled)}, "d", {"w/o A": ["too good"]}
  )
  assert emotion.rows[1][0] == "w/o A [a]"
  assert emotion.notes == {"a": "too good"}
