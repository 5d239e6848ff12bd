"""Transcripts as they are found: odd marks, odd encodings, odd times."""

import codecs
import json

import pytest

from feature_export.errors import InputError
from feature_export.segmentation import transcripts
from feature_export.segmentation.cues import Cue, Word


@pytest.fixture
def read(tmp_path):
  def run(content: str | bytes, name: str = "talk.srt") -> list[Cue]:
    path = tmp_path / name
    path.write_bytes(
      content if isinstance(content, bytes) else content.encode()
    )
    return list(transcripts.read(path).cues)

  return run


def test_subrip_with_hours_tags_and_two_lines(read):
  text = (
    "1\n00:00:01,500 --> 00:00:02,750\n<i>Hello</i>\n"
    "<font color=red>you</font>\n\n2\n01:02:03,04 --> 01:02:05,6  X1:0 X2:9\n"
    "{\\an8}a &lt; b &amp; c\n"
    "\n3\n7:08 --> 7:09\n3 < 4 and 5 > 2\n"
  )
  assert read(text) == [
    Cue(1.5, 2.75, "Hello you"),
    Cue(3723.04, 3725.6, "a < b & c"),
    Cue(428, 429, "3 < 4 and 5 > 2"),
  ]


def test_webvtt_with_header_notes_styles_settings_and_voices(read):
  text = (
    "WEBVTT - a talk\nKind: captions\n\nNOTE\nno --> cue\n\n"
    "STYLE\n::cue { color: red }\n\nintro\n"
    "00:01.000 --> 00:03.000 align:start\n"
    "<v.loud Ann>Hi</v> <v Bob B>Hey <b>you\n\n"
    "00:03.000 --> 00:04.000\n<v Ann>one\ntwo\n"
  )
  assert read(text, "talk.VTT") == [
    # 2 of 9 letters and blanks, then 7.
    Cue(1, pytest.approx(1 + 2 * 2 / 9), "Hi", "Ann"),
    Cue(pytest.approx(1 + 2 * 2 / 9), pytest.approx(3), "Hey you", "Bob B"),
    Cue(3, 4, "one two", "Ann"),
  ]


def test_automatic_captions_that_repeat_the_line_above_are_read_once(read):
  text = (
    "WEBVTT\n\n00:00.000 --> 00:02.000\n \nso<00:00:00.500><c> I went</c>\n\n"
    "00:02.000 --> 00:02.010\nso I went\n \n\n"
    "00:02.010 --> 00:04.000\nso I went\nhome<00:00:03.000><c> again</c>\n"
  )
  assert read(text, "talk.vtt") == [
    Cue(0, 2, "so I went"),
    Cue(2.01, 4, "home again"),
  ]
  # Other files mean it.
  twice = "1\n00:01,0 --> 00:02,0\nNo!\n\n2\n00:02,0 --> 00:03,0\nNo!\n"
  assert [cue.text for cue in read(twice)] == ["No!", "No!"]


def test_two_lines_with_dashes_are_two_people(read):
  cues = read("1\n00:01,0 --> 00:04,0\n- Who?\n– Me\n")
  assert cues == [Cue(1, 3, "Who?"), Cue(3, 4, "Me")]
  assert read("1\n00:01,0 --> 00:04,0\n- Who?\n")[0].text == "Who?"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_the_encoding_and_ends_of_lines_do_not_matter(
  read, encoding, ending
):
  text = "1\n00:01,0 --> 00:02,0\nDéjà vu\n\n2\n00:02,0 --> 00:03,0\nd’accord\n"
  cues = read(text.replace("\n", ending).encode(encoding))
  assert cues == [Cue(1, 2, "Déjà vu"), Cue(2, 3, "d’accord")]


def test_missing_blank_lines_and_blank_lines_in_front(read):
  text = (
    "\n\n1\n00:01,0 --> 00:02,0\none\n2\n00:02,0 --> 00:03,0\ntwo\n42\n\nstray"
  )
  assert read(text) == [Cue(1, 2, "one"), Cue(2, 3, "two 42")]


