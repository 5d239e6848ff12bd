"""An export may be called from a script, guarded or not, or from stdin."""

import subprocess
import sys

import pytest

_SCRIPT = """
from multiprocessing import get_context
from feature_export.processes import without_main_module
print("script")
process = get_context("{method}").Process(target=print, args=("child",))
with without_main_module():
  process.start()
process.join()
assert process.exitcode == 0
assert __name__ == "__main__" and "_SCRIPT" not in globals()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("stdin", [False, True])
def test_processes_do_not_run_the_script_again(tmp_path, method, stdin):
  script = _SCRIPT.format(method=method)
  path = tmp_path / "script.py"
  path.write_text(script)
  done = subprocess.run(
    [sys.executable, "-" if stdin else str(path)],
    input=script if stdin else None,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert sorted(done.stdout.split()) == ["child", "script"]
