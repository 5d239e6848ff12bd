"""The importers by name, with the flags that only some of them know."""

import argparse
from collections.abc import Callable
from pathlib import Path

from feature_export.corpora import manifest, meld, ravdess
from feature_export.corpora.schemes import load_scheme
from feature_export.corpora.utterance import Corpus

Importer = Callable[[Path, argparse.Namespace], list[Corpus]]

_MOST_CLIPS = 1_000_000


def _import_demo(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  # Only here: drawing and synthesis are of no use to other corpora.
  from feature_export.corpora import demo

  return demo.load(raw, seed=options.seed, clips=options.clips)


def _import_manifest(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  scheme = load_scheme(options.scheme) if options.scheme else None
  return [manifest.load(raw, options.name, scheme)]


def _import_meld(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [meld.load(raw)]


def _import_ravdess(raw: Path, options: argparse.Namespace) -> list[Corpus]:
  return [ravdess.load(raw, options.split_actors)]


IMPORTERS: dict[str, Importer] = {
  "demo": _import_demo,
  "manifest": _import_manifest,
  "meld": _import_meld,
  "ravdess": _import_ravdess,
}
# Flags that mean something to some importers only; unset they are None.
_OWN_FLAGS: dict[str, tuple[str, ...]] = {
  "scheme": ("manifest",),
  "split_actors": ("ravdess",),
}


def add_importer_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that belong to importers, not to extraction."""
  add = parser.add_argument
  add("--scheme", help="manifest: meld, iemocap, ravdess or a JSON file")
  add("--split_actors", help="ravdess: train=01-04,validation=05,test=06")
  add("--seed", type=int, default=0, help="demo: of the generator")
  add("--clips", type=int, default=1200, help="demo: how many in all")


def importer_flag_faults(options: argparse.Namespace) -> list[str]:
  """What is wrong with the importers' flags."""
  faults = [
    f"--{flag} goes with --corpus {' or '.join(corpora)} only"
    for flag, corpora in _OWN_FLAGS.items()
    if getattr(options, flag) is not None and options.corpus not in corpora
  ]
  if not 1 <= options.clips <= _MOST_CLIPS:
    faults.append(
      f"--clips must be in [1, {_MOST_CLIPS}], found {options.clips}"
    )
  return faults
