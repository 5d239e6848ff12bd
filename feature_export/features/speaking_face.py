"""The speaking face among several: the one whose mouth moves with the voice.

Faces are followed through the clip, and between neighbouring frames the change
of the lower third of each is measured. The face whose changes correlate most
with the energy of the voice is the speaking one. There is no network in it: a
listener who nods or chews is told from a speaker, two people who speak at once
are not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features.audio import read_waveform
from feature_export.features.faces import Box, Detector
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import (
  AudioSettings,
  SpeakerSettings,
  VideoSettings,
)
from feature_export.features.video import extract_frames

_SIDE = 64  # pixels of a face whose movement is measured
_EDGE = 4  # pixels around it that hold neck and hair
_UPPER = _SIDE * 2 // 3  # rows above the mouth
# A head does not move further between frames; what looks so is an error.
_FURTHEST = _SIDE / 10
# Mean change of brightness, of 255, by which one shot ends and the next begins.
_CUT = 30.0
_CUT_SIZE = (32, 18)  # pixels of the pictures that it is seen in
# Searches in a row that may miss a face before it counts as gone.
_MISSES = 1


@dataclass
class _Track:
  """One face while it is in sight.

  Attributes:
    times: times of the searches that found it, s.
    boxes: its box in each of them.
    until: time of the last frame that surely shows it, s.
    moments: middles between neighbouring frames, s.
    movement: mean change of its mouth's brightness there.
    missed: number of searches since then.
    agreement: correlation of the movement with the voice.
  """

  times: list[float]
  boxes: list[Box]
  until: float
  moments: list[float] = field(default_factory=list)
  movement: list[float] = field(default_factory=list)
  missed: int = 0
  agreement: float = 0.0

  def box_at(self, time: float) -> Box:
    """The box at a time, interpolated."""
    sides = zip(*self.boxes, strict=True)
    return tuple(round(float(np.interp(time, self.times, s))) for s in sides)


def _overlap(one: Box, other: Box) -> float:
  """Intersection over union."""
  width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
  height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
  common = max(0, width) * max(0, height)
  return common / (one[2] * one[3] + other[2] * other[3] - common)


def _is_cut(before: np.ndarray, after: np.ndarray) -> bool:
  import cv2

  small = [
    cv2.resize(each, _CUT_SIZE, interpolation=cv2.INTER_AREA).astype(float)
    for each in (before, after)
  ]
  return float(np.abs(small[0] - small[1]).mean()) > _CUT


def _cut_face(grey: np.ndarray, box: Box) -> np.ndarray:
  """A face as float32[64, 64]."""
  import cv2

  x, y, width, height = box
  face = grey[max(0, y) : y + height, max(0, x) : x + width]
  size = (_SIDE, _SIDE)
  return cv2.resize(face, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _mouth_change(before: np.ndarray, after: np.ndarray, box: Box) -> float:
  """How much a mouth changes between two frames, without the head's movement.

  Args:
    before: uint8[H, W], grey.
    after: the next frame.
    box: the face in both.
  """
  import cv2

  one, other = _cut_face(before, box), _cut_face(after, box)
  window = cv2.createHanningWindow((_SIDE, _UPPER), cv2.CV_32F)
  shift, _ = cv2.phaseCorrelate(one[:_UPPER], other[:_UPPER], window)
  if max(map(abs, shift)) < _FURTHEST:
    back = np.float32([[1, 0, -shift[0]], [0, 1, -shift[1]]])
    border = cv2.BORDER_REPLICATE
    other = cv2.warpAffine(other, back, (_SIDE, _SIDE), borderMode=border)
  change = np.abs(one - other)[_UPPER:-_EDGE, _EDGE:-_EDGE]
  return float(change.mean())


def _distinct(boxes: Iterable[Box]) -> list[Box]:
  """The boxes, large ones first, without those that lie on another."""
  chosen: list[Box] = []
  for box in sorted(boxes, key=lambda box: (-box[2] * box[3], box)):
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    if not any(
      a <= x <= a + width and b <= y <= b + height
      for a, b, width, height in chosen
    ):
      chosen.append(box)
  return chosen


def _measure(track: _Track, stretch: list[tuple[float, np.ndarray]]) -> None:
  """Adds the movement of a face over frames, given as (time, grey picture)."""
  for (time, before), (then, after) in zip(
    stretch[:-1], stretch[1:], strict=True
  ):
    moment = (time + then) / 2
    track.moments.append(moment)
    change = _mouth_change(before, after, track.box_at(moment))
    track.movement.append(change)


def _go_on(
  seen: list[_Track],
  boxes: Iterable[Box],
  stretch: list[tuple[float, np.ndarray]],
  settings: SpeakerSettings,
) -> tuple[list[_Track], list[_Track]]:
  """Gives the boxes of a search to the faces that are in sight.

  Args:
    seen: faces in sight until now.
    boxes: boxes that were found in the last frame.
    stretch: (time, grey picture) from the last search to this one.
    settings: how much boxes of a face overlap.

  Returns:
    The faces that are still in sight, and the new ones.
  """
  now = stretch[-1][0]
  left = _distinct(boxes)
  pairs = sorted(
    (
      (_overlap(track.boxes[-1], box), n, box)
      for n, track in enumerate(seen)
      for box in left
    ),
    reverse=True,
  )
  found: dict[int, Box] = {}
  for overlap, number, box in pairs:
    if overlap >= settings.overlap and number not in found and box in left:
      found[number] = box
      left.remove(box)
  for number, track in enumerate(seen):
    track.missed = 0 if number in found else track.missed + 1
    if number in found:
      track.times.append(now)
      track.boxes.append(found[number])
      track.until = now
    _measure(track, stretch)
  kept = [track for track in seen if track.missed <= _MISSES]
  return kept, [_Track([now], [box], now) for box in left]


def _end(seen: list[_Track], stretch: list[tuple[float, np.ndarray]]) -> None:
  """Ends the faces in sight with the frames since the last search."""
  for track in seen:
    _measure(track, stretch)
    if not track.missed:
      track.until = stretch[-1][0]


def _follow_faces(
  frames: Iterable[tuple[float, np.ndarray]],
  detector: Detector,
  settings: SpeakerSettings,
) -> list[_Track]:
  """Follows all faces of a clip; frames are (time in s, uint8[H, W, 3])."""
  import cv2

  tracks: list[_Track] = []
  seen: list[_Track] = []
  stretch: list[tuple[float, np.ndarray]] = []
  for time, picture in frames:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if stretch and _is_cut(stretch[-1][1], grey):
      _end(seen, stretch)
      seen, stretch = [], []
    stretch.append((time, grey))
    # At the beginning, after a cut, and now and then.
    if len(stretch) == 1 or len(stretch) > settings.search_every:
      boxes = detector(picture, every=True)
      kept, new = _go_on(seen, boxes, stretch, settings)
      seen, tracks, stretch = kept + new, tracks + new, stretch[-1:]
  _end(seen, stretch)
  return tracks


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
  """The running mean, with the first and the last value repeated outside."""
  before = width // 2
  padded = np.pad(values, (before, width - 1 - before), mode="edge")
  return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _energies(
  samples: np.ndarray, rate: int, times: np.ndarray, length: float
) -> np.ndarray:
  """Root mean square of the samples around each time, over `length` s."""
  summed = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=float))])
  first = np.round((times - length / 2) * rate).astype(int)
  last = first + max(1, round(length * rate))
  first, last = (each.clip(0, len(samples)) for each in (first, last))
  return np.sqrt((summed[last] - summed[first]) / np.maximum(last - first, 1))


def _correlate(one: np.ndarray, other: np.ndarray) -> float:
  """Pearson's correlation; 0 where one of them does not change."""
  if not one.std() or not other.std():
    return 0.0
  return float(np.corrcoef(one, other)[0, 1])


