"""Completes the labels of exported corpora and writes them."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from feature_export.errors import InputError
from feature_export.labels import audit, completion
from feature_export.labels.completion import Donor, Rules
from feature_export.labels.flags import AuditOptions, MixtureOptions
from feature_export.labels.label_file import describe, meta_file, write
from feature_export.labels.label_mixture import (
  LabelMixture,
  complete,
  drop_outside,
  embed_texts,
  load_dataset,
  mix,
)
from feature_export.labels.nearest import find_device
from feature_export.labels.sentences import load_encoder
from feature_export.labels.summary import (
  describe_donors,
  describe_dropped,
  summarise,
  warn_of_copies,
  warn_of_strangers,
)
from feature_export.labels.training_sentences import pack
from feature_export.records.reader import find_dataset

CACHE_FOLDER = ".cache"


def _corpora(text: str) -> list[str]:
  """The names in "a,b,c".

  Raises:
    InputError: no name, or one twice.
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


def _sheet(options: AuditOptions, out: Path) -> Path:
  return options.audit_sheet or out.with_suffix(".audit.csv")


def _check_audit(
  options: AuditOptions, out: Path, mixture: LabelMixture
) -> None:
  """Refuses what --audit cannot do, before anything is replaced."""
  audit.check_sheet(_sheet(options, out))
  audit.choose_corpus(mixture.samples, options.audit_corpus)


def _write_audit(
  options: AuditOptions,
  out: Path,
  mixture: LabelMixture,
  completions: Sequence[dict[str, Donor]],
) -> None:
  """Writes the sheet that --audit asks for."""
  sheet = _sheet(options, out)
  corpus = audit.choose_corpus(mixture.samples, options.audit_corpus)
  count = audit.write_sheet(
    sheet,
    mixture.samples,
    completions,
    options.audit,
    corpus,
    options.audit_seed,
  )
  print(
    f"{count} samples of {corpus or 'all corpora'} to judge: {sheet}. Write "
    "yes or no into the column `correct`, then run this command with --out "
    f"{out} --score {sheet}."
  )


def _describe_rules(rules: Rules) -> dict:
  """The rules by which donors were chosen, for the meta file."""
  ties: dict[str, str | int] = {"rule": rules.ties}
  if rules.ties == "top_k":
    ties["k"] = rules.k
  return {
    "ties": ties,
    "neutral": rules.neutral,
    "donor_classes": rules.donor_classes,
  }


def label_corpora(
  options: MixtureOptions, rules: Rules, auditing: AuditOptions
) -> None:
  """Reads the records, completes their labels, writes both files.

  Args:
    options: corpora to label, and files to write.
    rules: how donors are chosen; their device is that of the options.
    auditing: sheet for people to judge, if one is asked for.

  Raises:
    InputError: missing datasets, or contradictory records; with every fault.
  """
  names = _corpora(options.corpora)
  _check_present(options.data, names)
  datasets = [load_dataset(options.data, name) for name in names]
  mixture = mix(datasets, rules.donor_classes)
  if auditing.audit is not None:
    _check_audit(auditing, options.out, mixture)
  encoder, completions, sentences = _read_texts(mixture, options, rules)
  dropped = {}
  if rules.donor_classes == "authors_drop":
    mixture, completions, dropped = drop_outside(mixture, completions)
    for line in describe_dropped(dropped):
      print(line)
  rows = [
    completion.universal_label(sample, mixture.slots, donors)
    for sample, donors in zip(mixture.samples, completions, strict=True)
  ]
  completion.check_labels(rows)
  meta = describe(mixture, rows, encoder, rules.donors)
  meta |= _describe_rules(rules)
  meta["dropped"] = dropped
  meta["donor_splits"] = describe_donors(mixture, completions)
  if auditing.audit is not None:
    _write_audit(auditing, options.out, mixture, completions)
  write(options.out, rows, meta, sentences)
  print(summarise(mixture, completions, meta["empty"]))
  if rules.donors != "train":
    for slot, counts in meta["donor_splits"].items():
      print(f"{slot}: donors by split {counts}; those outside train leak")
  for warn in (warn_of_copies, warn_of_strangers):
    for warning in warn(mixture, completions):
      print(warning, file=sys.stderr)
  print(f"{len(rows)} universal labels: {options.out}")
  print(f"settings and hashes: {meta_file(options.out)}")


def _read_texts(
  mixture: LabelMixture, options: MixtureOptions, rules: Rules
) -> tuple[dict | None, list[dict[str, Donor]], bytes | None]:
  """Completes a mixture.

  Returns:
    Name and hash of the encoder (None: none was needed); for each sample: slot
    -> donor; and the content of the file that --sentences asks for.
  """
  completions: list[dict[str, Donor]] = [{} for _ in mixture.samples]
  if not mixture.incomplete:
    print("Every slot is annotated: nothing to complete.")
    if not options.sentences:
      return None, completions, None
  encoder = load_encoder(options.encoder, options.device)
  print(f"Sentence encoder: {encoder.name}, sha256 {encoder.sha256[:12]}")
  started = time.perf_counter()
  text_rows, embeddings = embed_texts(
    mixture.samples, encoder, options.data / CACHE_FOLDER
  )
  embedded = time.perf_counter()
  if mixture.incomplete:
    device = find_device() if options.device == "auto" else options.device
    rules = replace(rules, device=device)
    completions = complete(mixture, text_rows, embeddings, rules)
  print(
    f"{len(embeddings)} distinct texts embedded in {embedded - started:.1f} s, "
    f"donors ({rules.donors}) found in "
    f"{time.perf_counter() - embedded:.1f} s"
  )
  described = {
    "name": encoder.name,
    "sha256": encoder.sha256,
    "weights_sha256": encoder.weights_sha256,
    "dimension": embeddings.shape[1],
  }
  sentences = None
  if options.sentences:
    sentences = pack(mixture.samples, text_rows, embeddings)
  return described, completions, sentences
