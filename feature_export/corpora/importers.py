"""The importers by name, and the flags that only some of them know.

`import_corpora` also makes the checks that every corpus must pass before
anything is extracted.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feature_export.corpora import (
  cremad,
  iemocap,
  manifest,
  meld,
  mmsa_pickles,
  mosei,
  mosi,
  ravdess,
  unimse_pickles,
)
from feature_export.corpora.schemes import SCHEMES, load_scheme
from feature_export.corpora.stored import NONFINITE_POLICIES
from feature_export.corpora.utterance import (
  MODALITIES,
  Corpus,
  Stored,
  Utterance,
  validate,
)
from feature_export.errors import InputError
from feature_export.options import option, outside_limits
from unimse_cli.storage import is_remote, reach

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DEMO_CLIPS = 1200

Importer = Callable[["ImportOptions"], list[Corpus]]


def _import_cremad(options: "ImportOptions") -> list[Corpus]:
  return [cremad.load(options.raw, options.split_actors)]


def _import_demo(options: "ImportOptions") -> list[Corpus]:
  # Imported only here, because no other corpus needs drawing and synthesis.
  from feature_export.corpora import demo

  if is_remote(options.raw):
    raise InputError(
      "--corpus demo draws its raw media itself: expected a folder of this "
      f"machine as --raw, found {options.raw}"
    )
  clips = _DEMO_CLIPS if options.clips is None else options.clips
  return demo.load(options.raw, seed=options.seed or 0, clips=clips)


def _import_iemocap(options: "ImportOptions") -> list[Corpus]:
  return [
    iemocap.load(
      options.raw,
      protocol=options.protocol or "paper",
      classes=options.classes or "six",
      seed=options.seed or 0,
    )
  ]


def _import_manifest(options: "ImportOptions") -> list[Corpus]:
  scheme = load_scheme(options.scheme) if options.scheme else None
  return [manifest.load(options.raw, options.name, scheme)]


def _import_meld(options: "ImportOptions") -> list[Corpus]:
  twins, bad_clips = options.twins or "plain", options.bad_clips or "drop"
  return [meld.load(options.raw, twins, bad_clips)]


def _import_mosei(options: "ImportOptions") -> list[Corpus]:
  return [mosei.load(options.raw)]


def _import_mosi(options: "ImportOptions") -> list[Corpus]:
  return [mosi.load(options.raw)]


def _import_mmsa_pickles(options: "ImportOptions") -> list[Corpus]:
  policy = options.nonfinite or NONFINITE_POLICIES[0]
  return [mmsa_pickles.load(options.raw, options.name, policy)]


def _import_ravdess(options: "ImportOptions") -> list[Corpus]:
  return [ravdess.load(options.raw, options.split_actors)]


def _import_unimse_pickles(options: "ImportOptions") -> list[Corpus]:
  policy = options.nonfinite or NONFINITE_POLICIES[0]
  corpora = unimse_pickles.load(options.raw, options.texts, policy)
  if options.name and len(corpora) > 1:
    raise InputError(
      f"--name goes with one corpus; {options.raw} holds "
      f"{', '.join(each.name for each in corpora)}. Leave --name out."
    )
  return corpora


IMPORTERS: dict[str, Importer] = {
  "cremad": _import_cremad,
  "demo": _import_demo,
  "iemocap": _import_iemocap,
  "manifest": _import_manifest,
  "meld": _import_meld,
  "mmsa_pickles": _import_mmsa_pickles,
  "mosei": _import_mosei,
  "mosi": _import_mosi,
  "ravdess": _import_ravdess,
  "unimse_pickles": _import_unimse_pickles,
}
# Flags that mean something to some importers only; unset they are None.
_OWN_FLAGS: dict[str, tuple[str, ...]] = {
  "bad_clips": ("meld",),
  "classes": ("iemocap",),
  "clips": ("demo",),
  "nonfinite": ("mmsa_pickles", "unimse_pickles"),
  "protocol": ("iemocap",),
  "scheme": ("manifest",),
  "seed": ("demo", "iemocap"),
  "split_actors": ("cremad", "ravdess"),
  "texts": ("unimse_pickles",),
  "twins": ("meld",),
}


@dataclass(frozen=True)
class ImportOptions:
  """Which corpus is imported, and how.

  What only some importers know is None where it was not asked for.
  """

  corpus: str = option("Its importer.", choices=sorted(IMPORTERS))
  raw: Path = option("Folder or file of the raw corpus.")
  name: str | None = option(
    "Dataset name; the corpus's or folder's name if unset.", None
  )
  audio: bool = option("Take the audio.", True)
  video: bool = option("Take the video.", True)
  bad_clips: str | None = option(
    "meld: media of clips listed as broken or wrongly cut (default drop).",
    None,
    choices=meld.BAD_CLIPS,
  )
  classes: str | None = option(
    "iemocap: six classes, or all ten agreed ones (default six).",
    None,
    choices=iemocap.CLASSES,
  )
  clips: int | None = option(
    f"demo: number in all (default {_DEMO_CLIPS}).",
    None,
    limits=(1, 1_000_000),
  )
  nonfinite: str | None = option(
    "pickles: what replaces NaN and infinite values (default zero).",
    None,
    choices=NONFINITE_POLICIES,
  )
  protocol: str | None = option(
    "iemocap: the paper's dialogues, or session 5 (default paper).",
    None,
    choices=iemocap.PROTOCOLS,
  )
  scheme: str | None = option(
    f"manifest: {', '.join(SCHEMES)} or a JSON file.", None
  )
  seed: int | None = option(
    "demo, iemocap's session5: random seed (default 0).", None
  )
  split_actors: str | None = option(
    "ravdess, cremad: train=01-04,validation=05,...", None
  )
  texts: Path | None = option(
    "unimse_pickles: folder or file with the words of feature files.", None
  )
  twins: str | None = option(
    "meld: when a final_videos_test twin is used: plain (default): where the "
    "plain clip is missing; prefer: instead of it; ignore: never.",
    None,
    choices=meld.TWINS,
  )


def importer_flag_faults(options: ImportOptions) -> list[str]:
  """Lists what is wrong with the importers' flags."""
  faults = [
    f"--{flag} goes with --corpus {' or '.join(corpora)} only"
    for flag, corpora in _OWN_FLAGS.items()
    if getattr(options, flag) is not None and options.corpus not in corpora
  ]
  unseeded = options.corpus == "iemocap" and options.protocol != "session5"
  if options.seed is not None and unseeded:
    faults.append("--seed goes with --protocol session5: nothing else is drawn")
  if options.seed is not None and options.seed < 0:
    faults.append(f"--seed must be at least 0, found {options.seed}")
  faults += outside_limits(options)
  if options.name is not None and options.corpus == "demo":
    faults.append("--name does not go with --corpus demo, which makes four")
  return faults


