"""Emotion schemes: the classes of a corpus and the polarity of each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from feature_export.errors import InputError
from feature_export.files import parse_json
from unimse_cli.storage import user_path

POLARITIES = ("negative", "neutral", "positive")
# Slots of a universal label beside those of the schemes.
_SLOTS = ("polarity", "intensity")
_EMPTY_SLOT = "unknown"  # what a label's text has where a slot is empty


@dataclass(frozen=True)
class EmotionScheme:
  """A closed list of emotion classes.

  Attributes:
    name: key of this scheme's slot in a universal label.
    classes: class words, in the order of the published tables.
    polarity: class -> "negative", "neutral" or "positive"; "": the class alone
      does not decide it.
  """

  name: str
  classes: tuple[str, ...]
  polarity: dict[str, str]


def _scheme(name: str, polarity: Mapping[str, str]) -> EmotionScheme:
  return EmotionScheme(name, tuple(polarity), dict(polarity))


# Surprise is split by the gold Sentiment column, about half and half.
MELD = _scheme(
  "meld",
  {
    "neutral": "neutral",
    "surprise": "",
    "fear": "negative",
    "sadness": "negative",
    "joy": "positive",
    "disgust": "negative",
    "anger": "negative",
  },
)

# IEMOCAP's codes hap, sad, neu, fru, ang, exc in the words of the universal
# label, so that the classes it shares with MELD are the same strings.
IEMOCAP = _scheme(
  "iemocap",
  {
    "neutral": "neutral",
    "frustrated": "negative",
    "anger": "negative",
    "sadness": "negative",
    "joy": "positive",
    "excited": "positive",
  },
)

# All classes that the raters agreed on. Surprise and other take their polarity
# from the rated valence of each utterance.
IEMOCAP_AGREED = _scheme(
  "iemocap",
  IEMOCAP.polarity
  | {"surprise": "", "fear": "negative", "disgust": "negative", "other": ""},
)

# The words of Cao et al. 2014.
CREMAD = _scheme(
  "cremad",
  {
    "neutral": "neutral",
    "happy": "positive",
    "sad": "negative",
    "anger": "negative",
    "fear": "negative",
    "disgust": "negative",
  },
)

# RAVDESS has no gold sentiment that could decide "surprised" clip by clip, and
# a record needs one polarity: its surprise is acted as a pleasant one.
RAVDESS = _scheme(
  "ravdess",
  {
    "neutral": "neutral",
    "calm": "neutral",
    "happy": "positive",
    "sad": "negative",
    "angry": "negative",
    "fearful": "negative",
    "disgust": "negative",
    "surprised": "positive",
  },
)

SCHEMES = {scheme.name: scheme for scheme in (CREMAD, IEMOCAP, MELD, RAVDESS)}


def task_scheme(scheme: EmotionScheme) -> EmotionScheme:
  """The scheme that the published task scores.

  For IEMOCAP's ten agreed classes: its six; any other scheme is itself.
  """
  task = SCHEMES.get(scheme.name)
  if task is None or not task.polarity.items() <= scheme.polarity.items():
    return scheme
  return task


def _class_faults(classes: Mapping[str, str]) -> list[str]:
  """Lists what is wrong with the classes of a scheme."""
  faults, seen = [], {}
  for word, polarity in classes.items():
    # A comma separates the fields of a universal label's text.
    if not word or word != word.strip() or "," in word:
      faults.append(f"class {word!r} must be a word without commas or spaces")
    elif not word.isprintable():
      faults.append(f"class {word!r} must be on one line")
    if word.casefold() == _EMPTY_SLOT:
      faults.append(
        f"class {word!r} is the word that stands for no emotion at all; give "
        "the class another name"
      )
    first = seen.setdefault(word.casefold(), word)
    if first != word:
      faults.append(
        f"classes {first!r} and {word!r} differ in capitals alone, which a "
        "decoded label does not tell apart"
      )
    if polarity not in (*POLARITIES, ""):
      faults.append(
        f"class {word!r} has the polarity {polarity!r}, expected one of "
        f'{", ".join(POLARITIES)} or ""'
      )
  return faults


def _scheme_faults(content: object) -> list[str]:
  """Lists what is wrong with the parsed JSON of a scheme."""
  if not isinstance(content, dict):
    return [f"expected an object, found {type(content).__name__}"]
  faults = []
  if set(content) != {"name", "classes"}:
    faults.append(
      f'expected the keys "name" and "classes", found {sorted(content)}'
    )
  name = content.get("name")
  if not isinstance(name, str) or not name.isidentifier():
    faults.append(f'"name" must be one word of letters, found {name!r}')
  elif name.casefold() in _SLOTS:
    faults.append(f'"name" must not be that of another slot, found {name!r}')
  classes = content.get("classes")
  if not isinstance(classes, dict) or not classes:
    faults.append('"classes" must be an object {"joy": "positive", ...}')
    return faults
  return faults + _class_faults(classes)


def parse_scheme(content: object, origin: str) -> EmotionScheme:
  """Builds a scheme from parsed JSON; `origin` names the source in errors.

  Raises:
    InputError: with every fault of the content.
  """
  faults = _scheme_faults(content)
  if faults:
    raise InputError(
      f"{origin} is not an emotion scheme:\n  "
      + "\n  ".join(faults)
      + '\nExpected the form {"name": "mine", "classes": '
      '{"joy": "positive", "anger": "negative", "surprise": ""}}.'
    )
  return _scheme(content["name"], content["classes"])


def load_scheme(name_or_json_path: str | Path) -> EmotionScheme:
  """Finds a built-in scheme by name or reads one from a JSON file.

  Args:
    name_or_json_path: "cremad", "iemocap", "meld", "ravdess", or the path of
      a file of the form {"name": ..., "classes": {class: polarity}}.

  Raises:
    InputError: neither a known name nor a readable, valid file.
  """
  if str(name_or_json_path) in SCHEMES:
    return SCHEMES[str(name_or_json_path)]
  path = user_path(name_or_json_path)
  if not path.is_file():
    raise InputError(
      f"Emotion scheme {str(name_or_json_path)!r}: expected one of "
      f"{', '.join(SCHEMES)} or the path of a JSON file; no such file. "
      "Correct --scheme."
    )
  try:
    content = parse_json(path.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(
      f"Emotion scheme {path}: expected a JSON file in UTF-8: {error}"
    ) from error
  return parse_scheme(content, str(path))
