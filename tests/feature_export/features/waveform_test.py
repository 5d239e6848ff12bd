"""librosa loads wherever it is installed."""

import os
import tempfile

import pytest

from feature_export.features import waveform


@pytest.mark.parametrize("writable", [True, False])
def test_librosa_gets_a_cache_where_nothing_can_be_written(
  monkeypatch, writable
):
  monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
  monkeypatch.setattr(waveform.os, "access", lambda *_: writable)
  waveform.give_numba_a_cache.__wrapped__()
  given = os.environ.get("NUMBA_CACHE_DIR")
  monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
  assert (given is None) == writable
  if given:
    assert given.startswith(tempfile.gettempdir())
