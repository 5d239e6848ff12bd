"""Corpus files whose size or sha256 is published, and the check against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export.files import hash_file


@dataclass(frozen=True)
class KnownFile:
  """One published file.

  Attributes:
    name: file name as published; several files may share one.
    title: name of the file for people.
    sha256: hash of its content, in hexadecimal.
    origin: place where the hash is published.
    size: bytes; None: not published.
    corpus: name here of the corpus that it holds.
  """

  name: str
  title: str
  sha256: str
  origin: str
  size: int | None = None
  corpus: str = ""


_MMSA = "MMSA's README"
KNOWN_FILES = (
  KnownFile(
    "MELD.Raw.tar.gz",
    "MELD's clips",
    "a56b4407d574195cbce470d86f9c9d72fcfea59b0e34502ecd4babee4a5c613e",
    "a public script that pins it",
    10_878_146_150,
    "meld",
  ),
  KnownFile(
    "unaligned_50.pkl",
    "MOSI, unaligned",
    "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524",
    _MMSA,
    corpus="mosi",
  ),
  KnownFile(
    "aligned_50.pkl",
    "MOSI, aligned",
    "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9",
    _MMSA,
    corpus="mosi",
  ),
  KnownFile(
    "unaligned_50.pkl",
    "MOSEI, unaligned",
    "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f",
    _MMSA,
    corpus="mosei",
  ),
  KnownFile(
    "aligned_50.pkl",
    "MOSEI, aligned",
    "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791",
    _MMSA,
    corpus="mosei",
  ),
)


@dataclass(frozen=True)
class FileCheck:
  """A file compared with the published ones; `str` gives a line for a note.

  Attributes:
    name: file name.
    status: "match", "mismatch" or "unknown" (nobody published a hash).
    detail: title of the published file, or the difference from it.
    sha256: hash of the file; "" where it was not read.
    known: published file that it is; None: none.
  """

  name: str
  status: str
  detail: str
  sha256: str = ""
  known: KnownFile | None = None

  def __str__(self) -> str:
    return f"{self.name}: {self.status}: {self.detail}"


def check_file(path: Path, names: Sequence[str] = ()) -> FileCheck:
  """Compares a file with the published ones of its name.

  A file of another size than published is not read: it cannot match.

  Args:
    path: file to check.
    names: published names that it may have had; empty: its own name.
  """
  names = names or (path.name,)
  known = [each for each in KNOWN_FILES if each.name in names]
  if not known:
    return FileCheck(path.name, "unknown", "no hash of it is published")
  size = path.stat().st_size
  candidates = [each for each in known if each.size in (None, size)]
  if not candidates:
    return FileCheck(
      path.name,
      "mismatch",
      f"expected {known[0].size} bytes ({known[0].origin}), found {size}",
    )
  sha256 = hash_file(path)
  for each in candidates:
    if each.sha256 == sha256:
      return FileCheck(
        path.name,
        "match",
        f"{each.title}, sha256 {sha256[:12]}... as by {each.origin}",
        sha256,
        each,
      )
  expected = " or ".join(f"{each.sha256[:12]}..." for each in candidates)
  return FileCheck(
    path.name,
    "mismatch",
    f"expected sha256 {expected} ({candidates[0].origin}), "
    f"found {sha256[:12]}...",
    sha256,
  )
