"""What an extraction process has from the one that started it."""

import os
import subprocess
import sys

from feature_export.extraction import workers

_COUNT = """
import os
import numpy, threadpoolctl
print(os.environ["OMP_NUM_THREADS"])
print({each["num_threads"] for each in threadpoolctl.threadpool_info()})
"""


def test_processes_do_arithmetic_with_one_thread(monkeypatch):
  monkeypatch.setenv("OMP_NUM_THREADS", "3")
  monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
  command = [sys.executable, "-c", _COUNT]
  assert subprocess.check_output(command).startswith(b"3\n")
  with workers._one_thread_each():
    assert subprocess.check_output(command) == b"1\n{1}\n"
  assert os.environ["OMP_NUM_THREADS"] == "3"
  assert "MKL_NUM_THREADS" not in os.environ
