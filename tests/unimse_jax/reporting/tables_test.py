"""Tables show fractions as percentages, beside the constant predictor."""

from unimse_jax.reporting import tables

_EMOTION = {
  "acc": 0.5,
  "wf1": 0.4567,
  "macro_f1": 0.25,
  "n_emotion": 8,
  "malformed": 1,
  "per_class": {"joy": {}, "anger": {}},
  "constant_emotion": {"acc": 0.25, "wf1": 0.1, "macro_f1": 0.2},
}


def test_a_block_has_aligned_columns():
  block = tables.Block("title", (("", "A"), ("model", "1.0"), ("x", "10.25")))
  assert block.text() == "title\n             A\n  model    1.0\n  x      10.25"


def test_emotions_are_percentages_with_n_and_constant():
  (block,) = tables.corpus_blocks("meld", "test", _EMOTION)
  assert block.title == "meld, test: emotion (2 classes), N = 8, malformed 1"
  assert block.rows[1] == ("model", "50.00", "45.67", "25.00")
  assert block.rows[2] == ("always train majority", "25.00", "10.00", "20.00")


def test_meld_without_neutral_stands_beside_all_seven_classes():
  six = {"acc": 0.4, "wf1": 0.3, "macro_f1": 0.2, "n": 5}
  six["constant_emotion"] = {"acc": 0.3, "wf1": 0.15, "macro_f1": 0.1}
  _, block = tables.corpus_blocks(
    "meld", "test", _EMOTION | {"six_classes": six}
  )
  assert [row[:2] for row in block.rows[1:]] == [
    ("7 classes, N = 8", "50.00"),
    ("always train majority", "25.00"),
    ("6 classes, N = 5", "40.00"),
    ("always train majority of the 6", "30.00"),
  ]


def test_intensities_keep_the_scale_and_show_no_number_for_none():
  scores = dict.fromkeys(
    ("acc7", "acc5", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0"), 0.5
  )
  scores |= {"mae": 0.691, "corr": 0.8, "n_intensity": 686, "n_non0": 656}
  scores["malformed"] = 0
  scores["constant_sentiment"] = {**scores, "corr": None}
  (block,) = tables.corpus_blocks("mosi", "test", scores)
  assert "N = 686 (656 non-zero)" in block.title
  assert block.rows[1][1:4] == ("0.691", "0.800", "50.00")
  assert block.rows[2][2] == "-"


def test_a_corpus_with_both_has_two_blocks_and_the_results_a_last_line():
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
  text = tables.results_table(results, "test")
  assert text.endswith(
    "decoded 8 utterances: 0 malformed (1, 12.50 %, without the grammar), "
    "3 distinct outputs\ncollapse: meld, emotion"
  )
  text = tables.results_table(results | {"test_openings": 2}, "test")
  assert text.endswith("emotion\n\nTest split opened: 2 time(s)")
