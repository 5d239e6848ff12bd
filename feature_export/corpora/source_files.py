"""The files of a raw corpus: listed once, and read as text.

Copies of the corpora have been through macOS, Windows and many hands: stray
"._" files, a byte order mark, Windows-1252 where UTF-8 is due.
"""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from feature_export.corpora import registry
from feature_export.corpora.utterance import Media
from feature_export.errors import SHOWN_FAULTS, InputError
from feature_export.files import check_is_no_pointer
from unimse_cli import storage

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


def _walk(raw: Path) -> list[Path]:
  """All files below a folder, sorted; links to folders are followed."""
  if storage.is_remote(raw):
    return sorted(
      path
      for path in storage.files_below(raw)
      if path.name[:2] != "._" and "__MACOSX" not in path.parts
    )
  paths, seen = [], set()
  for folder, folders, names in os.walk(raw, followlinks=True):
    # A link may lead back up; the same folder is read once.
    real = os.path.realpath(folder)
    if real in seen:
      folders.clear()
      continue
    seen.add(real)
    folders[:] = sorted(each for each in folders if each != "__MACOSX")
    # "._x" are AppleDouble companions, with the name but not the content.
    paths += [Path(folder, each) for each in names if each[:2] != "._"]
  return sorted(paths)


class SourceFiles:
  """Every file of a raw corpus, to be found by name or by folder.

  Attributes:
    raw: folder of --raw.
    paths: all files at any depth, sorted, AppleDouble files left out.
  """

  def __init__(self, raw: Path):
    """Lists the files.

    Raises:
      InputError: `raw` is a file, an archive for instance.
    """
    if raw.is_file():
      what = "expected the unpacked folder of the corpus, found a file"
      if is_archive(raw):
        what += f"; {registry.check_file(raw)}. Unpack it, and give the folder"
      raise InputError(f"{raw}: {what} as --raw.")
    self.raw = raw
    self.paths = _walk(raw)
    self._by_name = defaultdict(list)
    for path in self.paths:
      self._by_name[path.name].append(path)

  def named(self, name: str) -> Path | None:
    """The file of that name, the one nearest to `raw`, or None."""
    namesakes = self._by_name.get(name, [])
    return min(namesakes, key=lambda path: len(path.parts), default=None)

  def below(self, folder: str, suffix: str = "") -> list[Path]:
    """Files of a suffix, at any depth below a folder of that name."""
    return [
      path
      for path in self.paths
      if path.suffix.lower() == suffix or not suffix
      if folder in path.relative_to(self.raw).parts[:-1]
    ]

  @property
  def archives(self) -> list[Path]:
    """The archives among the files."""
    return [path for path in self.paths if is_archive(path)]

  def describe(self) -> str:
    """The files in a few words, for an error that says what was expected."""
    if not self.paths:
      return "found no file at all"
    shown = [str(path.relative_to(self.raw)) for path in self.paths]
    # The shallow ones say most about the layout.
    shown.sort(key=lambda path: (path.count(os.sep), path))
    more = ", ..." if len(shown) > SHOWN_FAULTS else ""
    text = f"found {len(shown)} files: {', '.join(shown[:SHOWN_FAULTS])}{more}"
    for path in self.archives:
      text += f"\n  not unpacked: {registry.check_file(path)}"
    return text


def is_archive(path: Path) -> bool:
  """Whether a file name is that of an archive."""
  return path.suffix.lower() in _ARCHIVES


def layout_error(
  corpus: str, layouts: Sequence[str], files: SourceFiles, fault: str = ""
) -> InputError:
  """The error for labels that are missing, empty or of another layout.

  Args:
    corpus: name that users know the corpus by.
    layouts: accepted layouts, a line each.
    files: all files below --raw.
    fault: more about it, such as what is wrong with the label file.
  """
  listed = "\n".join(f"  - {layout}" for layout in layouts)
  return InputError(
    f"{corpus}: expected one of these layouts at or below --raw:\n{listed}\n"
    f"{fault + chr(10) if fault else ''}In {files.raw}: {files.describe()}\n"
    "Correct --raw, or complete the files (docs/corpora.md)."
  )


@contextmanager
def naming_layouts(
  corpus: str, layouts: Sequence[str], files: SourceFiles
) -> Iterator[None]:
  """Adds the accepted layouts to an InputError that is raised inside.

  Raises:
    InputError: the same fault as a `layout_error`.
  """
  try:
    yield
  except InputError as error:
    raise layout_error(corpus, layouts, files, str(error)) from error


def _windows_1252_repairs() -> dict[int, str]:
  """C1 control codes -> the Windows-1252 characters that were meant."""
  repairs = {}
  for code in range(0x80, 0xA0):
    try:
      repairs[code] = bytes([code]).decode("cp1252")
    except UnicodeDecodeError:  # five codes that Windows leaves undefined
      continue
  return repairs


_REPAIRS = _windows_1252_repairs()


def repair_text(text: str) -> str:
  """Turns Windows-1252 bytes that were read as Latin-1 into characters.

  Some copies of MELD write apostrophes as U+0092; the official ones write
  U+2019, which this gives too.
  """
  return text.translate(_REPAIRS).strip()


def read_text(path: Path) -> str:
  """A text file in UTF-8, with or without a mark, or else Latin-1.

  Raises:
    InputError: a pointer of Git LFS.
  """
  check_is_no_pointer(path)
  content = path.read_bytes()
  try:
    return content.decode("utf-8-sig")
  except UnicodeDecodeError:
    # Latin-1 never fails; `repair_text` mends what it misreads.
    return content.decode("latin-1")


def read_rows(path: Path) -> list[list[str]]:
  """The rows of a CSV file, its header among them.

  Raises:
    InputError: the file is no CSV.
  """
  # Not splitlines: a cell may hold U+0085, which is no end of a line here.
  reader = csv.reader(io.StringIO(read_text(path), newline=""))
  try:
    return list(reader)
  except csv.Error as error:
    raise InputError(
      f"{path}: expected a CSV file, found line {reader.line_num}, which is "
      f"none ({error}). A quote may lack its partner."
    ) from error


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
  """The rows of a CSV file, every cell a string.

  Raises:
    InputError: a column is missing, or there is no row.
  """
  header, *rows = read_rows(path) or [[]]
  missing = [each for each in columns if each not in header]
  if missing:
    raise InputError(
      f"{path}: expected the columns {', '.join(columns)}; missing: "
      f"{', '.join(missing)}; found: {', '.join(header) or 'an empty file'}."
    )
  if not rows:
    raise InputError(f"{path}: expected a row per utterance, found none.")
  # A row that is too short has None, as with csv.DictReader.
  return [dict(zip_longest(header, row[: len(header)])) for row in rows if row]


def first_media(
  options: Iterable[tuple[Path | None, float | None, float | None]],
) -> Media | None:
  """The first (file, start, end) with a file and an end behind its start."""
  for path, start, end in options:
    if path is not None and (start is None or end > start):
      return Media(path, start, end)
  return None
