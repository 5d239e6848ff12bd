"""Users' mistakes end in one message and exit status 2."""

import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest

from unimse_jax import command_line
from unimse_jax.files import write_atomically

_ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments: str, module: str = "train") -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-m", f"unimse_jax.{module}", *arguments],
    cwd=_ROOT,
    env={**os.environ, "HF_HUB_OFFLINE": "1"},
    capture_output=True,
    text=True,
    timeout=120,
  )


def run_script(script: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-c", script],
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    capture_output=True,
    text=True,
    timeout=120,
  )


def message(done: subprocess.CompletedProcess) -> str:
  assert done.returncode == 2, done.stderr
  assert "Traceback" not in done.stderr
  assert "error: " in done.stderr
  return done.stderr


def test_a_misspelt_field_suggests_the_near_one():
  done = run("--config=configs/base.py", "--config.optimizer.lr_t6=1.0")
  assert "lr_t5" in message(done)


def test_a_value_of_another_type_is_named():
  done = run("--config=configs/base.py", "--config.train.epochs=many")
  assert "many" in message(done)


def test_a_missing_config_file_is_named():
  assert "configs/bass.py" in message(run("--config=configs/bass.py"))


def test_no_config_at_all_says_so():
  assert "--config" in message(run())


def test_help_lists_the_fields_that_are_asked_for():
  done = run("--help_config=text.window")
  assert done.returncode == 0, done.stderr
  first, *rest = done.stdout.splitlines()
  assert first == "--config.text.window=2  (int, \u2265 0, \u2264 8)"
  assert "(D18)" in " ".join(rest)


def test_help_on_no_field_names_what_was_asked_for():
  assert "'windo_w'" in message(run("--help_config=windo_w"))


def test_help_shows_where_the_config_and_its_fields_are_told():
  done = run("--help", module="eval")
  assert "--config:" in done.stdout
  assert "--help_config:" in done.stdout


@pytest.mark.parametrize(
  ("content", "named"),
  [
    ("x = 1\n", "get_config"),
    ("def get_config(:\n", "broken.py"),
    ("import no_such_module\n", "no_such_module"),
  ],
)
def test_a_config_file_that_cannot_be_read_is_named(tmp_path, content, named):
  path = tmp_path / "broken.py"
  path.write_text(content)
  assert named in message(run(f"--config={path}"))


def test_everything_missing_comes_in_one_message(tmp_path):
  workdir = tmp_path / "run"
  done = run(
    "--config=configs/base.py",
    f"--config.data.dir={tmp_path}",
    f"--config.data.labels={tmp_path}/labels.jsonl",
    f"--workdir={workdir}",
  )
  text = message(done)
  for part in (
    "feature_export.export --corpus mosi ",
    "feature_export.export --corpus iemocap ",
    "feature_export.universal_labels",
    "google-t5/t5-base",
    "6 thing(s)",
  ):
    assert part in text, part
  assert not workdir.exists()  # nothing half-made


def test_evaluating_where_nothing_was_trained_is_refused(tmp_path):
  done = run(
    "--config=configs/scratch.py", f"--workdir={tmp_path}", module="eval"
  )
  assert "train first" in message(done)


def test_a_device_without_memory_is_one_message(capsys):
  def main():
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GiB.\nmuch more")

  with pytest.raises(SystemExit) as ended:
    command_line._guarded(main)
  assert ended.value.code == 2
  message = capsys.readouterr().err
  assert "found: RESOURCE_EXHAUSTED: 9 GiB. Raise config.train" in message
  assert "much more" not in message


def test_other_faults_keep_their_traceback():
  def main():
    raise jax.errors.JaxRuntimeError("INTERNAL: a fault of ours")

  with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
    command_line._guarded(main)


def test_a_warning_is_told_once_and_lines_have_no_thread_ids():
  script = (
    "from absl import logging\n"
    "from unimse_jax import command_line\n"
    "def main():\n"
    "  for _ in range(2):\n"
    "    logging.warning('the same')\n"
    "    logging.info('again')\n"
    "command_line.run(main)\n"
  )
  done = run_script(script)
  assert done.returncode == 0, done.stderr
  lines = done.stderr.splitlines()
  assert [line.split(" ", 2)[2] for line in lines] == [
    *("the same", "again", "again")
  ]
  assert re.fullmatch(r"WARNING \d\d:\d\d:\d\d the same", lines[0])


def test_a_full_or_read_only_disk_is_one_sentence():
  script = (
    "import errno\n"
    "from unimse_jax import command_line\n"
    "def main():\n"
    "  raise OSError(errno.ENOSPC, 'No space left on device', 'runs/a')\n"
    "command_line.run(main)\n"
  )
  done = run_script(script)
  assert "runs/a: expected room" in message(done)


@pytest.mark.parametrize(
  ("named", "write"),
  [
    ("file", lambda root: (root / "file").mkdir(exist_ok=True)),
    ("file/a", lambda root: (root / "file" / "a").write_text("")),
    ("folder", lambda root: (root / "folder").write_text("")),
    ("folder", lambda root: write_atomically(root / "folder", b"")),
  ],
)
def test_a_file_in_a_directorys_place_is_one_sentence(
  tmp_path, capsys, named, write
):
  (tmp_path / "file").write_text("")
  (tmp_path / "folder").mkdir()
  with pytest.raises(SystemExit) as ended:
    command_line._guarded(lambda: write(tmp_path))
  assert ended.value.code == 2
  message = capsys.readouterr().err
  assert f"{tmp_path / named}: expected directories where" in message


def test_figures_have_a_file_before_they_are_measured(tmp_path):
  done = run("--config=demo", f"--output={tmp_path}", module="benchmark")
  assert "--output: expected a file in a directory" in message(done)


def test_a_step_of_several_seeds_is_refused():
  done = run("--config=demo", "--step=3", "--seeds=2", module="eval")
  assert "one of --step and --seeds" in message(done)


@pytest.mark.parametrize(
  ("module", "flags"),
  [
    ("train", ["--config", "--help_config", "--workdir"]),
    ("eval", ["--config", "--step", "--split"]),
    ("predict", ["--workdir", "--input", "--media", "--timeline"]),
    ("demo_page", ["--workdir", "--host", "--port", "--max_megabytes"]),
    ("package", ["--workdir", "--out"]),
  ],
)
def test_help_lists_the_flags_and_is_no_error(module, flags):
  done = run("--help", module=module)
  assert done.returncode == 0, done.stderr
  assert all(f"  {flag}:" in done.stdout for flag in flags), done.stdout
