"""Writes the universal labels of a mixture of exported corpora.

Every record gets a polarity, an intensity and an emotion of each scheme in
the mixture: what its corpus annotates, and for the rest what the most
similar text of the same polarity has (paper, section 3.2; `completion`).
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from feature_export import audit, completion
from feature_export.completion import INTENSITY, Donor
from feature_export.corpora.schemes import POLARITIES
from feature_export.corpora.utterance import SPLITS
from feature_export.errors import InputError
from feature_export.features.sentences import (
  DEFAULT_ENCODER,
  load_encoder,
)
from feature_export.label_summary import (
  describe_donors,
  describe_dropped,
  summarise,
  warn_of_copies,
)
from feature_export.mixture import (
  Mixture,
  complete,
  drop_outside,
  embed_texts,
  load_dataset,
  mix,
)
from feature_export.nearest import find_device
from feature_export.records.reader import find_dataset

CACHE_FOLDER = ".cache"


def _count_empty(rows: Sequence[dict], slots: Sequence[str]) -> dict[str, int]:
  """Slots left empty because no donor had the polarity."""
  empty = dict.fromkeys(slots, 0)
  for row in rows:
    values = {INTENSITY: row.get(INTENSITY), **row["emotions"]}
    for slot in slots:
      empty[slot] += values[slot] is None
  return empty


def describe(
  mixture: Mixture, rows: Sequence[dict], encoder: dict | None, pool: str
) -> dict:
  """The content of the meta file, but for the hash of the labels."""
  counts = Counter((row["corpus"], row["split"]) for row in rows)
  names = [dataset.name for dataset in mixture.datasets]
  return {
    "corpora": names,
    "slots": {
      "polarity": list(POLARITIES),
      "intensity": INTENSITY in mixture.slots,
      "emotions": {
        name: scheme.polarity for name, scheme in mixture.schemes.items()
      },
    },
    "annotated": {
      dataset.name: list(dataset.annotated) for dataset in mixture.datasets
    },
    "donors": pool,
    "encoder": encoder,
    "datasets": {each.name: each.hashes for each in mixture.datasets},
    "counts": {
      name: {split: counts[name, split] for split in SPLITS} for name in names
    },
    "empty": _count_empty(rows, mixture.slots),
  }


def meta_file(labels: Path) -> Path:
  """The file beside FILE.jsonl: FILE.meta.json."""
  return labels.with_suffix(".meta.json")


def write(labels: Path, rows: Sequence[dict], meta: dict) -> None:
  """Writes labels and meta; each file appears whole or not at all.

  The meta holds the hash of the labels, so a pair of different runs shows.
  """
  content = "".join(json.dumps(row) + "\n" for row in rows).encode()
  meta = {**meta, "labels_sha256": hashlib.sha256(content).hexdigest()}
  described = json.dumps(meta, indent=2).encode() + b"\n"
  labels.parent.mkdir(parents=True, exist_ok=True)
  files = {labels: content, meta_file(labels): described}
  for file, data in files.items():
    file.with_name(file.name + ".partial").write_bytes(data)
  for file in files:
    os.replace(file.with_name(file.name + ".partial"), file)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.universal_labels", description=__doc__
  )
  parser.add_argument("--data", type=Path, help="DATA_DIR")
  parser.add_argument("--corpora", help="names: a,b,c")
  parser.add_argument(
    "--encoder",
    default=DEFAULT_ENCODER,
    help="folder or hub name (default: %(default)s, offline)",
  )
  parser.add_argument(
    "--device",
    choices=("auto", "cpu", "cuda"),
    default="auto",
    help="of torch, for sentences and products",
  )
  parser.add_argument("--out", type=Path, required=True, help="FILE.jsonl")
  _add_rules(parser)
  _add_audit(parser)
  return parser.parse_args(arguments)


def _add_rules(parser: argparse.ArgumentParser) -> None:
  """The flags of how donors are chosen (D34 to D37)."""
  parser.add_argument(
    "--donors",
    choices=completion.DONOR_POOLS,
    default="train",
    help="all_splits as the authors did: leaks test labels into training",
  )
  parser.add_argument(
    "--ties",
    choices=completion.TIE_RULES,
    default="lowest",
    help="among equally similar donors: the lowest (corpus, split, id), the "
    "majority's label, or the vote of the --k most similar samples",
  )
  parser.add_argument("--k", type=int, default=5, help="voters of --ties top_k")
  parser.add_argument(
    "--neutral",
    choices=completion.NEUTRAL_RULES,
    default="as_others",
    help="constants: 0 and neutral for neutral samples, as the authors did",
  )
  parser.add_argument(
    "--donor_classes",
    choices=completion.DONOR_CLASSES,
    default="scheme",
    help="authors_drop: records of any class donate; who gets one outside the "
    "task's classes has no label and is left out of training",
  )


def _add_audit(parser: argparse.ArgumentParser) -> None:
  """The flags of the sheet that people mark."""
  parser.add_argument(
    "--audit", type=int, help="samples to draw for marking (the paper: 80)"
  )
  parser.add_argument(
    "--audit_corpus", help="draw from this corpus (default: mosi, else all)"
  )
  parser.add_argument("--audit_seed", type=int, default=0, help="of the draw")
  parser.add_argument(
    "--audit_sheet", type=Path, help="default: FILE.audit.csv beside --out"
  )
  parser.add_argument(
    "--score",
    type=Path,
    help="a marked sheet: reads it against --out and completes nothing",
  )


def _corpora(text: str) -> list[str]:
  """Parses a,b,c.

  Raises:
    InputError: nothing in it, or a corpus twice.
  """
  names = [name.strip() for name in text.split(",") if name.strip()]
  if not names or len(set(names)) < len(names):
    raise InputError(
      f"--corpora: expected different names as in a,b,c; found {text!r}."
    )
  return names


def _check_present(data_dir: Path, names: Sequence[str]) -> None:
  """Raises one InputError that names every missing dataset."""
  missing = []
  for name in names:
    try:
      find_dataset(data_dir, name)
    except InputError as error:
      missing.append(str(error))
  if missing:
    raise InputError("\n".join(dict.fromkeys(missing)))


def _rules(options: argparse.Namespace) -> completion.Rules:
  device = find_device() if options.device == "auto" else options.device
  return completion.Rules(
    options.donors,
    options.ties,
    options.k,
    device,
    options.neutral,
    options.donor_classes,
  )


def _check_options(options: argparse.Namespace) -> None:
  """Raises one InputError with everything wrong with the flags."""
  faults = []
  if options.out.suffix != ".jsonl":
    faults.append(f"--out: expected FILE.jsonl, found {options.out}.")
  if options.k < 1:
    faults.append(f"--k: expected at least 1, found {options.k}.")
  if options.audit is not None and options.audit < 1:
    faults.append(f"--audit: expected at least 1, found {options.audit}.")
  if options.score is None:
    faults += [
      f"--{name} is missing."
      for name in ("data", "corpora")
      if getattr(options, name) is None
    ]
  if faults:
    raise InputError("\n".join(faults))


def _audit(
  options: argparse.Namespace,
  mixture: Mixture,
  found: Sequence[dict[str, Donor]],
) -> None:
  """Writes the sheet that --audit asks for."""
  sheet = options.audit_sheet or options.out.with_suffix(".audit.csv")
  corpus = audit.choose_corpus(mixture.samples, options.audit_corpus)
  count = audit.write_sheet(
    sheet, mixture.samples, found, options.audit, corpus, options.audit_seed
  )
  print(
    f"{count} samples of {corpus or 'all corpora'} to judge: {sheet}. Write "
    "yes or no into the column `correct`, then run this command with --out "
    f"{options.out} --score {sheet}."
  )


def score(options: argparse.Namespace) -> None:
  """Scores a marked sheet and prints the accuracy of the completed labels.

  Raises:
    InputError: the sheet cannot be scored.
  """
  result = audit.score_sheet(options.score, options.out)
  shares = {"samples with every label right": result["samples"]}
  shares |= {
    f"{slot} labels right": each for slot, each in result["slots"].items()
  }
  for name, each in shares.items():
    print(
      f"{name}: {each['right']} of {each['n']}, {each['accuracy']:.3f} "
      f"(95 % interval {each['low']:.3f} to {each['high']:.3f})"
    )
  every = result["labels"]
  print(
    f"labels of all slots right: {every['right']} of {every['n']}, "
    f"{every['accuracy']:.3f} (no interval: labels of one sample hang together)"
  )
  print(f"Written: {audit.audit_file(options.out)}")


def _describe_rules(options: argparse.Namespace) -> dict:
  """How donors were chosen, for the meta file."""
  ties: dict[str, str | int] = {"rule": options.ties}
  if options.ties == "top_k":
    ties["k"] = options.k
  return {
    "ties": ties,
    "neutral": options.neutral,
    "donor_classes": options.donor_classes,
  }


def run(options: argparse.Namespace) -> None:
  """Reads the records, completes their labels, writes both files.

  Raises:
    InputError: with everything that is missing or contradictory.
  """
  names = _corpora(options.corpora)
  _check_present(options.data, names)
  datasets = [load_dataset(options.data, name) for name in names]
  mixture = mix(datasets, options.donor_classes)
  encoder, found = _find_donors(mixture, options)
  dropped = {}
  if options.donor_classes == "authors_drop":
    mixture, found, dropped = drop_outside(mixture, found)
    for line in describe_dropped(dropped):
      print(line)
  rows = [
    completion.universal_label(sample, mixture.slots, donors)
    for sample, donors in zip(mixture.samples, found, strict=True)
  ]
  completion.check_labels(rows)
  meta = describe(mixture, rows, encoder, options.donors)
  meta |= _describe_rules(options)
  meta["dropped"] = dropped
  meta["donor_splits"] = describe_donors(mixture, found)
  write(options.out, rows, meta)
  print(summarise(mixture, found, meta["empty"]))
  if options.donors != "train":
    for slot, counts in meta["donor_splits"].items():
      print(f"{slot}: donors by split {counts}; all but train leak")
  for warning in warn_of_copies(mixture, found):
    print(warning, file=sys.stderr)
  if options.audit is not None:
    _audit(options, mixture, found)
  print(f"{len(rows)} universal labels: {options.out}")
  print(f"settings and hashes: {meta_file(options.out)}")


def _find_donors(
  mixture: Mixture, options: argparse.Namespace
) -> tuple[dict | None, list[dict[str, Donor]]]:
  """What the encoder was, and for each sample slot -> donor."""
  if not mixture.incomplete:
    print("Every slot is annotated: nothing to complete, no encoder needed.")
    return None, [{} for _ in mixture.samples]
  encoder = load_encoder(options.encoder, options.device)
  print(f"Sentence encoder: {encoder.name}, weights {encoder.sha256[:12]}")
  started = time.perf_counter()
  text_rows, embeddings = embed_texts(
    mixture.samples, encoder, options.data / CACHE_FOLDER
  )
  embedded = time.perf_counter()
  found = complete(mixture, text_rows, embeddings, _rules(options))
  print(
    f"{len(embeddings)} distinct texts embedded in {embedded - started:.1f} s, "
    f"donors ({options.donors}) found in "
    f"{time.perf_counter() - embedded:.1f} s"
  )
  described = {
    "name": encoder.name,
    "sha256": encoder.sha256,
    "dimension": embeddings.shape[1],
  }
  return described, found


def main(arguments: Sequence[str] | None = None) -> int:
  """The command line; returns the exit status."""
  options = _parse(arguments)
  try:
    _check_options(options)
    (run if options.score is None else score)(options)
  except InputError as error:
    print(error, file=sys.stderr)
    return 2
  return 0


if __name__ == "__main__":
  sys.exit(main())
