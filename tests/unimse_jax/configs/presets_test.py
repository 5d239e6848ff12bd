"""The presets change exactly what docs/decisions.md says that they change."""

import importlib

from configs import base

_PAPER = {
  "name",
  "text.prefix",  # D17
  "text.turn_separator",  # D19
  "text.speakers",  # D20
  "text.lowercase",  # D21
  "label.fields",  # D22
  "decoding.constrained",  # D26
  "decoding.consistent",  # D26
  "decoding.intensity",  # D26
  "label.snap",  # D24
  "data.long_clips",  # D41
}
_AUTHORS = {
  "name",
  "text.same_speaker",  # D18
  "text.marking",  # D19
  "text.turn_separator",  # D19
  "text.speaker_end",  # D20
  "label.separator",  # D23
  "label.numbers",  # D24
  "decoding.max_new_tokens",  # D25
  "decoding.constrained",  # D26
  "decoding.consistent",  # D26
  "decoding.intensity",  # D26
  "label.snap",  # D24
  "train.batch_size",  # D29
  "train.selection",  # D33
  "data.labels",  # D34
  "data.donors",  # D34
  "data.donor_classes",  # D37
  "data.long_clips",  # D41
}
# The sections of the text and training decisions, D17 to D43; the network and
# its losses (D1 to D16, D27, D28) are tested beside them.
_SECTIONS = ("name", "seed", "text", "label", "tokenizer", "data", "train")
_SECTIONS += ("decoding", "t5", "parallel")


def changed(name: str) -> set[str]:
  """The fields of these sections in which a config differs from base."""

  def flat(values: dict) -> dict:
    found = {}
    for section in _SECTIONS:
      value = values[section]
      fields = value.items() if isinstance(value, dict) else [("", value)]
      found |= {f"{section}.{key}".rstrip("."): each for key, each in fields}
    return found

  config = importlib.import_module(f"configs.{name}").get_config()
  ours, theirs = flat(base.get_config().to_dict()), flat(config.to_dict())
  assert set(ours) == set(theirs)
  return {path for path, value in theirs.items() if value != ours[path]}


def test_paper_changes_what_the_text_says():
  assert changed("paper") == _PAPER


def test_authors_changes_what_the_code_does():
  assert changed("authors") == _AUTHORS
