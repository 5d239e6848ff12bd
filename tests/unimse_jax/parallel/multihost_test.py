"""Wrong launch variables are one sentence each."""

import pytest

from unimse_jax.errors import InputError
from unimse_jax.parallel import multihost


@pytest.mark.parametrize(
  ("variables", "message"),
  [
    ({"PROCESSES": "2"}, "UNIMSE_COORDINATOR beside UNIMSE_PROCESSES"),
    ({"COORDINATOR": "a:1", "PROCESS": "0"}, "UNIMSE_PROCESSES: .* found ''"),
    ({"COORDINATOR": "a", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    ({"COORDINATOR": "a:b", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "two", "PROCESS": "0"},
      "a number .* found 'two'",
    ),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "2", "PROCESS": "2"},
      "0 to UNIMSE_PROCESSES - 1 = 1, found 2",
    ),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "2", "PROCESS": "-1"},
      "found '-1'",
    ),
  ],
)
def test_launch_variables_that_do_not_fit_are_refused(
  monkeypatch, variables, message
):
  for name in ("COORDINATOR", "PROCESSES", "PROCESS"):
    monkeypatch.delenv(f"UNIMSE_{name}", raising=False)
  for name, value in variables.items():
    monkeypatch.setenv(f"UNIMSE_{name}", value)
  with pytest.raises(InputError, match=message):
    multihost.initialize(timeout=1)