def _check_names(corpora: Sequence[Corpus], raw: Path) -> None:
  """A corpus of each name: the second would replace the first.

  Raises:
    InputError: several of one name.
  """
  counts = Counter(each.name for each in corpora)
  twice = [name for name, count in counts.items() if count > 1]
  if twice:
    raise InputError(
      f"{raw}: expected one file or layout of each corpus, found "
      f"several of {', '.join(twice)}. Give one of them as --raw."
    )


def import_corpora(options: ImportOptions) -> list[Corpus]:
  """Runs the importer of --corpus and checks the corpora that it makes.

  Raises:
    InputError: missing or empty raw folder, or any fault of the corpora.
  """
  raw = options.raw
  # The demo makes its own raw media.
  if options.corpus != "demo":
    reach(raw)
    if not raw.exists():
      raise InputError(f"No raw corpus at {raw}. Correct --raw.")
    if raw.is_dir() and not any(raw.iterdir()):
      raise InputError(
        f"The folder {raw} is empty; expected the raw files of "
        f"{options.corpus}. Correct --raw."
      )
  corpora = IMPORTERS[options.corpus](options)
  _check_names(corpora, raw)
  if options.name is not None:
    corpora = [replace(each, name=options.name) for each in corpora]
  for corpus in corpora:
    if not _NAME.fullmatch(corpus.name):
      raise InputError(
        f"{corpus.name!r} cannot name a dataset; expected lower-case letters, "
        "digits and underscores, a letter first. Give --name."
      )
    validate(corpus)
  return [_drop_media(corpus, options) for corpus in corpora]


def _drop_media(corpus: Corpus, options: ImportOptions) -> Corpus:
  """Removes the modalities that --noaudio and --novideo leave out."""
  dropped = [name for name in MODALITIES if not getattr(options, name)]

  def drop(utterance: Utterance) -> Utterance:
    changes = {}
    for name in dropped:
      media = getattr(utterance, name)
      # Stored features keep their width, which is the record's, without rows.
      stored = isinstance(media, Stored)
      changes[name] = Stored(media.values[:0]) if stored else None
    return replace(utterance, **changes)

  return replace(corpus, utterances=tuple(map(drop, corpus.utterances)))
