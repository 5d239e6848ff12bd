"""Predicts universal labels for clips, a recording, or a corpus's records.

python -m unimse_jax.predict --workdir DIR --input clips.jsonl
python -m unimse_jax.predict --model owner/name --input clips.jsonl
python -m unimse_jax.predict --workdir DIR --media talk.mp4
    [--transcript talk.srt | --asr faster-whisper:DIR] [--timeline talk.html]
python -m unimse_jax.predict --workdir DIR --features DATA_DIR --corpus NAME
    [--split test] [--output predictions.jsonl]

Exit status: 0 all rows answered, 3 some rows hold an error, 2 no output.
"""

import pathlib
import sys
import typing

from absl import flags

from unimse_cli import storage
from unimse_jax import command_line, model_flags
from unimse_jax.errors import InputError

if typing.TYPE_CHECKING:
  from unimse_jax.prediction import Predictor, corpus

_MODEL = model_flags.define()
_INPUT = flags.DEFINE_string(
  "input", None, "JSON lines of clips with raw media; - for stdin."
)
_MEDIA = flags.DEFINE_string(
  "media", None, "Recording that is cut into utterances: sound or video."
)
_TRANSCRIPT = flags.DEFINE_string(
  "transcript",
  None,
  "Words of --media with times: .srt, .vtt or .json; if unset, utterances are "
  "found by voice activity.",
)
_ASR = flags.DEFINE_string(
  "asr", None, "Model that writes down --media, as faster-whisper:DIR."
)
_LANGUAGE = flags.DEFINE_string(
  "language", "en", "Language for --asr; empty: recognised."
)
_TIMELINE = flags.DEFINE_string(
  "timeline",
  None,
  "Page of --media to write, as talk.html; its picture goes beside it.",
)
_FEATURES = flags.DEFINE_string(
  "features", None, "Folder that feature_export.export wrote."
)
_CORPUS = flags.DEFINE_string(
  "corpus",
  None,
  "Corpus of --features; or the training corpus that --media is read like.",
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "validation", "test"], "Split of the corpus."
)
_OUTPUT = flags.DEFINE_string(
  "output", "predictions.jsonl", "JSON lines; - for stdout."
)
_BATCH_SIZE = flags.DEFINE_integer(
  "batch_size",
  None,
  "Number of clips decoded at once; default: the run's own.",
  lower_bound=1,
)
_DEVICES = flags.DEFINE_integer(
  "devices", 0, "Number of devices; 0: all.", lower_bound=0
)
_JOBS = flags.DEFINE_integer(
  "jobs",
  1,
  "Number of processes that extract --input or --media.",
  lower_bound=1,
  upper_bound=1024,
)
SOME_FAILED = 3  # exit status


def _check_flags() -> None:
  """Checks that flags which belong together are there together.

  Raises:
    InputError: they are not.
  """
  _MODEL.check()
  given = [_INPUT.value, _FEATURES.value, _MEDIA.value]
  if sum(each is not None for each in given) != 1:
    raise InputError("expected one of --input, --media and --features.")
  if _FEATURES.value is not None and _CORPUS.value is None:
    raise InputError("expected --corpus with --features.")
  if _INPUT.value is not None and _CORPUS.value is not None:
    raise InputError("expected --corpus with --features or --media only.")
  of_media = {"transcript": _TRANSCRIPT, "asr": _ASR, "timeline": _TIMELINE}
  for name, flag in of_media.items():
    if flag.value is not None and _MEDIA.value is None:
      raise InputError(f"expected --{name} with --media only.")
  if _TIMELINE.value is not None and not _TIMELINE.value.endswith(".html"):
    raise InputError(
      "--timeline: expected a file that ends in .html, found "
      f"{_TIMELINE.value}."
    )
  if _TRANSCRIPT.value is not None and _ASR.value is not None:
    raise InputError("expected one of --transcript and --asr, found both.")


def _check_places() -> None:
  """Checks that what is written replaces nothing that is read or written.

  Raises:
    InputError: two flags name one place, or a directory stands there.
  """
  from unimse_jax.prediction.corpus import STANDARD

  flag_of: dict[pathlib.Path, str] = {}
  read, written = (_INPUT, _MEDIA, _TRANSCRIPT, _FEATURES), (_OUTPUT, _TIMELINE)
  for number, flag in enumerate((*read, *written)):
    if flag.value in (None, STANDARD):
      continue
    path = storage.user_path(flag.value)
    path = path if storage.is_remote(path) else path.resolve()
    is_written, found = number >= len(read), ""
    if path in flag_of:
      found = f"that of --{flag_of[path]}"
    elif is_written and not storage.is_remote(path) and path.is_dir():
      found = "a directory"
    if is_written and found:
      raise InputError(
        f"--{flag.name}: expected a file of its own, found {found}, "
        f"{flag.value}; choose another --{flag.name}."
      )
    flag_of[path] = flag.name


def _predict(predictor: "Predictor") -> "corpus.Count":
  """Writes the predictions, and the page where one is asked for."""
  from unimse_jax.prediction import Recording, corpus

  if _INPUT.value is not None:
    return corpus.predict_media(predictor, _INPUT.value, _OUTPUT.value)
  if _FEATURES.value is not None:
    return corpus.predict_records(
      predictor, _FEATURES.value, _CORPUS.value, _SPLIT.value, _OUTPUT.value
    )
  recording = Recording(
    media=_MEDIA.value,
    transcript=_TRANSCRIPT.value,
    asr=_ASR.value,
    language=_LANGUAGE.value,
    corpus=_CORPUS.value or "",
  )
  count, answers = corpus.predict_recording(predictor, recording, _OUTPUT.value)
  if _TIMELINE.value is not None:
    from unimse_jax.reporting import timeline

    timeline.write(_TIMELINE.value, _MEDIA.value, answers)
  return count


def main() -> int:
  _check_flags()
  _check_places()
  predictor = _MODEL.open(_BATCH_SIZE.value, _DEVICES.value, _JOBS.value)
  count = _predict(predictor)
  # Not on stdout, where the predictions themselves may go.
  print(
    f"Written: {count.rows} predictions to {_OUTPUT.value}"
    + (f", {count.errors} of them an error" if count.errors else ""),
    file=sys.stderr,
  )
  return SOME_FAILED if count.errors else 0


if __name__ == "__main__":
  command_line.run(main)
