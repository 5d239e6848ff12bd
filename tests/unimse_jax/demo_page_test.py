"""The demo page's command: it says where it is, answers, and stops."""

import http.client
import json
import signal
import subprocess
import sys
import urllib.parse

import pytest


@pytest.fixture
def start(straight):
  """Starts the command with flags; its process ends with the test."""
  started = []

  def run(*flags: str) -> subprocess.Popen:
    process = subprocess.Popen(
      [sys.executable, "-m", "unimse_jax.demo_page", "--port=0"]
      + [f"--workdir={straight}", *flags],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    started.append(process)
    return process

  yield run
  for process in started:
    process.kill()
    process.communicate()


def test_it_answers_words_until_it_is_stopped(start):
  process = start("--host=0.0.0.0")
  line = process.stdout.readline()
  assert line.startswith("Open http://0.0.0.0:")
  port = urllib.parse.urlsplit(line.split()[1]).port
  connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
  connection.request("POST", "/predict", headers={"Unimse-Text": "a%20film"})
  reply = connection.getresponse()
  answer = json.loads(reply.read())
  assert reply.status == 200
  assert answer["polarity"] in ("negative", "neutral", "positive")
  assert answer["missing"] == ["audio", "video"]
  process.send_signal(signal.SIGTERM)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 130
  assert "Warning: --host 0.0.0.0 lets everybody who reaches it" in errors
  assert errors.endswith("Interrupted.\n")
  assert "a%20film" not in errors and "Traceback" not in errors


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--model=owner/name"], "expected one of --workdir and --model"),
    (["--port=70000"], "port"),
    (["--host=no.such.host.invalid"], "an address of this machine and a free"),
  ],
)
def test_a_mistake_is_one_message(start, flags, message):
  process = start(*flags)
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 2
  assert message in errors and "Traceback" not in errors
