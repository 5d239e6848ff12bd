"""The documentation site builds from the pages, with no link that is broken."""

import os
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[1]


def test_the_site_builds_strictly_and_loads_nothing_from_outside(tmp_path):
  done = subprocess.run(
    [sys.executable, "-m", "mkdocs", "build", "--strict"]
    + ["--site-dir", str(tmp_path)],
    cwd=_ROOT,
    env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  pages = {path.stem for path in (_ROOT / "docs").glob("*.md")}
  built = {path.parent.name for path in tmp_path.glob("*/index.html")}
  assert pages <= built
  home = (tmp_path / "index.html").read_text()
  assert "Two commands" in home
  assert 'href="compare/"' in home
  for page in tmp_path.rglob("*.html"):
    text = page.read_text()
    for tag in ('src="http', 'rel="stylesheet" href="http'):
      assert tag not in text, f"{page} loads {tag}..."
