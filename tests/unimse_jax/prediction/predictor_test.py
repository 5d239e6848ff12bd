"""A trained run answers clips, with nothing but its workdir."""

import dataclasses
import re
import threading

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.prediction import Clip, Predictor
from unimse_jax.prediction import clips as clips_lib


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
  expected = predictor.predict(given)
  found = {}

  def work(number: int) -> None:
    found[number] = predictor.predict(given)

  threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert found == dict.fromkeys(range(4), expected)


def nested(depth: int) -> list:
  value = []
  for _ in range(depth):
    value = [value]
  return value


class NoArray:
  """An array-like of somebody else that fails."""

  def __array__(self, *arguments, **named):
    raise RuntimeError("on another device")


RNG = np.random.default_rng(1)
VOICE, FACE = RNG.standard_normal((3, 4)), RNG.standard_normal((2, 6))
# name -> (clip, what its error says)
REFUSED = {
  "nothing": (Clip(text=" "), "found none of them"),
  "nan": (Clip(text="a", audio=VOICE * np.nan), "in 3 of 3 frames"),
  "infinite": (Clip(text="a", video=FACE + np.inf), "in 2 of 2 frames"),
  "too large": (Clip(text="a", audio=VOICE * 1e60), "too large"),
  "width": (Clip(text="a", audio=np.zeros((3, 5))), "audio: .*of width 4"),
  "flat": (Clip(text="a", video=np.zeros(6)), r"found shape \(6,\)"),
  "no columns": (Clip(text="a", audio=np.zeros((3, 0))), "width 4"),
  "swapped": (Clip(text="a", audio=FACE, video=VOICE), "swapped.*swapped"),
  "words": (Clip(text="a", audio=np.array([["x"]])), "expected numbers"),
  "ragged": (Clip(text="a", audio=[[1], [1, 2]]), "expected an array"),
  "no text": (Clip(text=None), "text: expected a text, found None"),
  "half a pair": (Clip(text="\ud83d"), "text: expected a text"),
  "turn": (Clip(text="a", before="so"), "before: expected a tuple"),
  "names": (
    Clip(text="a", before=("so",), before_speakers=("A", "B")),
    "before_speakers: expected 1 names, found 2",
  ),
  "corpus": (
    Clip(text="a", corpus="MELD"),
    r"corpus: expected one .*\(films, friends\) or none, found 'MELD'",
  ),
  "no clip": ("a", "expected a Clip, found 'a'"),
  "nothing at all": (None, "expected a Clip, found None"),
  "deep": (Clip(text="a", before=nested(5000)), "before: .*tuple of texts"),
  "deep text": (Clip(text=nested(5000)), "text: expected a text"),
  "deep frames": (Clip(text="a", audio=nested(5000)), "audio: expected"),
  "no array": (Clip(text="a", audio=NoArray()), "audio: expected an array"),
  "no seconds": (
    Clip(text="a", audio="a.wav", start="1"),
    "start: expected seconds, found '1'",
  ),
  "marks without a width": (Clip(text="\u200b\ufeff"), "found none of them"),
}


def test_clips_that_cannot_be_read_have_an_error_and_the_rest_is_answered(
  predictor,
):
  good = clips(1)[0]
  given = [clip for clip, _ in REFUSED.values()]
  found = predictor.predict([good, *given, good])
  for prediction, (name, (_, error)) in zip(
    found[1:-1], REFUSED.items(), strict=True
  ):
    assert re.search(error, prediction.error or ""), (name, prediction)
    assert prediction.polarity is None
    assert not prediction.probabilities
  alone = predictor.predict([good])[0]
  assert alone.error is None
  for each in (found[0], found[-1]):
    assert each.output == alone.output


def test_all_faults_of_a_clip_are_named(predictor):
  clip = Clip(text=None, audio=np.zeros((3, 5)), video=FACE * np.nan)
  error = predictor.predict([clip])[0].error
  for part in ("text:", "audio:", "video:"):
    assert part in error


@pytest.mark.parametrize("kind", ["float16", "float64", "int32", "uint8"])
def test_frames_may_have_any_number_type(predictor, kind):
  audio = np.arange(12).reshape(3, 4)
  expected = predictor.predict([Clip(text="a", audio=audio.astype("float32"))])
  assert predictor.predict([Clip(text="a", audio=audio.astype(kind))]) == (
    expected
  )