@dataclass(frozen=True)
class SpeakingFaces:
  """The faces of a clip and how well each follows the voice.

  Attributes:
    tracks: faces that were in sight long enough; empty: there was nothing to
      choose.
    settings: what counts as speaking.
  """

  tracks: tuple[_Track, ...] = ()
  settings: SpeakerSettings = field(default_factory=SpeakerSettings)

  def box_at(self, time: float) -> Box | None:
    """The speaking face at a time in s; None: the largest is to be taken."""
    half = 0.5 / self.settings.rate  # of the time that a frame stands for
    seen = [
      track
      for track in self.tracks
      if track.times[0] - half <= time <= track.until + half
    ]
    seen.sort(key=lambda track: -track.agreement)
    if not seen or seen[0].agreement < self.settings.least:
      return None
    lead = seen[0].agreement - seen[1].agreement if len(seen) > 1 else np.inf
    return seen[0].box_at(time) if lead >= self.settings.lead else None

  def report(self, inspection: Inspection, frames: int) -> None:
    """Reports what was chosen in how many frames, if there was a choice."""
    if not self.tracks:
      return
    values = sorted((track.agreement for track in self.tracks), reverse=True)
    kind = "speaking_face" if frames else "speaker_unsure"
    listed = ", ".join(f"{value:.2f}" for value in values[:4])
    inspection.report(
      kind,
      f"in {frames} frames; {len(values)} faces, correlations {listed}",
    )


def _had_company(tracks: Iterable[_Track]) -> bool:
  """Whether two faces were ever in sight at once."""
  stretches = sorted((track.times[0], track.until) for track in tracks)
  return any(
    after[0] < before[1]
    for before, after in zip(stretches[:-1], stretches[1:], strict=True)
  )


def _judge(tracks: list[_Track], media: Media, settings: VideoSettings) -> None:
  """Gives faces their agreement with the voice.

  Raises:
    MediaError: the file has no voice.
  """
  limits = AudioSettings(
    max_seconds=settings.max_seconds, far_seconds=settings.far_seconds
  )
  inspection = Inspection(default_policies("audio"))
  voice = read_waveform(media, limits, inspection)
  speaker, start = settings.faces.speaker, media.start or 0.0
  for track in tracks:
    energies = _energies(
      voice.samples,
      voice.rate,
      np.array(track.moments) - start,
      1 / speaker.rate,
    )
    track.agreement = _correlate(
      _smooth(np.array(track.movement), speaker.smoothing),
      _smooth(energies, speaker.smoothing),
    )


def find_speaker(
  media: Media, settings: VideoSettings, detector: Detector
) -> SpeakingFaces:
  """Finds out which of a clip's faces speaks, by the sound of the same file.

  Args:
    media: file with start and end in seconds, and the half of the picture.
    settings: limits, and `faces.speaker`.
    detector: finds the faces of one picture.

  Returns:
    No faces, where there never were two at once, or there is no voice.
  """
  speaker = settings.faces.speaker
  # Whatever is wrong with the file is found again, and told, when its frames
  # are made.
  inspection = Inspection(default_policies("video"))
  try:
    frames = extract_frames(media, settings, inspection, speaker.rate)
    tracks = [
      track
      for track in _follow_faces(frames, detector, speaker)
      if len(track.moments) >= speaker.seconds * speaker.rate
    ]
    if not _had_company(tracks):
      return SpeakingFaces()
    _judge(tracks, media, settings)
  except MediaError:
    return SpeakingFaces()
  return SpeakingFaces(tuple(tracks), speaker)
