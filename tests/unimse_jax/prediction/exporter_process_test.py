"""A process that answers requests, by stand-ins for the exporter."""

import signal
import sys
import textwrap
import threading
import time

import pytest

from unimse_jax.errors import InputError
from unimse_jax.prediction.exporter_process import ExporterProcess


@pytest.fixture
def process(tmp_path) -> ExporterProcess:
  """Does what a request's "do" says; `tmp_path` / "starts" has a line a start.

  What it answered is in `tmp_path` / "done".
  """
  (tmp_path / "exporter.py").write_text(
    textwrap.dedent(f"""
      import json, os, signal, sys, time
      print("start", file=open({str(tmp_path / "starts")!r}, "a"))
      if os.path.exists({str(tmp_path / "refuse")!r}):
        sys.exit(2)
      assert os.path.exists(sys.argv[1])
      for line in sys.stdin:
        request = json.loads(line)
        do = request["do"]
        if do == "die":
          os.kill(os.getpid(), signal.SIGKILL)
        if do == "die once" and not os.path.exists(request["mark"]):
          open(request["mark"], "w").close()
          os.kill(os.getpid(), signal.SIGKILL)
        if do == "sleep":
          open(request["mark"], "w").close()
          time.sleep(60)
        print(do, file=open({str(tmp_path / "done")!r}, "a"))
        print(json.dumps({{"error": request.get("error")}}), flush=True)
    """)
  )

  def command(folder):
    (folder / "settings").touch()
    program = str(tmp_path / "exporter.py")
    return [sys.executable, program, str(folder / "settings")]

  return ExporterProcess(command)


def _lines(path) -> list[str]:
  return path.read_text().splitlines() if path.exists() else []


def test_it_starts_when_asked_and_ends_with_the_outermost_block(
  process, tmp_path
):
  with process:
    assert not (tmp_path / "starts").exists()
    with process:
      process.ask({"do": "one"})
      running = process._process
    process.ask({"do": "two"})
    assert running.poll() is None
  assert running.returncode == 0
  assert _lines(tmp_path / "starts") == ["start"]
  assert _lines(tmp_path / "done") == ["one", "two"]
  with process:
    process.ask({"do": "three"})
  assert _lines(tmp_path / "starts") == ["start"] * 2


def test_it_is_started_again_when_it_has_died(process, tmp_path):
  with process:
    process.ask({"do": "one"})
    process._process.kill()
    process.ask({"do": "two"})
    mark = str(tmp_path / "mark")
    process.ask({"do": "die once", "mark": mark})
  assert _lines(tmp_path / "done") == ["one", "two", "die once"]
  assert _lines(tmp_path / "starts") == ["start"] * 3


def test_a_request_that_it_dies_of_twice_is_an_error_of_its_own(
  process, tmp_path
):
  with process:
    with pytest.raises(InputError, match="ended with status -9"):
      process.ask({"do": "die"})
    assert _lines(tmp_path / "starts") == ["start"] * 2
    process.ask({"do": "next"})
  assert _lines(tmp_path / "done") == ["next"]


def test_a_refusal_is_told_once(process, tmp_path):
  with process:
    with pytest.raises(InputError, match="^no such file$"):
      process.ask({"do": "one", "error": "no such file"})
    process.ask({"do": "two"})
  assert _lines(tmp_path / "starts") == ["start"]
  (tmp_path / "refuse").touch()
  with process, pytest.raises(InputError, match="ended with status 2"):
    process.ask({"do": "three"})
  assert _lines(tmp_path / "starts") == ["start"] * 2


@pytest.fixture
def interruptible():
  """Ctrl-C raises: a shell has what runs in its background ignore it."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, before)


def test_an_interrupted_request_ends_it(process, interruptible, tmp_path):
  """So that no answer is left for the next request."""
  mark = tmp_path / "mark"

  def interrupt():
    while not mark.exists():
      time.sleep(0.01)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

  with process:
    with pytest.raises(KeyboardInterrupt):
      threading.Thread(target=interrupt).start()
      process.ask({"do": "sleep", "mark": str(mark)})
    assert process._process is None
    process.ask({"do": "two"})
  assert _lines(tmp_path / "done") == ["two"]
