"""Tests of tables for the terminal."""

from feature_export.text_table import format_table


def test_the_first_column_is_left_aligned_and_the_others_right():
  table = format_table(("corpus", "clips"), [("mosi", 2199), ("m", 5)])
  assert table.splitlines() == [
    "corpus  clips",
    "mosi     2199",
    "m           5",
  ]
