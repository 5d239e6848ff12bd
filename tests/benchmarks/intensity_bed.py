"""Sentiment numbers on real words, two corpora with different spreads.

  pip install vaderSentiment
  python tests/benchmarks/intensity_bed.py --data ../shared/data \
    --out runs/bed [--seeds 3] [--name NAME] [--emotions] [section.field=value]

MOSI's and MELD's texts are public, MOSI's rated numbers are not. A STAND-IN
takes their place: the compound score of the VADER lexicon (Hutto and Gilbert
2014), times 3 and in fifths for MOSI as the means of its five raters are, times
1.5 and in thirds for MELD as those of MOSEI's three. What is learnt here is a
lexicon, not people's judgement: the bed compares ways to write numbers, it says
nothing about scores on MOSI.

With --emotions MELD keeps its own emotions, which people gave, and has no
numbers; label completion joins the two corpora, as in the paper.

Goes the whole way: manifest, exporter, universal labels, training, the best
checkpoint of the validation splits, and the test split once. The model is a
little smaller than the demo's and starts from the sentence encoder's vectors
(t5.warm_start=none: from random weights); the vocabulary is made from the
training texts. The words behind the options are fields of the config. Prints,
for each corpus, the number as written and the estimates from its distribution,
beside a TF-IDF ridge regression (of the corpus alone, and of both together,
alpha chosen on validation) and the training median; appends a line to
OUT/results.jsonl.
"""

import argparse
import csv
import json
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from configs import demo  # noqa: E402
from unimse_jax import config as config_lib  # noqa: E402
from unimse_jax import pipeline as pipeline_lib  # noqa: E402
from unimse_jax.evaluation.evaluator import Evaluator  # noqa: E402
from unimse_jax.evaluation.metrics import (  # noqa: E402
  emotion_scores,
  sentiment_scores,
)
from unimse_jax.pipeline import (
  Experiment,  # noqa: E402
  restore_params,  # noqa: E402
)
from unimse_jax.pipeline.mesh import config_mesh  # noqa: E402
from unimse_jax.prediction.prediction import Prediction  # noqa: E402
from unimse_jax.rundir import RunDir  # noqa: E402
from unimse_jax.training import trainer  # noqa: E402

CORPORA = ("mosi", "meld")
# Factor of the compound score, and steps of a point that raters' means have.
_SCALES = {"mosi": (3.0, 5), "meld": (1.5, 3)}
_MELD_FILES = {"train": "train", "validation": "dev", "test": "test"}
_MELD_ROWS = {"train": 1500, "validation": 250, "test": 500}
_ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of the ridge regression


def read_mosi(shared: pathlib.Path) -> list[dict[str, str]]:
  """MOSI's texts, split by video."""
  folds = json.loads((shared / "folds/cmu_mosi_std_folds.json").read_text())
  split_of = {
    video: {"valid": "validation"}.get(split, split)
    for split, videos in folds.items()
    for video in videos
  }
  with (shared / "mosi/transcripts.csv").open(encoding="utf-8") as file:
    return [
      {"id": name, "split": split_of[name.rsplit("_", 1)[0]], "text": text}
      for name, text, *_ in csv.reader(file)
    ]


def read_meld(shared: pathlib.Path) -> list[dict[str, str]]:
  """A sample of MELD's texts with their emotions, in its own splits."""
  rows = []
  for split, name in _MELD_FILES.items():
    path = shared / f"meld/{name}_sent_emo.csv"
    with path.open(encoding="utf-8") as file:
      read = list(csv.DictReader(file))
    chosen = np.random.default_rng(0).permutation(len(read))
    for number in sorted(chosen[: _MELD_ROWS[split]].tolist()):
      row = read[number]
      rows.append(
        {
          "id": f"{split}_{row['Dialogue_ID']}_{row['Utterance_ID']}",
          "split": split,
          "text": row["Utterance"],
          "emotion": row["Emotion"],
          "polarity": row["Sentiment"],
        }
      )
  return rows


def read_corpora(
  shared: pathlib.Path, emotions: bool = False
) -> dict[str, list[dict[str, Any]]]:
  """Rows of a manifest for each corpus, with the stand-in for the numbers."""
  from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

  rate = SentimentIntensityAnalyzer().polarity_scores
  corpora = {"mosi": read_mosi(shared), "meld": read_meld(shared)}
  for name, rows in corpora.items():
    if name == "mosi" or not emotions:
      factor, steps = _SCALES[name]
      for row in rows:
        row.pop("emotion", None), row.pop("polarity", None)
        number = factor * rate(row["text"].lower())["compound"]
        row["intensity"] = round(number * steps) / steps
  return corpora


