"""Shows a page on this machine that answers clips: uploaded, or recorded.

python -m unimse_jax.demo_page --workdir DIR [--port 8000]

The page is for this machine alone. --host of another address lets everybody
who reaches it ask, without a password and without encryption.
"""

import signal
import sys

from absl import flags

from unimse_jax import command_line, model_flags
from unimse_jax.errors import InputError

_MODEL = model_flags.define()
_HOST = flags.DEFINE_string(
  "host", "127.0.0.1", "Address to listen on; another is open to its network."
)
_PORT = flags.DEFINE_integer(
  "port", 8000, "Port to listen on; 0: any that is free.", 0, 65535
)
_MEGABYTES = flags.DEFINE_integer(
  "max_megabytes", 50, "Largest file that is taken, MB.", 1, 2000
)
_SECONDS = flags.DEFINE_integer(
  "max_seconds", 20, "Longest clip that the page takes, s.", 1, 600
)
_ROWS = 4  # a clip, and the same without words, voice and face


def main() -> int:
  _MODEL.check()
  from unimse_jax.prediction import Clip
  from unimse_jax.serving import explanation, server

  def explain(text, media):
    return explanation.explain(predictor, text, media)

  limits = server.Limits(_MEGABYTES.value, _SECONDS.value)
  # Before the model is read: a port that is taken is told at once.
  served = server.Server(
    _HOST.value, _PORT.value, _MODEL.source, limits, explain
  )
  with served:
    predictor = _MODEL.open(_ROWS, devices=1)
    # So that the first visitor does not wait for it to be compiled.
    (answer,) = predictor.predict([Clip(text="so")])
    if answer.error:
      raise InputError(answer.error)
    if not server.is_loopback(_HOST.value):
      print(
        f"Warning: --host {_HOST.value} lets everybody who reaches it send "
        "clips and see their answers, without a password.",
        file=sys.stderr,
      )
    # A service manager's way to stop; as after Ctrl-C, files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Open {served.url} in a browser; Ctrl-C ends it.", flush=True)
    with predictor.exporter.process:  # started by the first file, for all
      served.serve_forever()
  return 0


if __name__ == "__main__":
  command_line.run(main)