def test_arrays_without_frames_are_absent(predictor):
  given = [np.zeros(0), np.zeros((0, 4)), np.zeros((0, 9)), None]
  found = predictor.predict([Clip(text="a", audio=each) for each in given])
  assert found[0].missing == ("audio", "video")
  assert found == [found[-1]] * 4


def test_what_is_not_read_is_noted(predictor):
  many = RNG.standard_normal((10_000, 4))
  clip = Clip(text="a great film " * 1700, audio=many)
  found, short = predictor.predict([clip, Clip(text="a", audio=many[:4])])
  assert "audio: 10000 frames are averaged to 4" in found.notes
  assert any(note.startswith("text: the first") for note in found.notes)
  assert short.notes == ()


@pytest.mark.parametrize(
  ("changes", "notes"),
  [
    ({"long_clips": "cut"}, ("audio: the first 4 of 9 frames are read",)),
    (
      {"long_clips": "cut", "audio_stride": 2},
      ("audio: the first 8 of 9 frames are read",),
    ),
    ({"audio_stride": 2}, ("audio: 9 frames are averaged to 4",)),
    ({"audio_stride": 3}, ()),
  ],
)
def test_long_voices_are_noted_as_they_are_read(predictor, changes, notes):
  config = predictor.pipeline.config
  data = dataclasses.replace(config.data, **changes)
  pipeline = dataclasses.replace(
    predictor.pipeline, config=dataclasses.replace(config, data=data)
  )
  clip = Clip(text="a", audio=RNG.standard_normal((9, 4)))
  read = clips_lib.read(clip, pipeline)
  assert clips_lib.notes(read, pipeline.encode(read), pipeline) == notes


def test_a_voice_without_words_and_emoji_are_answered(predictor):
  voice, emoji = predictor.predict(
    [Clip(text="", audio=VOICE), Clip(text="\U0001f600")]
  )
  assert voice.error is emoji.error is None
  assert voice.notes == ("text: empty",)
  assert voice.probabilities["polarity"]


@pytest.mark.parametrize(
  ("readers", "clip", "note"),
  [
    (
      ("friends",),
      Clip(text="a", speaker="Me"),
      "speaker: not read; the run reads names where corpus is one of friends",
    ),
    (
      ("friends",),
      Clip(text="a", before=("b",), before_speakers=("You",), corpus="films"),
      "speaker: not read; the run reads names where corpus is one of friends",
    ),
    (
      (),
      Clip(text="a", speaker="Me", corpus="friends"),
      "speaker: not read; the run was trained without names",
    ),
    (("friends",), Clip(text="a", speaker="Me", corpus="friends"), None),
    (("friends",), Clip(text="a"), None),
  ],
)
def test_names_that_are_not_read_are_noted(predictor, readers, clip, note):
  config = predictor.pipeline.config
  text = dataclasses.replace(config.text, speakers=readers)
  pipeline = dataclasses.replace(
    predictor.pipeline, config=dataclasses.replace(config, text=text)
  )
  read = clips_lib.read(clip, pipeline)
  notes = clips_lib.notes(read, pipeline.encode(read), pipeline)
  assert notes == ((note,) if note else ())


def test_an_error_in_the_place_of_a_clip_is_its_answer(predictor):
  first, second = predictor.predict_iter([InputError("lost"), Clip(text="a")])
  assert (first.error, second.error) == ("lost", None)


def test_a_long_list_is_read_as_it_is_answered(predictor):
  read = []

  def source():
    for number in range(200):
      read.append(number)
      yield Clip(text="so")

  answers = predictor.predict_iter(source())
  next(answers)
  assert len(read) == 64  # eight batches of eight: six, for eight devices
  assert len(list(answers)) == 199


def test_batch_size_and_devices_are_the_callers(straight, predictor):
  other = Predictor.from_workdir(straight, batch_size=3, devices=1)
  given = clips(5)
  for ours, theirs in zip(
    other.predict(given), predictor.predict(given), strict=True
  ):
    assert ours.output == theirs.output
    # Matrices of another height are summed in another order.
    assert ours.probabilities["polarity"] == (
      pytest.approx(theirs.probabilities["polarity"], abs=1e-5)
    )


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"devices": 99}])
def test_impossible_sizes_are_refused(straight, wrong):
  with pytest.raises(InputError, match=next(iter(wrong))):
    Predictor.from_workdir(straight, **wrong)


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(InputError, match="config.json"):
    Predictor.from_workdir(tmp_path)
