"""The importers by name, and the flags that only some of them know.

`import_corpora` also makes the checks that every corpus must pass before
anything is extracted.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
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
from feature_export.files import local_path

Importer = Callable[[Path, argparse.Namespace], list[Corpus]]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MOST_CLIPS = 1_000_000
_DEMO_CLIPS = 1200


def _import_cremad(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [cremad.load(raw, options.split_actors)]


def _import_demo(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  # Imported only here, because no other corpus needs drawing and synthesis.
  from feature_export.corpora import demo

  clips = _DEMO_CLIPS if options.clips is None else options.clips
  return demo.load(raw, seed=options.seed or 0, clips=clips)


def _import_iemocap(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [
    iemocap.load(
      raw,
      protocol=options.protocol or "paper",
      classes=options.classes or "six",
      seed=options.seed or 0,
    )
  ]


def _import_manifest(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  scheme = load_scheme(options.scheme) if options.scheme else None
  return [manifest.load(raw, options.name, scheme)]


def _import_meld(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [meld.load(raw, options.twins or "plain", options.bad_clips or "drop")]


def _import_mosei(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [mosei.load(raw)]


def _import_mosi(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [mosi.load(raw)]


def _import_mmsa_pickles(
  raw: Path, options: argparse.Namespace
) -> list[Corpus]:
  policy = options.nonfinite or NONFINITE_POLICIES[0]
  return [mmsa_pickles.load(raw, options.name, policy)]


def _import_ravdess(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [ravdess.load(raw, options.split_actors)]


def _import_unimse_pickles(
  raw: Path, options: argparse.Namespace
) -> list[Corpus]:
  policy = options.nonfinite or NONFINITE_POLICIES[0]
  corpora = unimse_pickles.load(raw, options.texts, policy)
  if options.name and len(corpora) > 1:
    raise InputError(
      f"--name goes with one corpus; {raw} holds "
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


def add_importer_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that only some importers know."""
  add = parser.add_argument
  add(
    "--bad_clips",
    choices=meld.BAD_CLIPS,
    help="meld: media of clips listed as broken or wrongly cut (default drop)",
  )
  add(
    "--classes",
    choices=iemocap.CLASSES,
    help="iemocap: six classes, or all ten agreed ones (default six)",
  )
  add("--clips", type=int, help=f"demo: number in all (default {_DEMO_CLIPS})")
  add(
    "--nonfinite",
    choices=NONFINITE_POLICIES,
    help="pickles: what replaces NaN and infinite values (default zero)",
  )
  add(
    "--protocol",
    choices=iemocap.PROTOCOLS,
    help="iemocap: the paper's dialogues, or session 5 (default paper)",
  )
  add("--scheme", help=f"manifest: {', '.join(SCHEMES)} or a JSON file")
  add(
    "--seed",
    type=int,
    help="demo, iemocap's session5: random seed (default 0)",
  )
  add("--split_actors", help="ravdess, cremad: train=01-04,validation=05,...")
  add(
    "--texts",
    type=local_path,
    help="unimse_pickles: folder or file with the words of feature files",
  )
  add(
    "--twins",
    choices=meld.TWINS,
    help="meld: when a final_videos_test twin is used: plain (default): where "
    "the plain clip is missing; prefer: instead of it; ignore: never",
  )


def importer_flag_faults(options: argparse.Namespace) -> list[str]:
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
  if options.clips is not None and not 1 <= options.clips <= _MOST_CLIPS:
    faults.append(
      f"--clips must be in [1, {_MOST_CLIPS}], found {options.clips}"
    )
  return faults


def import_corpora(options: argparse.Namespace) -> list[Corpus]:
  """Runs the importer of --corpus and checks the corpora that it makes.

  Raises:
    InputError: missing or empty raw folder, or any fault of the corpora.
  """
  raw = options.raw
  # The demo makes its own raw media.
  if options.corpus != "demo":
    if not raw.exists():
      raise InputError(f"No raw corpus at {raw}. Correct --raw.")
    if raw.is_dir() and not any(raw.iterdir()):
      raise InputError(
        f"The folder {raw} is empty; expected the raw files of "
        f"{options.corpus}. Correct --raw."
      )
  corpora = IMPORTERS[options.corpus](raw, options)
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


def _drop_media(corpus: Corpus, options: argparse.Namespace) -> Corpus:
  """Removes the modalities that --noaudio and --novideo leave out."""
  dropped = [name for name in MODALITIES if getattr(options, f"no{name}")]

  def drop(utterance: Utterance) -> Utterance:
    changes = {}
    for name in dropped:
      media = getattr(utterance, name)
      # Stored features keep their width, which is the record's, without rows.
      stored = isinstance(media, Stored)
      changes[name] = Stored(media.values[:0]) if stored else None
    return replace(utterance, **changes)

  return replace(corpus, utterances=tuple(map(drop, corpus.utterances)))
