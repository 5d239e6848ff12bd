"""The scripts of `scripts/` print what can be run, and run what they print."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.container_test import program

_ROOT = pathlib.Path(__file__).parents[1]
_TPU = _ROOT / "scripts" / "tpu_vm.sh"
_SLURM = _ROOT / "scripts" / "slurm.sbatch"
_SETTINGS = {"BUCKET": "gs://b", "ZONE": "us-west4-a"}
# A value that both the shell of this machine and the host's must leave whole.
_FLAGS = ["--config", "configs/base.py", "--config.data.corpora=('meld',)"]
# What each command of tpu_vm.sh is given, and the programs that it calls.
_COMMANDS = {
  "create": ([], ["gcloud", "gcloud"]),
  "install": ([], ["mkdir", "git", "gcloud", "gcloud"]),
  "copy_data": ([], ["gcloud"]),
  "train": (_FLAGS, ["gcloud"]),
  "follow": ([], ["gcloud"]),
  "stop": ([], ["gcloud"]),
  "evaluate": (["--split", "validation"], ["gcloud"]),
  "resume": (
    _FLAGS,
    [*["gcloud"] * 3, "mkdir", "git", *["gcloud"] * 3],
  ),
  "tensorboard": ([], [".venv/bin/tensorboard"]),
  "delete": ([], ["gcloud"]),
}


def run(
  script: pathlib.Path, *arguments: str, **settings: str
) -> subprocess.CompletedProcess:
  return subprocess.run(
    ["bash", str(script), *arguments],
    env={"PATH": os.environ["PATH"], **settings},
    capture_output=True,
    text=True,
    timeout=60,
  )


def printed(command: str, **settings: str) -> list[list[str]]:
  """The words of each line of a dry run of tpu_vm.sh."""
  flags, _ = _COMMANDS[command]
  done = run(_TPU, "--dry_run", command, *flags, **_SETTINGS, **settings)
  assert (done.returncode, done.stderr) == (0, "")
  parse(done.stdout)
  return [shlex.split(line) for line in done.stdout.splitlines()]


def parse(command: str) -> None:
  """Has bash read a command, and run none of it."""
  done = subprocess.run(
    ["bash", "-n"], input=command, text=True, capture_output=True
  )
  assert done.returncode == 0, done.stderr


def remote(words: list[str]) -> str | None:
  """What a gcloud command has a host run."""
  found = [each for each in words if each.startswith("--command=")]
  return found[0].removeprefix("--command=") if found else None


def own_arguments(words: list[str]) -> tuple[str, list[str]] | None:
  """Module and arguments of a command of this project's among words."""
  modules = [each for each in words if each.startswith("unimse_jax.")]
  if not modules:
    return None
  place = words.index(modules[0])
  assert words[place - 1] == "-m"
  arguments = words[place + 1 :]
  redirected = [n for n, each in enumerate(arguments) if each == ">>"]
  return modules[0], arguments[: redirected[0] if redirected else None]


def check_arguments(module: str, arguments: list[str]) -> None:
  """Has the command itself parse its flags, and end before its work."""
  done = subprocess.run(
    [sys.executable, "-m", module, *arguments, "--help_config=data.corpora"],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  assert "data.corpora" in done.stdout


def wait_until(condition: Callable[[], bool]) -> None:
  deadline = time.monotonic() + 20  # s
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.01)


@pytest.mark.parametrize("script", [_TPU, _SLURM], ids=lambda path: path.name)
def test_scripts_are_sound(script):
  assert os.access(script, os.X_OK)
  done = subprocess.run(
    [program("shellcheck"), str(script)], capture_output=True, text=True
  )
  assert done.returncode == 0, done.stdout


def test_every_command_of_the_help_is_tested_here():
  done = run(_TPU, "--help")
  assert done.returncode == 0
  named = re.findall(r"^  ([a-z]\w*)(?: FLAGS)?  ", done.stdout, re.M)
  assert named == list(_COMMANDS)


