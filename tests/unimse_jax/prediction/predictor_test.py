"""A trained run answers clips, with nothing but its workdir."""

import json
import threading

import numpy as np
import pytest

from unimse_jax.data.records import CorpusRecords
from unimse_jax.errors import InputError
from unimse_jax.prediction import Clip, Predictor, corpus
from unimse_jax.training import evaluation_run


@pytest.fixture(scope="module")
def predictor(straight) -> Predictor:
  return Predictor.from_workdir(straight)


def clips(count: int) -> list[Clip]:
  rng = np.random.default_rng(0)
  return [
    Clip(
      text="a great film " * (number % 3 + 1),
      audio=rng.standard_normal((number % 5, 4)),
      video=None if number % 2 else rng.standard_normal((2, 6)),
      before=("so",) * (number % 2),
    )
    for number in range(count)
  ]


def test_every_clip_is_answered_in_order(predictor):
  given = clips(8)
  found = predictor.predict(given)
  assert len(found) == 8
  for clip, prediction in zip(given, found, strict=True):
    assert set(prediction.emotions) == {"moods"}
    assert sum(prediction.probabilities["polarity"].values()) == (
      pytest.approx(1, abs=1e-6)
    )
    assert ("video" in prediction.missing) == (clip.video is None)
    assert ("audio" in prediction.missing) == (not len(clip.audio))


def test_an_answer_does_not_depend_on_the_other_clips(predictor):
  given = clips(8)
  together = predictor.predict(given)
  alone = [predictor.predict([clip])[0] for clip in given]
  for first, second in zip(together, alone, strict=True):
    assert first.output == second.output
    for slot, classes in first.probabilities.items():
      # Batches are padded to one size: the same program, the same numbers.
      assert classes == pytest.approx(second.probabilities[slot], abs=1e-6)


def test_threads_take_turns(predictor):
  given = clips(6)
  expected = [each.output for each in predictor.predict(given)]
  found = {}

  def work(number: int) -> None:
    found[number] = [each.output for each in predictor.predict(given)]

  threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert found == dict.fromkeys(range(4), expected)


def test_frames_of_another_width_are_all_named(predictor):
  wrong = [Clip(text="a", audio=np.zeros((3, 5))), Clip(text="b")]
  wrong.append(Clip(text="c", video=np.zeros(6)))
  with pytest.raises(InputError) as caught:
    predictor.predict(wrong)
  message = str(caught.value)
  assert "clip 0: expected audio frames of width 4" in message
  assert "clip 2: expected video frames of width 6" in message
  assert "clip 1" not in message


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(InputError, match="config.json"):
    Predictor.from_workdir(tmp_path)


def test_predictions_of_records_are_those_of_the_evaluation(
  straight, tiny_config, corpora, tmp_path
):
  output = tmp_path / "out" / "predictions.jsonl"
  count = corpus.predict(str(straight), str(corpora), "friends", "test", output)
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert count == len(rows) == 5
  evaluation, _, _ = evaluation_run.evaluate(tiny_config(), straight, "test")
  own = [
    each for each in evaluation.predictions if each.example.corpus == "friends"
  ]
  assert [row["output"] for row in rows] == [
    each.labelled.output for each in own
  ]
  assert [row["id"] for row in rows] == [
    record.id for record in CorpusRecords(str(corpora), "friends").texts["test"]
  ]
