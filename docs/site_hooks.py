"""What the site changes of the pages; GitHub shows them as they are.

README.md is its first page, and the change log and the rules for contributors
are pages of it too.
"""

import pathlib
import re

from mkdocs.structure.files import File

_ROOT = pathlib.Path(__file__).parents[1]
# Page of the site -> file beside docs/.
_PAGES = {
  "index.md": "README.md",
  "CONTRIBUTING.md": "CONTRIBUTING.md",
  "CHANGELOG.md": "CHANGELOG.md",
}


def on_files(files, config):
  """Adds the pages that lie beside docs/, their links as seen from there."""
  for page, name in _PAGES.items():
    text = (_ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"(\]\(|src=\")docs/", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\(CITATION\.cff\)", r"\1", text)
    files.append(File.generated(config, page, content=text))
  return files


def on_page_markdown(markdown, **_):
  """Links to those pages; anchors without GitHub's hyphens at the ends."""
  for page, name in _PAGES.items():
    markdown = markdown.replace(f"](../{name}", f"]({page}")
  return re.sub(r"(\]\([^)#\s]*#)-*([^)\s]*?)-*\)", r"\1\2)", markdown)