def test_what_is_left_out_is_counted(tmp_path):
  path = tmp_path / "talk.srt"
  times = "00:0{}:00,000 --> 00:0{}:01,000"
  texts = ["", "[music]", "(laughs)", "♪ la la ♪", "...", "<i> </i>", "*sighs*"]
  texts += ["[sighs] *I* did *it*"]
  blocks = [f"{times.format(n, n)}\n{text}\n" for n, text in enumerate(texts)]
  blocks.append("00:09:00,000 --> 00:08:00,000\nbackwards\n")
  path.write_text("\n".join(blocks))
  found = transcripts.read(path)
  assert found.cues == (Cue(420, 421, "[sighs] *I* did *it*"),)
  assert found.left_out == {
    "without words": 2,
    "sounds": 5,
    "ending before they start": 1,
  }


def test_json_of_whisper_and_programs_like_it(read):
  words = [
    {"word": " Hi", "start": 0.5, "end": 0.7, "probability": 0.9},
    {"word": " you.", "start": 0.8, "end": 1.0},
  ]
  segments = [
    {"id": 0, "start": 0.5, "end": 1, "text": " Hi you.", "words": words},
    {"start": 2, "end": 3.5, "text": "Yes", "speaker": "SPEAKER_00"}
    | {"words": [{"word": "Yes"}]},  # not aligned
    {"start": 4, "end": 5, "text": "So", "speaker": None},
  ]
  expected = [
    Cue(0.5, 1, "Hi you.", "", (Word(0.5, 0.7, "Hi"), Word(0.8, 1, "you."))),
    Cue(2, 3.5, "Yes", "SPEAKER_00"),
    Cue(4, 5, "So"),
  ]
  whole = json.dumps({"text": "Hi", "segments": segments, "language": "en"})
  assert read(whole, "talk.json") == expected
  assert read(json.dumps(segments), "talk.json") == expected


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("a.txt", "so", "ends in .srt, .vtt, .json, found"),
    ("a.srt", "", "expected cues with words, found none among 0"),
    ("a.srt", "Just words\n", "expected cues with words, found none among 0"),
    (
      "a.srt",
      "1\n00:00:01 -> 2\nno\n\n2\n0:61:x --> 1\nb\n",
      r"00:01:04,000 \(1\):\n  line 6: '0:61:x --> 1'",
    ),
    ("a.srt", "Déjà".encode("latin-1"), "UTF-8.*found.*0xe9.*iconv"),
    ("a.srt", "so".encode("utf-16-le"), "zero bytes.*iconv"),
    ("a.srt", codecs.BOM_UTF16_LE + b"a", "expected text in UTF-8"),
    ("a.json", "{", "found no JSON"),
    ("a.json", '{"text": "so"}', 'as "segments".*found none'),
    ("a.json", "[3]", "segment 1: expected an object, found 3"),
    (
      "a.json",
      '[{"start": 0, "end": "1", "text": ""}, {"start": NaN}]',
      r"\(2\):\n  segment 1: end: expected seconds from 0 on, found '1'\n"
      "  segment 2: start: .* found nan",
    ),
    (
      "a.json",
      '[{"start": 0, "end": 1, "text": 5}]',
      "text: expected a string, found 5",
    ),
    (
      "a.json",
      '[{"start": 0, "end": 1, "text": "a", "speaker": 1}]',
      "speaker: expected a string, found 1",
    ),
    ("a.json", "[" * 10**5, "nested too deeply"),
  ],
)
def test_a_file_that_is_no_transcript_is_one_message(
  read, name, content, message
):
  with pytest.raises(InputError, match=f"(?s){message}"):
    read(content, name)


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(InputError, match="expected a file, found none at"):
    transcripts.read(tmp_path / "none.srt")