def make_data(
  shared: pathlib.Path, folder: pathlib.Path, emotions: bool
) -> None:
  """Manifests, records and universal labels, as a user would make them."""
  # Here, for where the records are there already: torch takes its time.
  from feature_export import export, universal_labels

  for name, rows in read_corpora(shared, emotions).items():
    manifest = folder / name / "manifest.jsonl"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--corpus", "manifest", "--name", name]
    arguments += ["--raw", str(manifest), "--out", str(folder / "records")]
    if emotions and name == "meld":
      arguments += ["--scheme", "meld"]
    assert export.main(arguments) == 0
  arguments = ["--data", str(folder / "records"), "--corpora", "mosi,meld"]
  arguments += ["--out", str(folder / "universal_labels.jsonl"), "--sentences"]
  assert universal_labels.main(arguments) == 0


def make_config(folder: pathlib.Path, seed: int, changes: Sequence[str]):
  """The demo's model on texts alone, with the fields that are asked for."""
  values = demo.get_config()
  values.seed = seed
  values.data.dir = str(folder / "records")
  values.data.labels = str(folder / "universal_labels.jsonl")
  values.data.corpora = CORPORA
  values.data.modalities = ()
  values.data.buckets = (32,)  # few shapes: compiling is half of a run
  values.text.max_tokens = 32
  values.t5.encoder_layers, values.t5.decoder_layers = 2, 1
  values.t5.dropout = 0.1
  values.t5.warm_start = "sentences"
  values.text.lowercase = CORPORA
  values.tokenizer.vocab_size = 2000
  values.optimizer.lr_t5 = 1e-3
  values.optimizer.lr_main = 1e-3
  values.train.batch_size = 32
  values.train.epochs = 32
  values.train.evaluate_every_epochs = 4
  values.decoding.max_new_tokens = 10
  values.decoding.batch_size = 128
  for change in changes:
    path, _, text = change.partition("=")
    try:
      value = json.loads(text)
    except ValueError:
      value = text
    old = values
    *sections, name = path.split(".")
    for section in sections:
      old = old[section]
    old[name] = tuple(value) if isinstance(value, list) else value
  return config_lib.validate(values.to_dict())


def numbers(experiment: Experiment, split: str, corpus: str) -> tuple:
  """Texts and rated numbers of a corpus's split."""
  records = [
    each
    for each in experiment.mixture.examples[split]
    if each.corpus == corpus and each.intensity is not None
  ]
  return [each.text.lower() for each in records], np.array(
    [each.intensity for each in records]
  )


def ridge(experiment: Experiment) -> dict[str, dict[str, np.ndarray]]:
  """Predictions for test: of each corpus's own ridge, and of a joint one."""
  read = {
    (split, corpus): numbers(experiment, split, corpus)
    for split in ("train", "validation", "test")
    for corpus in CORPORA
  }
  rated = [each for each in CORPORA if len(read["test", each][1])]
  found: dict[str, dict[str, np.ndarray]] = {each: {} for each in rated}
  for name, groups in (
    ("ridge", [[each] for each in rated]),
    ("joint ridge", [rated]),
  ):
    for group in groups:
      joined = {
        split: (
          sum((read[split, each][0] for each in group), []),
          np.concatenate([read[split, each][1] for each in group]),
        )
        for split in ("train", "validation")
      }
      fitted = [
        make_pipeline(
          make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(
              analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True
            ),
          ),
          Ridge(alpha=alpha),
        ).fit(*joined["train"])
        for alpha in _ALPHAS
      ]
      texts, truth = joined["validation"]
      best = min(
        fitted, key=lambda model: np.abs(model.predict(texts) - truth).mean()
      )
      for each in group:
        found[each][name] = best.predict(read["test", each][0]).clip(-3, 3)
  for each in rated:
    median = np.median(read["train", each][1])
    found[each]["constant"] = np.full(len(read["test", each][1]), median)
  return found


