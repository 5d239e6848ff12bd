"""The README.md of a packaged model."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.config import Config
from unimse_jax.pipeline import Pipeline
from unimse_jax.tables import reservations, writers
from unimse_jax.tables.scores import SCORES, TASKS, format_score
from unimse_jax.tables.table import Table

_LIMITS = """\
## Intended use

Research on multimodal sentiment analysis and emotion recognition in
conversation, on utterances like those of the training data.

## Limits

- What it reads is how others would label an utterance, not what a person
  feels. Annotators agree only in part, and so does any model of them.
- It knows the languages, accents, faces, recording conditions and kinds of
  talk of its training data. Elsewhere its scores do not hold, and they may
  differ between groups of people: measure before use.
- Out of scope: decisions about people. Emotion recognition at work and in
  education is prohibited in the European Union (AI Act, Article 5), and
  restricted elsewhere; consent of those recorded is needed everywhere.
- Probabilities are the model's own and are not calibrated.
- The T5 of this directory alone (`T5ForConditionalGeneration`) reads text
  only. In UniMSE the fusion layers change the encoder: without them the T5
  writes other labels, and its scores are not those below.
"""


def write(
  pipeline: Pipeline,
  results: Mapping[str, Any],
  source: Mapping[str, Any],
  place: str,
) -> str:
  """The card: front matter with a model-index, then prose.

  Args:
    pipeline: what was trained.
    results: split -> results, of the splits that this model was scored on.
    source: checkpoint of the parameters.
    place: directory or hub name that readers will open.
  """
  config = pipeline.config
  slots = pipeline.label_text.schema.slots
  notes = {k: reservations.of_results(each) for k, each in results.items()}
  # The hub's leaderboards show no note.
  plain = {split: each for split, each in results.items() if not notes[split]}
  return "\n".join(
    [
      _front_matter(config.name, plain),
      f"# UniMSE: {config.name}",
      "",
      "A T5 that reads an utterance with its context, voice and face, and "
      f"writes the label `{', '.join(slots)}`; trained by unimse_jax.",
      "",
      "```python",
      "from unimse_jax.prediction import Clip, Predictor",
      f"predictor = Predictor.from_pretrained({json.dumps(place)})",
      'print(predictor.predict([Clip(text="what a great film")]))',
      "```",
      "",
      "## Training data",
      "",
      f"- Corpora: {', '.join(config.data.corpora)}.",
      f"- sha256 of data and labels: `{pipeline.data_sha256}`.",
      f"- Modalities beside the text: "
      f"{', '.join(config.data.modalities) or 'none'}.",
      f"- {_start(config)}",
      f"- Seed {config.seed}; {source['checkpoint']} checkpoint, step "
      f"{source['step']}.",
      "",
      "## Scores",
      "",
      *_notes(notes),
      *_scores(results),
      "",
      _LIMITS,
    ]
  )


def _start(config: Config) -> str:
  """What training started from, of which only one is read."""
  if config.train.init_from:
    return (
      f"Trained on from {config.train.init_from}, whose training data come on "
      "top of these."
    )
  if config.t5.pretrained:
    return f"T5: {config.t5.pretrained}."
  if config.t5.warm_start == "sentences":
    return (
      "T5: from random weights, which first learnt the vectors that a sentence "
      "encoder gave the training texts."
    )
  return "T5: from random weights."


def _notes(notes: Mapping[str, Sequence[str]]) -> list[str]:
  """A paragraph for each reason, with the splits that it holds for."""
  reasons = dict.fromkeys(reason for each in notes.values() for reason in each)
  lines = []
  for reason in reasons:
    splits = [split for split, each in notes.items() if reason in each]
    lines += [f"**Scores on {' and '.join(splits)}: {reason}**", ""]
  return lines


def _scores(results: Mapping[str, Any]) -> list[str]:
  if not results:
    return [
      "Not evaluated: the run's workdir had no results of this checkpoint when "
      "it was packaged."
    ]
  rows = [("corpus", "split", "N", "seed", "scores")]
  for split, stored in results.items():
    seed = str(stored["provenance"]["seed"])
    for corpus, scores in stored["corpora"].items():
      shown = ", ".join(
        f"{score.title} {format_score(score, scores[score.name])}"
        for score in SCORES
        if scores.get(score.name) is not None
      )
      rows.append((corpus, split, _count(scores), seed, shown))
  title = "One run, one seed: the spread over seeds is not known from it."
  return [writers.to_markdown(Table(title, tuple(rows)))]


def _count(scores: Mapping[str, Any]) -> str:
  """N; both where a corpus rates fewer utterances for the one task."""
  counts = {
    task.field: scores[f"n_{task.field}"]
    for task in TASKS
    if scores[f"n_{task.field}"]
  }
  if len({*counts.values()}) == 1:
    return str(*{*counts.values()})
  return ", ".join(f"{count} ({field})" for field, count in counts.items())


def _front_matter(name: str, results: Mapping[str, Any]) -> str:
  """YAML; every JSON value is one."""
  entries = [
    {
      "task": {"type": "text-classification", "name": "Multimodal affect"},
      "dataset": {"type": corpus, "name": corpus, "split": split},
      "metrics": [
        {"type": score.name, "value": scores[score.name]}
        for score in SCORES
        if scores.get(score.name) is not None
      ],
    }
    for split, stored in results.items()
    for corpus, scores in stored["corpora"].items()
  ]
  lines = [
    "---",
    "library_name: unimse_jax",
    "pipeline_tag: text-classification",
  ]
  lines.append('tags: ["emotion-recognition", "sentiment-analysis", "t5"]')
  if entries:
    index = [{"name": name, "results": entries}]
    lines.append(f"model-index: {json.dumps(index)}")
  return "\n".join([*lines, "---", ""])
