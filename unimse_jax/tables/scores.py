"""The table of scores: the one place that knows their names.

`evaluation/metrics.py` computes them; whoever shows, compares or selects by a
score asks here what it is called, how it is printed and which way is better.
"""

import dataclasses
from collections.abc import Container, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Task:
  """What a corpus may annotate, and what the scores of it have in common.

  Attributes:
    field: name of the annotated field, "intensity" or "emotion".
    constant: key in the results of the constant predictor's scores.
    constant_title: heading of the constant predictor in tables.
    answer: name in sentences of what it always says.
  """

  field: str
  constant: str
  constant_title: str
  answer: str


@dataclasses.dataclass(frozen=True)
class Score:
  """One score.

  Attributes:
    name: key in the results; metrics and TensorBoard use it too.
    title: heading in tables.
    task: field that it judges.
    better: 1 where higher is better, -1 where lower is.
    factor: multiplier of the printed number; 100 prints a percentage.
    counted: key in the results of the number of utterances behind it.
    constant_defined: whether a constant predictor always has it.
    primary: whether its task is judged by it: checkpoints are selected by it,
      and charts show it.
  """

  name: str
  title: str
  task: Task
  better: int = 1
  factor: int = 100
  counted: str = "n"
  constant_defined: bool = True
  primary: bool = False

  @property
  def is_share(self) -> bool:
    """Whether it lies in [0, 1]: a share of utterances, or a mean of such."""
    return self.factor == 100

  @property
  def best(self) -> float:
    """The value of a model that makes no error."""
    return 1.0 if self.better > 0 else 0.0


INTENSITY = Task(
  "intensity", "constant_sentiment", "always train median", "train median"
)
EMOTION = Task(
  "emotion", "constant_emotion", "always train majority", "train majority"
)
TASKS = (INTENSITY, EMOTION)

# In the order of the tables.
SCORES = (
  Score("mae", "MAE", INTENSITY, better=-1, factor=1, primary=True),
  Score("corr", "Corr", INTENSITY, factor=1, constant_defined=False),
  Score("acc7", "ACC-7", INTENSITY),
  Score("acc5", "ACC-5", INTENSITY),
  Score("acc2_has0", "ACC-2 has0", INTENSITY),
  Score(
    *("acc2_non0", "ACC-2 non0", INTENSITY),
    counted="n_non0",
    constant_defined=False,
  ),
  Score("f1_has0", "F1 has0", INTENSITY),
  Score(
    *("f1_non0", "F1 non0", INTENSITY), counted="n_non0", constant_defined=False
  ),
  Score("acc", "ACC", EMOTION),
  Score("wf1", "WF1", EMOTION, primary=True),
  Score("macro_f1", "macro F1", EMOTION),
)
BY_NAME = {each.name: each for each in SCORES}
PRIMARY = tuple(each for each in SCORES if each.primary)


def of_task(task: Task) -> tuple[Score, ...]:
  """The scores of a task, in the order of the tables."""
  return tuple(each for each in SCORES if each.task == task)


def primary(task: Task) -> Score:
  """The score that a task is judged by."""
  return next(each for each in PRIMARY if each.task == task)


def among(names: Container[str]) -> tuple[Score, ...]:
  """The scores of these names, in the order of the tables."""
  return tuple(each for each in SCORES if each.name in names)


def is_annotated(task: Task, corpus_scores: Mapping[str, Any]) -> bool:
  """Whether a corpus's scores are of a task too."""
  return primary(task).name in corpus_scores


def format_score(score: Score, value: float | None, sign: str = "") -> str:
  """A score as the field prints it: 0.691, 48.68; "-" where there is none.

  Args:
    score: kind of score; says whether a share becomes a percentage.
    value: fraction, or value on the intensity's scale.
    sign: "+" prints the sign of positive numbers too.
  """
  if value is None:
    return "-"
  places = ".2f" if score.factor > 1 else ".3f"
  return f"{value * score.factor:{sign}{places}}"


def format_interval(
  score: Score, ends: Sequence[float | None] | None, sign: str = ""
) -> str:
  """A confidence interval: "0.650 to 0.730"; "-" where there is none."""
  if not ends or None in ends:
    return "-"
  return " to ".join(format_score(score, end, sign) for end in ends)


def format_spread(score: Score, summary: Mapping[str, Any] | None) -> str:
  """Mean ± deviation over seeds: "0.691 ± 0.012"; of one seed its value.

  Args:
    score: kind of score.
    summary: {"mean", "sd"} of seeds.json; None where there is no such score.
  """
  if summary is None:
    return "-"
  mean = format_score(score, summary["mean"])
  if summary["sd"] is None:
    return mean
  return f"{mean} ± {format_score(score, summary['sd'])}"


def format_difference(
  score: Score, values: Sequence[float | None] | None
) -> str:
  """A difference with its interval: "+0.030 (+0.010 to +0.050)".

  Args:
    score: kind of score.
    values: difference, low and high end; None where not defined.
  """
  if not values or values[0] is None:
    return "-"
  ends = format_interval(score, values[1:], "+")
  text = format_score(score, values[0], "+")
  return text if ends == "-" else f"{text} ({ends})"
