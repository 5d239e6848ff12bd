"""The documents say what is there: links, commands, fields, paths, messages."""

import ast
import configparser
import functools
import pathlib
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import yaml  # comes with ml_collections

from configs import base

_ROOT = pathlib.Path(__file__).parents[1]
_PAGES = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md")])
_FIGURES = sorted(_ROOT.glob("docs/figures/*.svg"))
_PACKAGES = ("unimse_cli", "unimse_jax", "feature_export")
_FOLDERS = ("configs", "containers", "docs", "scripts", "tests")
_COMMAND = re.compile(
  r"python (?:-m ((?:unimse_jax|feature_export)[\w.]*)|(tests/[\w/]+\.py))"
  r"([^#\n]*)"
)
_FLAG = re.compile(r"(?<![\w-])--([a-z][\w.]*)")
_BLOCK = re.compile(r"^```[\s\S]*?^```$|(?<=\n\n)(?: {4}.*\n+)+", re.M)
# What looks like a config field: a key of the results, suffixes of files.
_NOT_FIELDS = {"decoding.collapse"}
_SUFFIXES = {"bin", "csv", "json", "py", "safetensors"}
_SVG = "{http://www.w3.org/2000/svg}"


def _name(path: pathlib.Path) -> str:
  return str(path.relative_to(_ROOT))


_each_page = pytest.mark.parametrize("page", _PAGES, ids=_name)


def _read(page: pathlib.Path) -> str:
  return page.read_text(encoding="utf-8")


def _blocks(text: str) -> list[str]:
  """Code blocks, a command a line."""
  joined = []
  for block in _BLOCK.findall(text):
    block = re.sub(r"\\\n\s*", " ", block)
    # A usage line goes on where the next one stands further in.
    joined.append(re.sub(r"\n {4,}(?=\[?--)", " ", block))
  return joined


def _prose(text: str) -> str:
  return _BLOCK.sub("\n", text)


def _spans(text: str) -> list[str]:
  """What stands in backticks, without line breaks."""
  found = re.findall(r"(?<!`)`([^`]+)`(?!`)", _prose(text))
  return [re.sub(r"\s+", " ", span).strip() for span in found]


def _commands(text: str) -> list[tuple[str, str]]:
  """(module or script, arguments) of our commands."""
  pieces = [line for block in _blocks(text) for line in block.split("\n")]
  return [
    (module or script, arguments)
    for piece in [*pieces, *_spans(text)]
    for module, script, arguments in _COMMAND.findall(piece)
  ]


@functools.cache
def _flags(program: str) -> frozenset[str]:
  """All that `--help` names."""
  module = [] if program.endswith(".py") else ["-m"]
  shown = subprocess.run(
    [sys.executable, *module, program, "--help"],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  ).stdout
  assert shown, f"no help of {program}"
  found = re.findall(r"--(?:\[no\])?([a-z]\w*)", shown)
  switches = re.findall(r"--\[no\](\w+)", shown)
  return frozenset([*found, *(f"no{name}" for name in switches)])


@functools.cache
def _fields() -> frozenset[str]:
  """`section.field` of every config field."""
  return frozenset(
    f"{section}.{field}" if isinstance(values, dict) else section
    for section, values in base.get_config().to_dict().items()
    for field in (values if isinstance(values, dict) else [section])
  )


@functools.cache
def _anchors(page: pathlib.Path) -> frozenset[str]:
  """Of the headings, as GitHub makes them."""
  headings = re.findall(r"^#+ +(.+)$", _prose(_read(page)), re.M)
  return frozenset(
    re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    for heading in headings
  )


def _is_link_whole(page: pathlib.Path, target: str) -> bool:
  path, _, anchor = target.partition("#")
  there = (page.parent / path).resolve() if path else page
  if not there.exists() or not there.is_relative_to(_ROOT):
    return False
  return not anchor or anchor in _anchors(there)


@_each_page
def test_links_lead_somewhere(page):
  prose = re.sub(r"`[^`]*`", "", _prose(_read(page)))
  links = re.findall(r"\]\(([^)\s]+)\)", prose)
  own = [link for link in links if "://" not in link]
  assert [link for link in own if not _is_link_whole(page, link)] == []


@_each_page
def test_commands_take_the_flags_that_are_written(page):
  unknown = [
    f"{program}: --{flag}"
    for program, arguments in _commands(_read(page))
    # What stands in quotes is handed on to another program.
    for flag in _FLAG.findall(re.sub(r'"[^"]*"', "", arguments))
    if not flag.startswith("config.") and flag not in _flags(program)
  ]
  assert unknown == []


