"""Writes the report of an evaluated run.

python -m unimse_jax.report --workdir DIR [--compare DIR ...]
    [--projection tsne|pca|none] [--single_utterances]
"""

import sys

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line

_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Directory of the run to report on.", required=True
)
_COMPARE = flags.DEFINE_multi_string(
  "compare", [], "Other runs on the same utterances."
)
_PROJECTION = flags.DEFINE_enum(
  "projection", "tsne", ["tsne", "pca", "none"], "How Figure 4 is flattened."
)
_SINGLE = flags.DEFINE_bool(
  "single_utterances",
  False,
  "Intervals draw single utterances instead of dialogues (speakers or videos "
  "where a corpus has no dialogues); they are then too narrow.",
)


def main() -> int:
  from unimse_jax.reporting import page

  compared = [user_path(path) for path in _COMPARE.value]
  workdir = user_path(_WORKDIR.value)
  path = page.write(workdir, compared, _PROJECTION.value, _SINGLE.value)
  print(f"Written: {path} ({path.stat().st_size / 1024:.0f} KiB)")
  return 0


if __name__ == "__main__":
  sys.argv = command_line.repeat_flag(sys.argv, "compare")
  command_line.run(main)
