"""Workdirs as train, eval and ablate leave them, of any size, in no time."""

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from unimse_jax.evaluation import calibration, confidence, metrics
from unimse_jax.evaluation.confidence import Groups

POLARITIES = ("negative", "neutral", "positive")
MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
IEMOCAP = ("neutral", "frustrated", "anger", "sadness", "joy", "excited")
SCHEMES = {"meld": MELD, "iemocap": IEMOCAP}
_MOODS = {"joy": 1, "excited": 1, "surprise": 1, "neutral": 0}
_RESAMPLES = 20  # enough for an interval; these tests measure no confidence

MARKUP = 'it\'s <b>"fine"</b> & <script>alert(1)</script> | 50 % \\o/ ünï'


def _scheme_of(corpus: str) -> str | None:
  return next((name for name in SCHEMES if corpus.endswith(name)), None)


def _row(rng, corpus: str, number: int, skill: float) -> dict:
  """An utterance of which the model knows a share `skill`."""
  scheme = _scheme_of(corpus)
  targets = {"polarity": None, "intensity": None, "emotion": None}
  if scheme:
    targets["emotion"] = str(rng.choice(SCHEMES[scheme]))
    mood = _MOODS.get(targets["emotion"], -1)
  else:
    targets["intensity"] = float(rng.integers(-15, 16) / 5)
    mood = float(np.sign(targets["intensity"]))
  knows = rng.random() < skill
  intensity = (
    targets["intensity"] if knows and not scheme else rng.normal() + mood
  )
  intensity = round(float(np.clip(intensity or 0.0, -3, 3)), 1)
  fields = {
    "polarity": POLARITIES[int(np.sign(intensity)) + 1],
    "intensity": intensity,
  }
  for name, classes in SCHEMES.items():
    near = [word for word in classes if _MOODS.get(word, -1) == mood]
    right = knows and name == scheme
    fields[name] = (
      targets["emotion"] if right else str(rng.choice(near or classes))
    )
  text = MARKUP if number == 0 else f"utterance {number} of {corpus}, said so"
  return {
    "id": f"test{number}",
    "corpus": corpus,
    "dialogue": f"dialogue{number // 4}",
    "speaker": "",
    "output": ", ".join(f"{value}" for value in fields.values()),
    "malformed": False,
    "fields": fields,
    "intensity": {"greedy": intensity},
    "probabilities": _probabilities(rng, fields),
    "targets": targets,
    "text": text,
    "scored": {
      "intensity": None if scheme else intensity,
      "emotion": fields[scheme] if scheme else None,
    },
    "donors": {
      "iemocap" if scheme != "iemocap" else "intensity": {
        "donor": f"{corpus}/train/donor{number}",
        "similarity": 0.8,
        "text": f"what donor {number} said",
      }
    },
    "mood": mood,
  }


def _probabilities(rng, fields: dict) -> dict:
  found = {}
  for slot, classes in ({"polarity": POLARITIES} | SCHEMES).items():
    share = float(rng.uniform(0.4, 1))
    rest = (1 - share) / (len(classes) - 1)
    found[slot] = dict.fromkeys(classes, rest) | {fields[slot]: share}
  return found


def _score(rows: list[dict], corpus: str) -> dict:
  scheme = _scheme_of(corpus)
  field = "emotion" if scheme else "intensity"
  predicted = np.array([row["scored"][field] for row in rows])
  target = np.array([row["targets"][field] for row in rows])

  def score(chosen) -> dict:
    if scheme:
      return metrics.emotion_scores(
        predicted[chosen].tolist(), target[chosen].tolist(), SCHEMES[scheme]
      )
    return metrics.sentiment_scores(predicted[chosen], target[chosen])

  scores = score(np.arange(len(rows)))
  constant = f"constant_{'emotion' if scheme else 'sentiment'}"
  if scheme:
    fixed = metrics.constant_emotion(target, target, SCHEMES[scheme])
  else:
    fixed = metrics.constant_sentiment(target, target) | {"corr": None}
  groups = Groups.of([row["dialogue"] for row in rows], [""] * len(rows))
  intervals, plain = (
    {
      name: _finite_list(each.low, each.high)
      for name, each in confidence.bootstrap(
        score, each_groups, resamples=_RESAMPLES
      ).items()
    }
    for each_groups in (groups, Groups.single(len(rows)))
  )
  return scores | {
    "n_intensity": 0 if scheme else len(rows),
    "n_emotion": len(rows) if scheme else 0,
    "malformed": 0,
    constant: {k: v for k, v in fixed.items() if isinstance(v, float | None)},
    "intervals": intervals,
    "resampled": {field: groups.describe()},
    "utterance_intervals": plain,
    "calibration": _calibration(rows, scheme),
  }


