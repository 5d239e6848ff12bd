"""A face, drawn frame by frame: mouth, brows, eyes, head, identity.

Five expressions, each with several redundant marks that last the whole clip.
The face never follows the arousal of the voice: talking moves the mouth by
the same amount in every emotion.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FRAME_RATE = 10  # frames/s
SIZE = 112  # pixels; as a tight face crop
_CANVAS = 2 * SIZE  # drawn at twice the size, then reduced: smooth edges

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Expression:
  """Marks of an expression at full strength; 0 everywhere is a blank face.

  Attributes:
    curve: mouth corners up (1) or down (-1).
    opening: height of the open mouth, 0 to 1.
    width: width of the mouth, 1 at rest.
    brow: height of the brows, -1 to 1.
    slant: inner ends of the brows up (1) or down (-1).
    eye: opening of the eyes, 1 at rest.
    blush: red cheeks, 0 to 1.
    flush: redness of the whole face, 0 to 1.
    tears: size of the tears, 0 to 1.
    nod, shake: vertical and horizontal head motion, 0 to 1.
    droop: position of the head, -1 (thrown back) to 1 (hanging).
  """

  curve: float = 0.0
  opening: float = 0.0
  width: float = 1.0
  brow: float = 0.0
  slant: float = 0.0
  eye: float = 1.0
  blush: float = 0.0
  flush: float = 0.0
  tears: float = 0.0
  nod: float = 0.0
  shake: float = 0.0
  droop: float = 0.0


EXPRESSIONS = {
  "blank": Expression(),
  "smile": Expression(
    curve=1.0, opening=0.45, width=1.35, brow=0.2, eye=0.7, blush=1.0, nod=1.0
  ),
  "wide": Expression(opening=1.0, width=0.6, brow=1.0, eye=1.6, droop=-0.6),
  "frown": Expression(
    curve=-0.5, width=0.9, brow=-0.6, slant=-1.0, eye=0.6, flush=1.0, shake=1.0
  ),
  "grief": Expression(
    curve=-1.0, width=0.9, slant=1.0, eye=0.45, tears=1.0, droop=1.0
  ),
}

_SKINS = ((244, 208, 177), (224, 172, 132), (187, 132, 94), (134, 88, 60))
_HAIRS = ((40, 28, 22), (96, 62, 34), (190, 150, 80), (120, 120, 125))


@dataclass(frozen=True)
class Person:
  """What stays the same in all clips of a speaker."""

  skin: Colour
  hair: Colour
  fringe: float  # how far the hair reaches into the forehead, 0 to 1
  width: float  # width of the head, 1 on average
  glasses: bool


def draw_person(generator: np.random.Generator) -> Person:
  """Draws how a speaker looks."""
  skin = np.array(_SKINS[generator.integers(len(_SKINS))])
  tint = generator.integers(-10, 11, 3)
  return Person(
    skin=tuple(int(value) for value in np.clip(skin + tint, 0, 255)),
    hair=_HAIRS[generator.integers(len(_HAIRS))],
    fringe=float(generator.uniform()),
    width=float(generator.uniform(0.9, 1.1)),
    glasses=bool(generator.uniform() < 0.25),
  )


@dataclass(frozen=True)
class _Pose:
  """One frame: position of the head, opening of the talking mouth."""

  x: float
  y: float
  talk: float
  strength: float


def _blend(first: Colour, second: Colour, share: float) -> Colour:
  mixed = (a + (b - a) * share for a, b in zip(first, second, strict=True))
  return tuple(int(value) for value in mixed)


class _Pencil:
  """Draws in head coordinates: the face spans about [-1, 1] both ways."""

  def __init__(self, image: Image.Image, x: float, y: float, width: float):
    self._draw = ImageDraw.Draw(image)
    self._centre = np.array([0.5 + 0.1 * x, 0.54 + 0.1 * y]) * _CANVAS
    self._scale = np.array([0.36 * width, 0.42]) * _CANVAS

  def _pixels(self, points: np.ndarray) -> list[tuple[float, float]]:
    return [tuple(point) for point in points * self._scale + self._centre]

  def ellipse(self, x: float, y: float, rx: float, ry: float, **style) -> None:
    corners = np.array([[x - rx, y - ry], [x + rx, y + ry]])
    self._draw.ellipse(self._pixels(corners), **style)

  def line(self, points: np.ndarray, fill: Colour, width: int) -> None:
    self._draw.line(self._pixels(points), fill, width, joint="curve")

  def polygon(self, points: np.ndarray, fill: Colour) -> None:
    self._draw.polygon(self._pixels(points), fill)


def _draw_head(pencil: _Pencil, person: Person, look: Expression) -> None:
  skin = _blend(person.skin, (205, 40, 30), 0.45 * look.flush)
  pencil.ellipse(0, -0.15, 1.12, 1.12, fill=person.hair)
  pencil.ellipse(0, 0.05, 0.95, 1.0, fill=skin)
  fringe = -0.98 + 0.22 * person.fringe
  pencil.ellipse(0, fringe, 0.75, 0.24, fill=person.hair)
  if look.blush > 0.3:
    cheek = _blend(skin, (235, 70, 90), 0.75 * look.blush)
    for side in (-1, 1):
      pencil.ellipse(0.58 * side, 0.28, 0.2, 0.15, fill=cheek)


def _draw_eyes(pencil: _Pencil, person: Person, look: Expression) -> None:
  for side in (-1, 1):
    height = 0.13 * look.eye
    pencil.ellipse(0.4 * side, -0.18, 0.19, height, fill=(250, 250, 250))
    pupil = min(0.085, height)
    pencil.ellipse(0.4 * side, -0.18, 0.085, pupil, fill=(30, 30, 40))
    inner = np.array([0.17 * side, -0.48 - 0.2 * look.brow])
    outer = np.array([0.64 * side, -0.48 - 0.2 * look.brow])
    inner[1] -= 0.17 * look.slant
    outer[1] += 0.12 * look.slant
    pencil.line(np.stack([inner, outer]), (30, 20, 15), 11)
    if person.glasses:
      pencil.ellipse(
        0.4 * side, -0.18, 0.28, 0.24, outline=(20, 20, 20), width=3
      )
    if look.tears > 0.3:
      pencil.ellipse(
        0.42 * side, 0.12, 0.08, 0.2 * look.tears, fill=(90, 160, 245)
      )


def _draw_mouth(pencil: _Pencil, look: Expression, talk: float) -> None:
  x = np.linspace(-1, 1, 13)
  arch = 1 - x**2
  # With the corners up the middle hangs below them, and the reverse.
  middle = 0.55 + 0.22 * look.curve * (arch - 0.5)
  half = 0.04 + 0.22 * look.opening + 0.05 * talk
  across = 0.36 * look.width * x
  upper = np.stack([across, middle - 0.6 * half * arch], axis=1)
  lower = np.stack([across, middle + half * arch], axis=1)
  outline = np.concatenate([upper, lower[::-1]])
  pencil.polygon(outline, (95, 15, 25))
  pencil.line(np.concatenate([outline, outline[:1]]), (165, 50, 60), 7)


def _draw_frame(
  person: Person, look: Expression, pose: _Pose, background: Image.Image
) -> np.ndarray:
  """Draws one frame, uint8[SIZE, SIZE, 3]."""
  rest = Expression()
  look = Expression(
    **{
      name: getattr(rest, name) + pose.strength * (value - getattr(rest, name))
      for name, value in vars(look).items()
    }
  )
  image = background.copy()
  pencil = _Pencil(image, pose.x, pose.y + 0.8 * look.droop, person.width)
  _draw_head(pencil, person, look)
  _draw_eyes(pencil, person, look)
  pencil.ellipse(0, 0.14, 0.09, 0.12, fill=_blend(person.skin, (0, 0, 0), 0.2))
  _draw_mouth(pencil, look, pose.talk)
  return np.asarray(image.reduce(2))


def _draw_background(generator: np.random.Generator) -> Image.Image:
  """A wall with a few coloured things on it, new in every clip."""
  wall = tuple(int(value) for value in generator.integers(60, 230, 3))
  image = Image.new("RGB", (_CANVAS, _CANVAS), wall)
  draw = ImageDraw.Draw(image)
  for _ in range(4):
    x, y = generator.integers(0, _CANVAS, 2)
    width, height = generator.integers(20, 90, 2)
    colour = tuple(int(value) for value in generator.integers(0, 256, 3))
    box = [int(x), int(y), int(x + width), int(y + height)]
    draw.rectangle(box, fill=colour)
  return image


def film(
  expression: str,
  person: Person,
  seconds: float,
  generator: np.random.Generator,
) -> Iterator[np.ndarray]:
  """Draws the frames of a clip.

  Args:
    expression: key of `EXPRESSIONS`.
    person: speaker on screen.
    seconds: length of the clip; at least one frame is drawn.
    generator: source of background, framing and the phase of the motion.

  Yields:
    uint8[112, 112, 3], RGB, 10 frames/s.
  """
  look = EXPRESSIONS[expression]
  background = _draw_background(generator)
  x, y = generator.uniform(-0.5, 0.5, 2)
  phase = generator.uniform(0, 2 * np.pi, 2)
  strength = generator.uniform(0.85, 1.1)
  for index in range(max(1, round(seconds * FRAME_RATE))):
    time = 2 * np.pi * index / FRAME_RATE
    pose = _Pose(
      x=x + 0.4 * look.shake * np.sin(1.5 * time + phase[0]),
      y=y + 0.4 * look.nod * np.sin(1.5 * time + phase[0]),
      talk=0.5 + 0.5 * np.sin(3.0 * time + phase[1]),
      strength=strength,
    )
    yield _draw_frame(person, look, pose, background)


def write_mp4(path: Path, frames: Iterator[np.ndarray]) -> None:
  """Encodes uint8[112, 112, 3] frames as H.264 at 10 frames/s."""
  import av

  # mp4 stores no date here and one thread keeps the bytes reproducible.
  with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
    stream = file.add_stream("libx264", rate=Fraction(FRAME_RATE))
    stream.width = stream.height = SIZE
    stream.pix_fmt = "yuv420p"
    stream.options = {"crf": "20", "preset": "ultrafast"}
    stream.codec_context.thread_count = 1
    for frame in frames:
      picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
      file.mux(stream.encode(picture))
    file.mux(stream.encode())
