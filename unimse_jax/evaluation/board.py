"""What TensorBoard shows of an evaluation: beside the curves of the training.

In tensorboard/<split>/ of the run: confusion matrices as images, the config as
hyper-parameters with the scores as their metrics, and the embeddings of the
last fused layer for the projector.
"""

import io
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from unimse_cli.storage import make_directory
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.evaluation.evaluator import Evaluation
from unimse_jax.files import write_atomically
from unimse_jax.rundir.event_file import EventFile

_CELL, _MARGIN = 48, 96  # pixels
_COLUMNS = ("corpus", "id", "target", "predicted", "text")
# What `targets` of an utterance may hold, the most telling first.
_TARGETS = ("emotion", "intensity", "polarity")


def write(
  folder: pathlib.Path,
  split: str,
  evaluation: Evaluation,
  step: int,
  config: Config,
) -> None:
  """Writes an evaluation; an earlier one of the split is removed.

  Args:
    folder: directory of this split alone; made if absent.
    split: split that was evaluated.
    evaluation: scores and predictions; without embeddings the projector gets
      nothing.
    step: training step of the checkpoint.
    config: config of the run, shown as hyper-parameters.
  """
  make_directory(folder)
  for old in folder.glob("events.out.tfevents.*"):
    old.unlink()
  scalars = _scalars(split, evaluation)
  events = EventFile(folder)
  for summary in _hyperparameter_summaries(config, [*scalars]):
    events.write(step, summary)
  for tag, value in scalars.items():
    events.write_scalar(step, tag, value)
  for summary in _confusion_summaries(split, evaluation):
    events.write(step, summary)
  events.close()
  _write_projector(folder, evaluation)


def confusion_image(
  confusion: Sequence[Sequence[int]], classes: Sequence[str]
) -> bytes:
  """PNG of int[C][C or C + 1]: rows are targets, darker by share of the row."""
  counts = np.asarray(confusion)
  rows, columns = counts.shape
  names = [*classes, "(other)"][:columns]
  size = (_MARGIN + columns * _CELL, _MARGIN + rows * _CELL)
  image = Image.new("RGB", size, "white")
  draw = ImageDraw.Draw(image)
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  for row in range(rows):
    top = _MARGIN + row * _CELL
    draw.text((4, top + _CELL // 3), classes[row][:14], fill="black")
    for column in range(columns):
      left = _MARGIN + column * _CELL
      share = shares[row, column]
      shade = (int(255 * (1 - share)), int(255 - 155 * share), 255)
      draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), fill=shade)
      ink = "white" if share > 0.5 else "black"
      place = (left + 6, top + _CELL // 3)
      draw.text(place, str(counts[row, column]), fill=ink)
  for column, name in enumerate(names):
    # Two heights, so that long neighbours do not run into each other.
    place = (_MARGIN + column * _CELL + 2, _MARGIN - 20 - 16 * (column % 2))
    draw.text(place, name[:14], fill="black")
  buffer = io.BytesIO()
  image.save(buffer, "png")
  return buffer.getvalue()


def _scalars(split: str, evaluation: Evaluation) -> dict[str, float]:
  return {
    f"{split}/{corpus}/{name}": value
    for corpus, scores in evaluation.corpora.items()
    for name, value in scores.items()
    if isinstance(value, float)
  }


def _hyperparameter_summaries(
  config: Config, tags: Sequence[str]
) -> Iterator[Any]:
  from tensorboard.plugins.hparams import summary_v2 as hparams

  flat = hyperparameters(config_lib.to_dict(config))
  yield hparams.hparams_config_pb(
    [hparams.HParam(name) for name in flat],
    [hparams.Metric(tag, display_name=tag) for tag in tags],
  )
  yield hparams.hparams_pb(flat)


def _confusion_summaries(split: str, evaluation: Evaluation) -> Iterator[Any]:
  from tensorboard.compat.proto import summary_pb2

  for corpus, scores in evaluation.corpora.items():
    if "confusion" in scores:
      png = confusion_image(scores["confusion"], [*scores["per_class"]])
      width, height = Image.open(io.BytesIO(png)).size
      image = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=png
      )
      tag = f"{split}/{corpus}/confusion"
      picture = summary_pb2.Summary.Value(tag=tag, image=image)
      yield summary_pb2.Summary(value=[picture])


def hyperparameters(
  config: Mapping[str, Any], prefix: str = ""
) -> dict[str, bool | float | str]:
  """{"model.pmf_layers": 3.0}; lists as JSON: the plugin has no lists."""
  flat: dict[str, bool | float | str] = {}
  for name, value in config.items():
    if isinstance(value, Mapping):
      flat |= hyperparameters(value, f"{prefix}{name}.")
    elif isinstance(value, bool | str):
      flat[prefix + name] = value
    elif isinstance(value, int | float):
      flat[prefix + name] = float(value)
    else:
      flat[prefix + name] = json.dumps(value)
  return flat


def _write_projector(folder: pathlib.Path, evaluation: Evaluation) -> None:
  vectors = [each.embedding for each in evaluation.predictions]
  files = ("projector_config.pbtxt", "embeddings.tsv", "metadata.tsv")
  if any(vector is None for vector in vectors):
    for name in files:
      (folder / name).unlink(missing_ok=True)
    return
  lines = ["\t".join(_COLUMNS)]
  for each, scored in zip(
    evaluation.predictions, evaluation.scored, strict=True
  ):
    record = each.record
    values = [getattr(record, field) for field in _TARGETS]
    told = next((v for v in values if v is not None and v != ""), "")
    said = scored["emotion"] or scored["intensity"]
    said = "" if said is None else said
    cells = (record.corpus, record.id, told, said, record.text)
    lines.append("\t".join(" ".join(str(cell).split()) for cell in cells))
  texts = (
    'embeddings {\n  tensor_name: "last fused layer"\n'
    '  tensor_path: "embeddings.tsv"\n  metadata_path: "metadata.tsv"\n}\n',
    "".join("\t".join(f"{x:.6g}" for x in row) + "\n" for row in vectors),
    "".join(f"{line}\n" for line in lines),
  )
  for name, text in zip(files, texts, strict=True):
    write_atomically(folder / name, text.encode())