@_each_page
def test_modules_and_scripts_are_there(page):
  missing = [
    program
    for program, _ in _commands(_read(page))
    if not (_ROOT / program).is_file()
    and not (_ROOT / f"{program.replace('.', '/')}.py").is_file()
  ]
  assert missing == []


@_each_page
def test_config_fields_are_there(page):
  text = _read(page)
  sections = {field.partition(".")[0] for field in _fields() if "." in field}
  given = set(re.findall(r"--config\.(\w+(?:\.\w+)?)", text))
  for span in _spans(text):
    found = re.match(r"(?:config\.)?(\w+)\.(\w+)", span)
    if found and found[1] in sections and found[2] not in _SUFFIXES:
      given.add(f"{found[1]}.{found[2]}")
  assert given - _fields() - _NOT_FIELDS == set()


@_each_page
def test_paths_are_there(page):
  text = _read(page)
  named = set(re.findall(r"configs/[\w/]+\.py", text))
  for span in _spans(text):
    is_ours = span.split("/")[0] in (*_PACKAGES, *_FOLDERS)
    if re.fullmatch(r"[\w/.]+", span) and "/" in span:
      named |= {span} if is_ours or span.endswith(".py") else set()
  rooms = [_ROOT, *(_ROOT / package for package in _PACKAGES)]
  missing = [
    each for each in named if not any((room / each).exists() for room in rooms)
  ]
  assert missing == []


def test_commands_are_found_in_blocks_and_in_sentences():
  """The checks above look at something."""
  found = _commands(
    "Run `python -m\nunimse_jax.eval --split test`.\n\n"
    "    python -m unimse_jax.train --seeds 3 \\\n"
    "        --workdir DIR  # --x\n"
    "\n```\npython -m unimse_jax.report --workdir DIR\n"
    "    [--compare DIR]\n```\n"
  )
  flags = {program: _FLAG.findall(rest) for program, rest in found}
  assert flags == {
    "unimse_jax.eval": ["split"],
    "unimse_jax.train": ["seeds", "workdir"],
    "unimse_jax.report": ["workdir", "compare"],
  }
  assert flags["unimse_jax.train"][0] in _flags("unimse_jax.train")
  assert "no_such_flag" not in _flags("unimse_jax.train")


@functools.cache
def _literals() -> str:
  """All string literals of both packages, a line each."""
  found = []
  for package in _PACKAGES:
    for path in (_ROOT / package).rglob("*.py"):
      tree = ast.parse(path.read_text(encoding="utf-8"))
      found += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
      ]
  return "\n".join(found)


def test_messages_of_the_troubleshooting_page_are_in_the_code():
  text = _read(_ROOT / "docs" / "troubleshooting.md")
  messages = re.findall(r"^### `(.+)`$", text, re.M)
  assert len(messages) > 20
  assert [each for each in messages if each not in _literals()] == []


@pytest.mark.parametrize("figure", _FIGURES, ids=lambda path: path.name)
def test_figures_are_sound(figure):
  """Well-formed, named for those who cannot see it, light enough, no script."""
  root = ElementTree.fromstring(figure.read_bytes())
  assert root.tag == f"{_SVG}svg" and root.get("viewBox")
  texts = {child.tag.removeprefix(_SVG): child.text for child in root}
  assert texts["title"].strip() and texts["desc"].strip()
  assert not list(root.iter(f"{_SVG}script"))
  # A page may be dark: the first thing drawn is a background of full size.
  _, _, width, height = root.get("viewBox").split()
  background = root.find(f"{_SVG}rect")
  assert (background.get("width"), background.get("height")) == (width, height)
  assert figure.stat().st_size < 12 * 1024
  assert any(f"figures/{figure.name}" in _read(page) for page in _PAGES)


@_each_page
def test_shell_scripts_can_be_parsed(page):
  for script in re.findall(r"^```bash\n([\s\S]*?)^```$", _read(page), re.M):
    done = subprocess.run(
      ["bash", "-n"], input=script, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_are_figures():
  assert len(_FIGURES) >= 4


def test_citation_names_this_version():
  cited = yaml.safe_load(_read(_ROOT / "CITATION.cff"))
  package = configparser.ConfigParser()
  package.read(_ROOT / "setup.cfg")
  assert {"cff-version", "message", "title", "authors"} <= cited.keys()
  assert cited["cff-version"] == "1.2.0"
  assert cited["version"] == package["metadata"]["version"]
  assert cited["license"] == package["metadata"]["license"]
  paper = cited["preferred-citation"]
  assert {"type", "title", "authors", "year", "doi"} <= paper.keys()
  assert paper["doi"] == "10.18653/v1/2022.emnlp-main.534"