def _calibration(rows: list[dict], scheme: str | None) -> dict:
  slot = scheme or "polarity"
  sure = [row["probabilities"][slot][row["fields"][slot]] for row in rows]
  truth = [
    row["targets"]["emotion"]
    if scheme
    else POLARITIES[int(np.sign(row["targets"]["intensity"])) + 1]
    for row in rows
  ]
  right = [
    row["fields"][slot] == each for row, each in zip(rows, truth, strict=True)
  ]
  bins = calibration.reliability(sure, right)
  error = calibration.expected_calibration_error(bins)
  filled = [_finite(vars(each)) for each in bins]
  return {slot: {"ece": error, "n": len(rows), "bins": filled}}


def _finite_list(*values: float) -> list[float | None]:
  return [None if value != value else value for value in values]


def _finite(values: dict) -> dict:
  return {k: None if v != v else v for k, v in values.items()}


def write_run(
  workdir: pathlib.Path,
  counts: dict[str, int],
  seed: int = 0,
  skill: float = 0.6,
  data: pathlib.Path | None = None,
  split: str = "test",
) -> list[dict]:
  """results/, predictions/ and metrics.jsonl of a run; returns its rows.

  The truths depend on the corpus alone, the predictions on `seed` as well.
  """
  rows = []
  for corpus, count in counts.items():
    rng = np.random.default_rng(seed)
    for number in range(count):
      # The first draw of a row is its truth: it must not depend on the seed.
      truth = np.random.default_rng([number, len(corpus)])
      row = _row(truth, corpus, number, 1.0)
      guess = _row(rng, corpus, number, 0.0)
      known = rng.random() < skill
      rows.append(row if known else guess | {"targets": row["targets"]})
  corpora = {
    corpus: _score([row for row in rows if row["corpus"] == corpus], corpus)
    for corpus in counts
  }
  moods = np.array([row["mood"] for row in rows])
  rng = np.random.default_rng(seed)
  embeddings = rng.normal(0, 1, (len(rows), 16)).astype(np.float32)
  embeddings[:, 0] += 4 * moods
  _write_json(
    workdir / "results" / f"{split}.json", _results(corpora, rows, data)
  )
  folder = workdir / "predictions"
  folder.mkdir(parents=True, exist_ok=True)
  kept = [{k: v for k, v in row.items() if k != "mood"} for row in rows]
  text = "".join(json.dumps(row) + "\n" for row in kept)
  (folder / f"{split}.jsonl").write_text(text)
  np.savez(folder / f"{split}_embeddings.npz", embeddings=embeddings)
  _write_metrics(workdir, corpora)
  return rows


def _results(corpora: dict, rows: list, data: pathlib.Path | None) -> dict:
  withheld = {
    name: {
      corpus: {
        k: v * (1.2 if k == "mae" else 0.9)
        for k, v in scores.items()
        if k in ("mae", "corr", "acc", "wf1")
      }
      for corpus, scores in corpora.items()
    }
    for name in ("audio", "video", "audio_video")
  }
  missing = {
    f"{share}": {
      corpus: {
        k: v * (1 + share if k == "mae" else 1 - share)
        for k, v in scores.items()
        if k in ("mae", "corr", "acc", "wf1")
      }
      for corpus, scores in corpora.items()
    }
    for share in (0.1, 0.5)
  }
  return {
    "corpora": corpora,
    "decoding": {
      "n": len(rows),
      "malformed": 1,
      "malformed_rate": 1 / len(rows),
      "malformed_outputs": 0,
      "distinct_outputs": len({row["output"] for row in rows}),
      "collapse": {"warnings": []},
    },
    "withheld": withheld,
    "missing": missing,
    "test_openings": 1,
    "selection": {"checkpoint": "best", "step": 400, "rule": "lowest rank"},
    "provenance": _provenance(corpora, str(data or "data/none")),
  }


def _provenance(corpora: dict, data: str) -> dict:
  paths = {"dir": data, "labels": f"{data}/labels.jsonl"}
  each = {"settings_sha256": "cd" * 32, "shards": {}}
  return {
    "config": {"name": "made_up", "seed": 0, "data": paths},
    "seed": 0,
    "data": {
      "labels_sha256": "ab" * 32,
      "datasets": dict.fromkeys(corpora, each),
    },
    "versions": {"jax": "0.10.2", "python": "3.11.2"},
    "commit": "0" * 40,
    "device": "1 x cpu",
  }


def _write_metrics(workdir: pathlib.Path, corpora: dict) -> None:
  lines = []
  for step in range(0, 500, 20):
    loss = {"loss": 3 / (1 + step / 90), "nll": 2 / (1 + step / 90)}
    loss |= {"contrastive_audio": 9 - step / 200, "contrastive_video": 8.0}
    lines.append({"step": step, "split": "train", **loss, **_signals(step)})
    if step % 100 == 0:
      scores = {
        f"{name}/{key}": scores[key] * (1 + step / 1000)
        for name, scores in corpora.items()
        for key in ("mae", "wf1")
        if key in scores
      }
      lines.append(
        {"step": step, "split": "validation", "malformed_rate": 0.1} | scores
      )
  (workdir / "metrics.jsonl").write_text(
    "".join(f"{json.dumps(x)}\n" for x in lines)
  )