def score(predicted: Sequence[float], truth: np.ndarray) -> dict[str, Any]:
  """What the bed looks at."""
  scores = sentiment_scores(predicted, truth)
  values, counts = np.unique(np.round(predicted, 6), return_counts=True)
  return {
    "mae": scores["mae"],
    "corr": scores["corr"],
    "acc2": scores["acc2_has0"],
    "distinct": len(values),
    "commonest": float(counts.max() / counts.sum()),
    "n": len(truth),
  }


def score_numbers(
  predictions: Sequence[Prediction],
) -> dict[str, dict[str, Any]]:
  """Corpus -> way to read a number -> scores."""
  found: dict[str, dict[str, Any]] = {}
  for corpus in CORPORA:
    own = [
      each
      for each in predictions
      if each.record.corpus == corpus and each.record.intensity is not None
    ]
    if own:
      truth = np.array([each.record.intensity for each in own])
      ways = own[0].estimates
      found[corpus] = {
        way: score([each.estimates[way] for each in own], truth) for way in ways
      }
  return found


def score_emotions(
  predictions: Sequence[Prediction], classes: Sequence[str]
) -> Mapping[str, float]:
  """Of the utterances whose emotion people gave."""
  own = [each for each in predictions if each.record.emotion]
  scores = emotion_scores(
    [each.parsed.emotion("meld") or "" for each in own],
    [each.record.emotion for each in own],
    classes,
  )
  return {name: scores[name] for name in ("acc", "wf1", "macro_f1", "n")}


def show(way: str, scores: Mapping[str, Any]) -> None:
  corr = float("nan") if scores["corr"] is None else scores["corr"]
  print(
    f"  {way:16} MAE {scores['mae']:.3f}  Corr {corr:.3f}  "
    f"Acc2 {scores['acc2']:.3f}  {scores['distinct']} distinct, commonest "
    f"{scores['commonest']:.2f}, N = {scores['n']}",
    flush=True,
  )


def run(options: argparse.Namespace, seed: int) -> None:
  """Trains one seed, opens test once."""
  config = make_config(options.out / "data", seed, options.changes)
  workdir = options.out / options.name / f"seed_{seed}"
  start = time.perf_counter()
  trainer.train(config, workdir)
  seconds = time.perf_counter() - start
  experiment = pipeline_lib.prepare_run(config, RunDir(workdir))
  mesh = config_mesh(config)
  params, chosen = restore_params(experiment.pipeline, mesh, RunDir(workdir))
  start = time.perf_counter()
  predictions = Evaluator(experiment, mesh).predict(params, "test", True)
  line = {
    "name": options.name,
    "seed": seed,
    "step": chosen["step"],
    "train_seconds": seconds,
    "eval_seconds": time.perf_counter() - start,
    "config": config_lib.to_dict(config),
    "numbers": score_numbers(predictions),
  }
  classes = experiment.mixture.emotion_classes("meld")
  if classes:
    line["emotions"] = score_emotions(predictions, classes)
  print(
    f"{options.name}, seed {seed}: step {chosen['step']}, trained "
    f"{seconds:.0f} s, test {line['eval_seconds']:.0f} s"
  )
  for corpus, ways in line["numbers"].items():
    print(f" {corpus}")
    for way, scores in ways.items():
      show(way, scores)
  if classes:
    print("  " + ", ".join(f"{k} {v:.3f}" for k, v in line["emotions"].items()))
  with (options.out / "results.jsonl").open("a") as file:
    file.write(json.dumps(line) + "\n")
  if seed == options.first_seed:
    for corpus, ways in ridge(experiment).items():
      print(f" {corpus}, baselines")
      truth = numbers(experiment, "test", corpus)[1]
      for way, predicted in ways.items():
        show(way, score(predicted, truth))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--data", type=pathlib.Path, required=True)
  parser.add_argument("--out", type=pathlib.Path, required=True)
  parser.add_argument("--seeds", type=int, default=3)
  parser.add_argument("--first_seed", type=int, default=0)
  parser.add_argument("--name", default="default", help="of the variant")
  parser.add_argument("--emotions", action="store_true")
  parser.add_argument("changes", nargs="*", help="section.field=value")
  options = parser.parse_args()
  if not (options.out / "data/universal_labels.jsonl").is_file():
    make_data(options.data, options.out / "data", options.emotions)
  for number in range(options.seeds):
    run(options, options.first_seed + number)


if __name__ == "__main__":
  main()