@pytest.mark.parametrize("command", _COMMANDS)
def test_what_is_printed_can_be_read_by_a_shell(command):
  lines = printed(command)
  assert [words[0] for words in lines] == _COMMANDS[command][1]
  for words in lines:
    inner = remote(words)
    if inner is not None:
      parse(inner)


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_commands_of_the_hosts_take_their_flags(command):
  flags, _ = _COMMANDS[command]
  (words,) = printed(command)
  module, arguments = own_arguments(shlex.split(remote(words)))
  assert arguments[: len(flags)] == flags
  assert "--workdir=gs://b/runs/base" in arguments
  check_arguments(module, arguments)


def test_a_training_is_started_and_stopped_on_the_host(tmp_path):
  """The host's shell puts it into the background and knows its number."""
  host = tmp_path / "unimse_jax"
  python = host / ".venv" / "bin" / "python"
  python.parent.mkdir(parents=True)
  python.write_text(
    '#!/bin/sh\necho "$UNIMSE_COORDINATOR" "$@"\nexec sleep 60\n'
  )
  python.chmod(0o755)
  (start,), (stop,) = printed("train"), printed("stop")
  subprocess.run(["bash", "-c", remote(start)], cwd=tmp_path, check=True)
  number = int((host / "train.pid").read_text())
  log = host / "train.log"
  wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
  expected = "auto -m unimse_jax.train --config configs/base.py "
  expected += "--config.data.corpora=('meld',) --config.data.dir=gs://b/data "
  assert log.read_text().startswith(expected)
  assert not has_ended(number)
  subprocess.run(["bash", "-c", remote(stop)], cwd=tmp_path, check=True)
  wait_until(lambda: has_ended(number))


def has_ended(number: int) -> bool:
  try:  # empty: it has, and nobody has asked for its status
    return not pathlib.Path(f"/proc/{number}/cmdline").read_bytes()
  except (FileNotFoundError, ProcessLookupError):
    return True


@pytest.fixture
def stubs(tmp_path, monkeypatch):
  """Programs that write their arguments to `calls`, before all others."""
  folder = tmp_path / "stubs"
  folder.mkdir()
  monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

  def stub(name: str, action: str = "") -> None:
    path = folder / name
    path.write_text(
      "#!/bin/bash\n"
      f'echo "{name} $*" >> {tmp_path}/calls\ncd {tmp_path}\n{action}\n'
    )
    path.chmod(0o755)

  return stub


