"""The whole export of some corpora, from the import to the report."""

import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from feature_export.corpora.importers import (
  ImportOptions,
  import_corpora,
  importer_flag_faults,
)
from feature_export.corpora.utterance import Corpus, Utterance, with_contexts
from feature_export.errors import InputError
from feature_export.extraction.clip_extractor import ClipExtractor
from feature_export.extraction.description import describe_run
from feature_export.extraction.export_report import ExportReport
from feature_export.extraction.flags import (
  FeatureOptions,
  RunOptions,
  build_settings,
  flag_faults,
)
from feature_export.extraction.media_extractor import media_of
from feature_export.extraction.store import FeatureStore, open_store
from feature_export.extraction.workers import Workers
from feature_export.features.efficientnet import choose_device
from feature_export.features.settings import ExtractionSettings
from feature_export.records.schema import build_metadata, build_record


def _extract_all(extractor: ClipExtractor, corpus: Corpus) -> None:
  """Extracts every medium of the labelled clips, with a progress bar."""
  from tqdm import tqdm

  clips = [each for each in corpus.utterances if each.labelled]
  total = sum(len(media_of(each)) for each in clips)
  with tqdm(
    total=total, desc=corpus.name, unit=" media", disable=None
  ) as progress:
    for task, features in extractor.extract(clips):
      progress.update()
      for finding in features.findings:
        if finding.action == "absent":
          progress.write(
            f"{task.media.path.name}: {task.modality} absent: {finding.reason}",
            file=sys.stderr,
          )


def _check_bad(report: ExportReport, max_bad: float, out: Path) -> None:
  """Refuses a corpus with too many unusable media, and writes their list.

  Raises:
    InputError: too many; it names the file of the list.
  """
  from feature_export.records.builder import write_json

  rejected = out / f"{report.corpus.name}.rejected.json"
  if report.bad <= max_bad * report.clips:
    rejected.unlink(missing_ok=True)
    return
  write_json(rejected, report.to_json())
  raise InputError(
    f"{report.corpus.name}: {report.bad} of {report.clips} labelled clips have "
    f"an unusable medium, more than --max_bad {max_bad:g} allows. They are "
    f"listed in {rejected}. Repair them and run the command again (finished "
    "clips are kept), or give a larger --max_bad."
  )


def _write_corpus(
  corpus: Corpus,
  workers: Workers,
  settings: ExtractionSettings,
  running: RunOptions,
) -> ExportReport:
  """Extracts and writes one corpus."""
  from feature_export.records import builder, work_folder

  started = time.monotonic()
  report = ExportReport(corpus, device=running.device)
  utterances = with_contexts(corpus.utterances)
  clips = {each.id: each for each in utterances if each.labelled}
  metadata = build_metadata(corpus, settings)
  target = builder.dataset_path(running.out, corpus.name)
  with work_folder.open_work_folder(running.out, corpus.name) as work:
    store = open_store(work.path / "features", settings)
    extractor = ClipExtractor(settings, store, workers)

    def records_of(ids: Sequence[str]) -> Iterator[dict]:
      chosen = [clips[each] for each in ids]
      for clip, extraction in zip(
        chosen, extractor.collect_all(chosen), strict=True
      ):
        report.add(clip, extraction)
        yield build_record(clip, extraction, corpus)

    if running.beam_runner:
      _extract_with_beam(clips.values(), settings, store, running)
    # After Beam: what its workers lost is tried once more here, and so gets
    # its finding.
    _extract_all(extractor, corpus)
    if not running.beam_runner:
      report.reused = extractor.reused
    ids = {
      split: [each.id for each in clips.values() if each.split == split]
      for split in metadata["counts"]
    }
    made = builder.write_draft(
      corpus.name, metadata, ids, records_of, work.draft
    )
    report.finish(time.monotonic() - started)
    _check_bad(report, running.max_bad, running.out)
    builder.write_json(made / builder.REPORT_FILE, report.to_json())
    work_folder.publish(made, target, work)
  return report


def _extract_with_beam(
  clips: Iterable[Utterance],
  settings: ExtractionSettings,
  store: FeatureStore,
  running: RunOptions,
) -> None:
  """Extracts the media of one corpus on Apache Beam, into the store."""
  from feature_export.extraction import beam

  beam.extract(
    clips,
    settings,
    store,
    running.clip_seconds,
    running.beam_runner,
    shlex.split(running.beam_options),
  )


def _check_targets(
  corpora: Sequence[Corpus], out: Path, overwrite: bool
) -> None:
  """Refuses to replace datasets without --overwrite."""
  from feature_export.records.builder import dataset_path
  from feature_export.records.work_folder import is_whole

  targets = [dataset_path(out, corpus.name) for corpus in corpora]
  existing = [str(target) for target in targets if is_whole(target)]
  if existing and not overwrite:
    raise InputError(
      f"Already there: {', '.join(existing)}. Give --overwrite to replace, "
      "--name or --out to keep."
    )


def export(
  importing: ImportOptions, features: FeatureOptions, running: RunOptions
) -> list[ExportReport]:
  """Runs the whole export.

  Raises:
    InputError: a user's mistake; nothing has been written.
  """
  if faults := flag_faults(features, running) + importer_flag_faults(importing):
    raise InputError("\n".join(faults))
  settings = build_settings(features, running.device)
  if running.device == "cuda":
    choose_device("cuda")  # so that a missing GPU is told now, and once
  corpora = import_corpora(importing)
  _check_targets(corpora, running.out, running.overwrite)
  print(describe_run(corpora, settings, importing, running), flush=True)
  with Workers(settings, running.jobs, running.clip_seconds) as workers:
    return [
      _write_corpus(corpus, workers, settings, running) for corpus in corpora
    ]
