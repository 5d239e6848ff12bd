"""What is evaluated again of several seeds, and what is left alone."""

import json

import pytest

from unimse_jax.study import gather, launch, seeds


@pytest.mark.parametrize(
  ("shares", "waiting"),
  [((), ["seed_1"]), ((0.3,), ["seed_0", "seed_1"]), ((0.5,), ["seed_1"])],
)
def test_a_share_that_is_asked_for_is_made(
  make_rows, evaluate, monkeypatch, tmp_path, shares, waiting
):
  runs = make_rows("without_audio")[0][0].runs
  evaluate(runs[0], {})
  file = runs[0].run_dir.results_file("test")
  stored = json.loads(file.read_text())
  file.write_text(json.dumps(stored | {"missing": {"0.5": {}}}))
  asked = []
  monkeypatch.setattr(
    launch, "run_all", lambda commands: asked.extend(commands) or 1
  )
  assert seeds.evaluate(runs, tmp_path, "test", False, shares) == 1
  for command, name in zip(asked, waiting, strict=True):
    assert command[command.index("--workdir") + 1].endswith(name)
    assert "--nowithheld" in command
    assert ("--missing" in command) == bool(shares)


def test_means_of_another_split_are_not_replaced_without_a_word(
  make_rows, evaluate, tmp_path, caplog
):
  runs = make_rows("without_audio")[0][0].runs
  for run in runs:
    evaluate(run, {})
    folder = run.run_dir.path / "results"
    (folder / "validation.json").write_text((folder / "test.json").read_text())
  gather.write_seeds(tmp_path, runs, "test")
  assert not caplog.records
  gather.write_seeds(tmp_path, runs, "validation")
  assert "eval with --split test brings them back" in caplog.text