def copy_of(script: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
  """The script where what it makes is no part of this project."""
  copy = folder / "scripts" / script.name
  copy.parent.mkdir()
  return pathlib.Path(shutil.copy(script, copy))


# The answers of gcloud's `describe`, one a call.
_STATES = (
  'if [[ "$*" == *describe* ]]; then head -n 1 states; sed -i 1d states; fi'
)


def test_what_is_run_is_what_is_printed(stubs, tmp_path):
  stubs("gcloud", _STATES)
  stubs("git")
  (tmp_path / "states").write_text("ACTIVE\n")
  script = copy_of(_TPU, tmp_path)
  done = run(script, "resume", *_FLAGS, SPOT="1", **_SETTINGS)
  assert done.returncode == 0, done.stderr
  expected = [
    " ".join(words)
    for words in printed("resume", SPOT="1")
    if words[0] != "mkdir"
  ]
  assert (tmp_path / "calls").read_text().splitlines() == expected
  assert "--spot" in expected[1]


def test_create_waits_until_the_tpu_is_there(stubs, tmp_path):
  stubs("gcloud", _STATES)
  stubs("sleep")
  (tmp_path / "states").write_text("ACCEPTED\nPROVISIONING\nACTIVE\n")
  done = run(_TPU, "create", **_SETTINGS)
  assert (done.returncode, done.stderr) == (
    0,
    "unimse: ACCEPTED\nunimse: PROVISIONING\n",
  )
  assert (tmp_path / "calls").read_text().count("sleep 30") == 2


def test_a_tpu_that_will_not_come_is_one_sentence(stubs, tmp_path):
  stubs("gcloud", _STATES)
  (tmp_path / "states").write_text("FAILED\n")
  done = run(_TPU, "create", **_SETTINGS)
  assert (done.returncode, done.stderr) == (
    2,
    "error: unimse: expected a TPU, found it FAILED\n",
  )


@pytest.mark.parametrize(
  ("arguments", "settings", "message"),
  [
    ([], {}, "expected one of these commands, found ''"),
    (["grow"], _SETTINGS, "expected one of these commands, found 'grow'"),
    (["create"], {"ZONE": "z"}, "BUCKET: expected gs://NAME, found ''"),
    (["create"], {"BUCKET": "gs://b"}, "ZONE: expected a zone, as us-west4-a"),
    (["delete", "all"], _SETTINGS, "delete: expected no flags, found all"),
    (
      ["copy_data"],
      _SETTINGS | {"DATA": "/nowhere"},
      "DATA=/nowhere: expected",
    ),
    (
      ["create"],
      _SETTINGS | {"ACCELERATOR": "v9-8"},
      "ACCELERATOR=v9-8: expected a v4, v5litepod, v5p or v6e, or RUNTIME",
    ),
  ],
)
def test_a_mistake_is_one_message_and_status_2(
  stubs, tmp_path, arguments, settings, message
):
  stubs("gcloud")
  done = run(_TPU, *arguments, **settings)
  assert done.returncode == 2
  assert f"error: {message}" in done.stderr
  assert not (tmp_path / "calls").exists()


def test_the_slurm_script_prints_what_srun_gets():
  done = run(_SLURM, "--dry_run", *_FLAGS, "--workdir", "/a folder/run")
  assert (done.returncode, done.stderr) == (0, "")
  parse(done.stdout)
  words = shlex.split(done.stdout)
  assert words[:2] == ["UNIMSE_COORDINATOR=auto", "srun"]
  module, arguments = own_arguments(words)
  assert arguments == [*_FLAGS, "--workdir", "/a folder/run"]
  check_arguments(module, arguments)


def start_slurm(tmp_path: pathlib.Path) -> subprocess.Popen:
  """Starts the batch script as Slurm does; returns once srun runs."""
  process = subprocess.Popen(
    ["bash", str(_SLURM), *_FLAGS],
    env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": "7"},
  )
  wait_until((tmp_path / "calls").exists)
  return process


def test_a_job_whose_time_is_up_stops_and_is_requeued(stubs, tmp_path):
  stubs("srun", "until [ -e told ]; do sleep 0.01; done; exit 143")
  stubs("scancel", "touch told")
  stubs("scontrol")
  process = start_slurm(tmp_path)
  process.send_signal(signal.SIGUSR1)
  assert process.wait(timeout=20) == 143
  _, *after = (tmp_path / "calls").read_text().splitlines()
  assert after == ["scancel --signal=TERM 7.0", "scontrol requeue 7"]


@pytest.mark.parametrize(
  ("status", "preempted", "requeued"),
  [
    (0, "2026-01-01T00:00:00", False),
    (1, "2026-01-01T00:00:00", False),
    (143, "2026-01-01T00:00:00", True),
    (143, "None", False),  # somebody cancelled the job
  ],
)
def test_only_a_preempted_job_is_requeued_before_its_time(
  stubs, tmp_path, status, preempted, requeued
):
  stubs("srun", f"exit {status}")
  stubs("scontrol", f"echo PreemptTime={preempted} SuspendTime=None")
  assert start_slurm(tmp_path).wait(timeout=20) == status
  calls = (tmp_path / "calls").read_text().splitlines()
  assert ("scontrol requeue 7" in calls) == requeued


@pytest.mark.parametrize("page", ["cloud_tpu", "gpu"])
def test_pages_use_the_scripts_as_they_are(page):
  text = (_ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
  text = re.sub(r"\\\n\s*", " ", text)
  used = re.findall(r"^ {4}scripts/tpu_vm\.sh ?(.*)$", text, re.M)
  batch = re.findall(r"^ {4}sbatch .*scripts/slurm\.sbatch (.*)$", text, re.M)
  assert used or batch
  for line in used:
    command, *flags = shlex.split(line)
    assert command in _COMMANDS, line
    if flags:
      module = "eval" if command == "evaluate" else "train"
      check_arguments(f"unimse_jax.{module}", flags)
  for line in batch:
    check_arguments("unimse_jax.train", shlex.split(line))