def _signals(step: int) -> dict[str, float | None]:
  """What a training step measures; at step 0 no row had a face."""
  video = None if step == 0 else 0.004
  found = {"signal/segments": 0.02, "gradient/t5": 0.9, "gradient/encoders": 0}
  for layer in ("layers_10", "layers_11"):
    found[f"signal/{layer}/stream"] = 80.0
    found[f"signal/{layer}/audio"] = 0.001 * step
    found[f"signal/{layer}/video"] = video
    found[f"signal/{layer}/saturated"] = 0.5
  return found


def _write_json(path: pathlib.Path, content) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(content))


def _gather(runs: list[dict]) -> dict:
  """{corpus: {score: {mean, sd, values}}} of results."""
  found = {}
  for corpus, scores in runs[0]["corpora"].items():
    found[corpus] = {}
    for name, value in scores.items():
      if isinstance(value, float):
        values = [run["corpora"][corpus][name] for run in runs]
        found[corpus][name] = {
          "mean": float(np.mean(values)),
          "sd": float(np.std(values, ddof=1)),
          "values": values,
        }
  return found


def write_gathered(
  root: pathlib.Path, counts: dict[str, int], data=None
) -> None:
  """Three seeds of a run below `root`, gathered, and three ablation rows."""
  seeds = [0, 1, 2]
  rows = {
    "full": ("UniMSE", 0.7),
    "without_audio": ("w/o A", 0.6),
    "without_pmf": ("w/o PMF", 0.4),
    "pmf_first": ("PMF in the first layers", 0.65),
  }
  table = []
  for row, (title, skill) in rows.items():
    runs = []
    for seed in seeds:
      workdir = (
        root / f"seed_{seed}" if row == "full" else root / row / f"seed_{seed}"
      )
      write_run(workdir, counts, seed, skill, data)
      runs.append(json.loads((workdir / "results" / "test.json").read_text()))
    corpora = _gather(runs)
    table.append(
      {
        "row": row,
        "title": title,
        "seeds": seeds,
        "split": "test",
        "corpora": corpora,
        "differences": {},
        "resampled": {},
      }
    )
    if row != "full":
      table[-1]["differences"] = _differences(corpora, table[0]["corpora"])
      groups = {"unit": "dialogue", "groups": 9}
      table[-1]["resampled"] = {
        name: {"intensity": groups, "emotion": groups} for name in corpora
      }
  _write_json(
    root / "seeds.json",
    {"seeds": seeds, "split": "test", "corpora": table[0]["corpora"]},
  )
  _write_json(root / "ablation.json", {"rows": table})


def _differences(corpora: dict, full: dict) -> dict:
  return {
    corpus: {
      name: [
        each["mean"] - full[corpus][name]["mean"] + edge
        for edge in (0, -0.05, 0.05)
      ]
      for name, each in scores.items()
    }
    for corpus, scores in corpora.items()
  }


def write_data_files(data: pathlib.Path) -> None:
  """statistics.json and an audit, as the exporter writes them."""
  counts = {"train": 20, "validation": 5, "test": 7}
  emotions = {word: dict(counts) for word in MELD}
  corpus = {"clips": counts, "emotions": {}, "audio_clips": 30, "cut": 1}
  corpus |= {"mean_seconds": 4.2, "absent_audio": 2}
  comparison = [
    {"table": 1, "corpus": "mosi", "row": "clips", "column": "test"}
    | {"found": 7, "published": 686, "reason": "a sample"},
    {"table": 5, "corpus": "meld", "row": "joy", "column": "train"}
    | {"found": 20, "published": 1744, "reason": ""},
  ]
  _write_json(
    data / "statistics.json",
    {
      "corpora": {"mosi": corpus, "meld": corpus | {"emotions": emotions}},
      "tasks": {"MSA": 4.2, "ERC": None},
      "comparison": comparison,
    },
  )
  judged = {"n": 80, "right": 72, "accuracy": 0.9, "low": 0.815, "high": 0.948}
  _write_json(
    data / "labels.audit.json",
    {
      "sheet": "labels.audit.csv",
      "labels_sha256": "ab" * 32,
      "samples": judged,
      "slots": {"intensity": judged, "meld": judged},
      "labels": {"n": 160, "right": 144, "accuracy": 0.9},
    },
  )


@pytest.fixture(scope="session")
def make_run() -> Callable[..., list[dict]]:
  return write_run


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory) -> pathlib.Path:
  """A run on corpora named as the paper's, of other sizes."""
  root = tmp_path_factory.mktemp("paper_run")
  data = tmp_path_factory.mktemp("data_files")
  write_data_files(data)
  write_run(
    root, {"mosi": 60, "mosei": 40, "meld": 70, "iemocap": 30}, data=data
  )
  return root


@pytest.fixture(scope="session")
def gathered_runs(tmp_path_factory) -> pathlib.Path:
  """Three seeds and an ablation on corpora named as the demo's."""
  root = tmp_path_factory.mktemp("gathered_runs")
  data = tmp_path_factory.mktemp("demo_files")
  write_data_files(data)
  write_gathered(root, {"demo_mosi": 40, "demo_meld": 50}, data)
  return root
