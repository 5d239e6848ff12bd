"""The demo page's protocol, without a browser: limits, origins, leftovers."""

import http.client
import json
import socket
import threading
import time

import pytest

from unimse_jax.errors import InputError
from unimse_jax.serving import server as server_lib
from unimse_jax.serving.server import Limits, Server

_WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)


@pytest.fixture
def ask(serve):
  """Sends a request to a server of its own; status, headers and content."""
  started = []

  def send(method: str, path: str, body: bytes = b"", **headers: str):
    server = started[0] if started else started.append(serve()) or started[0]
    return request(server, method, path, body, **headers)

  return send


def request(server, method, path, body=b"", **headers):
  connection = http.client.HTTPConnection(
    *server.server_address[:2], timeout=30
  )
  named = {name.replace("_", "-"): value for name, value in headers.items()}
  connection.request(method, path, body, named)
  reply = connection.getresponse()
  content = reply.read()
  connection.close()
  is_json = reply.headers["Content-Type"] == "application/json"
  return (
    reply.status,
    reply.headers,
    json.loads(content) if is_json else content,
  )


def test_page_script_and_style_come_with_headers_that_close_them_off(ask):
  kinds = {}
  for path in ("/", "/page.js", "/page.css"):
    status, headers, content = ask("GET", path)
    assert (status, int(headers["Content-Length"])) == (200, len(content))
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    kinds[path] = headers["Content-Type"].partition(";")[0], content.decode()
  (html, page), (script, _), (css, _) = kinds.values()
  assert (html, script, css) == ("text/html", "text/javascript", "text/css")
  assert 'data-megabytes="50" data-seconds="20"' in page
  assert "runs/&lt;tiny&gt;" in page and "$" not in page
  assert "http" not in page.replace("(http://127.0.0.1)", "")


def test_a_clip_is_answered_and_nothing_of_it_is_kept(
  ask, model, monkeypatch, tmp_path
):
  monkeypatch.setattr(server_lib.tempfile, "tempdir", str(tmp_path))
  status, headers, answer = ask(
    "POST", "/predict", _WAV, Unimse_Text="d%C3%A9j%C3%A0%20vu"
  )
  assert status == 200
  assert answer["polarity"] == "positive" and "without" in answer
  assert model.asked == [("d\u00e9j\u00e0 vu", "clip.wav", _WAV)]
  assert model.files[0].is_relative_to(tmp_path)
  assert list(tmp_path.iterdir()) == []
  assert headers["Content-Type"] == "application/json"


def test_words_alone_are_answered(ask, model):
  assert ask("POST", "/predict", Unimse_Text="so")[0] == 200
  assert model.asked == [("so", "", None)]


def test_files_are_removed_after_failures_too(
  ask, model, monkeypatch, tmp_path
):
  monkeypatch.setattr(server_lib.tempfile, "tempdir", str(tmp_path))
  model.failure = InputError("audio: no such file")
  status, _, answer = ask("POST", "/predict", _WAV)
  assert (status, answer) == (422, {"error": "audio: no such file"})
  model.failure = KeyError("a bug")
  status, _, answer = ask("POST", "/predict", _WAV)
  assert status == 500
  assert "a bug" not in answer["error"] and "terminal" in answer["error"]
  assert list(tmp_path.iterdir()) == []
  model.failure = None
  assert ask("POST", "/predict", _WAV)[0] == 200  # nor is it busy for ever


@pytest.mark.parametrize(
  ("head", "ending"),
  [
    (_WAV, ".wav"),
    (b"RIFF\0\0\0\0AVI LIST", ".avi"),
    (b"\0\0\0\x20ftypisom", ".mp4"),
    (b"\x1aE\xdf\xa3\x9fB\x86\x81", ".webm"),
    (b"OggS\0\2", ".ogg"),
    (b"fLaC\0\0", ".flac"),
    (b"ID3\4\0", ".mp3"),
    (b"\xff\xfb\x90", ".mp3"),
  ],
)
def test_sound_and_video_are_told_by_their_first_bytes(
  ask, model, head, ending
):
  assert ask("POST", "/predict", head)[0] == 200
  assert model.asked[0][1] == f"clip{ending}"


@pytest.mark.parametrize(
  "content",
  [
    b"#EXTM3U\nfile:///etc/passwd\n",  # FFmpeg would open what it names
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"<html>",
    b"x",
  ],
)
def test_anything_else_is_not_opened(ask, model, content):
  status, _, answer = ask("POST", "/predict", content)
  assert status == 415 and "expected sound or video" in answer["error"]
  assert model.asked == []


def test_too_large_a_clip_or_text_is_refused(serve, model):
  server = serve(megabytes=1)
  status, _, answer = request(server, "POST", "/predict", bytes(1_000_001))
  assert (status, model.asked) == (413, [])
  assert answer["error"] == "expected at most 1 MB, found 1.0."
  status, _, answer = request(
    server, "POST", "/predict", Unimse_Text="a" * 5001
  )
  assert status == 413 and "5000 letters, found 5001" in answer["error"]
  assert request(server, "POST", "/predict", _WAV + bytes(999_900))[0] == 200


def test_a_second_clip_meanwhile_is_told_to_come_again(serve, model):
  server = serve()
  model.may_answer.clear()
  first = []
  thread = threading.Thread(
    target=lambda: first.append(request(server, "POST", "/predict", _WAV))
  )
  thread.start()
  assert model.began.wait(30)
  status, headers, answer = request(server, "POST", "/predict", _WAV * 9999)
  assert (status, headers["Retry-After"]) == (503, "5")
  assert "another clip is being answered" in answer["error"]
  assert request(server, "GET", "/")[0] == 200  # the page itself comes
  model.may_answer.set()
  thread.join(30)
  assert first[0][0] == 200
  assert len(model.asked) == 1


@pytest.mark.parametrize(
  ("headers", "status"),
  [
    ({}, 200),
    ({"Host": "localhost:8000"}, 200),
    ({"Host": "127.0.0.1:9000", "Origin": "http://127.0.0.1:9000"}, 200),
    ({"Host": "[::1]:8000", "Origin": "http://[::1]:8000"}, 200),
    ({"Host": "192.168.0.7"}, 200),
    ({"Sec_Fetch_Site": "same-origin"}, 200),
    # A foreign name that was made to lead here.
    ({"Host": "evil.example:8000"}, 403),
    ({"Host": "localhost.evil.example"}, 403),
    ({"Host": "127.0.0.1.evil.example"}, 403),
    ({"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}, 403),
    ({"Host": "[::1"}, 403),
    ({"Host": ""}, 403),
    # Another page that asks.
    ({"Host": "localhost:8000", "Origin": "http://evil.example"}, 403),
    ({"Host": "localhost:8000", "Origin": "http://localhost:8001"}, 403),
    ({"Host": "localhost:8000", "Origin": "https://localhost:8000"}, 403),
    ({"Host": "localhost:8000", "Origin": "null"}, 403),
    ({"Sec_Fetch_Site": "cross-site"}, 403),
    ({"Sec_Fetch_Site": "same-site"}, 403),
  ],
)
def test_only_its_own_page_may_ask(ask, model, headers, status):
  found, reply, answer = ask("POST", "/predict", _WAV, **headers)
  assert found == status
  assert len(model.asked) == (status == 200)
  assert "Access-Control-Allow-Origin" not in reply
  assert status == 200 or "expected" in answer["error"]


def test_a_foreign_name_gets_no_page_and_a_link_does(ask):
  assert ask("GET", "/", Host="evil.example")[0] == 403
  assert ask("GET", "/", Sec_Fetch_Site="cross-site")[0] == 200


def test_paths_and_methods_that_are_not_there(ask):
  for path in ("/../server.py", "/page.py", "//etc/passwd", "/predict"):
    assert ask("GET", path)[0] == 404
  assert ask("POST", "/", _WAV)[0] == 404
  assert ask("OPTIONS", "/predict")[0] == 501  # no leave for other origins


def _send_raw(server, data: bytes) -> bytes:
  with socket.create_connection(server.server_address[:2], timeout=30) as link:
    link.sendall(data)
    link.shutdown(socket.SHUT_WR)
    return b"".join(iter(lambda: link.recv(4096), b""))


@pytest.mark.parametrize(
  ("headers", "status"),
  [
    (b"", b"411"),
    (b"Transfer-Encoding: chunked\r\n", b"411"),
    (b"Content-Length: -1\r\n", b"411"),
    (b"Content-Length: 99999999999999999999999\r\n", b"413"),
    (b"Content-Length: 60\r\n", b"400"),  # and less comes
  ],
)
def test_a_length_that_is_none_or_not_kept(serve, model, headers, status):
  reply = _send_raw(
    serve(),
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n",
  )
  assert reply.split()[1] == status
  assert model.asked == []


def test_a_sender_that_pauses_is_let_go(serve, monkeypatch, model):
  monkeypatch.setattr(server_lib._Handler, "timeout", 0.2)
  server = serve()
  head = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
  )
  with socket.create_connection(server.server_address[:2], timeout=30) as link:
    link.sendall(head)
    began = time.monotonic()
    assert link.recv(4096).split()[1] == b"408"
    assert time.monotonic() - began < 10
  assert request(server, "POST", "/predict", _WAV)[0] == 200


def test_the_words_are_in_no_log(ask, caplog):
  caplog.set_level("INFO", "absl")
  ask("POST", "/predict", _WAV, Unimse_Text="secret")
  assert "POST /predict" in caplog.text
  assert "secret" not in caplog.text


def test_a_taken_port_and_a_wrong_address_are_one_message(serve, model):
  taken = serve().server_port
  for host, port in (("127.0.0.1", taken), ("no.such.host.invalid", 0)):
    with pytest.raises(InputError, match="--port: expected an address of this"):
      Server(host, port, "", Limits(), model.explain)


def test_addresses_that_only_this_machine_reaches():
  own = ("127.0.0.1", "127.9.9.9", "::1", "localhost")
  open_ones = ("0.0.0.0", "::", "192.168.0.7", "example.org", "")
  assert all(map(server_lib.is_loopback, own))
  assert not any(map(server_lib.is_loopback, open_ones))


def test_an_address_of_version_six(serve):
  try:
    server = serve("::1")
  except InputError:
    pytest.skip("this machine has no IPv6")
  assert server.url == f"http://[::1]:{server.server_port}/"
  assert request(server, "GET", "/")[0] == 200


def test_closing_waits_for_an_answer_and_its_files(serve, model):
  server = serve()
  model.may_answer.clear()
  thread = threading.Thread(
    target=lambda: request(server, "POST", "/predict", _WAV)
  )
  thread.start()
  assert model.began.wait(30)
  threading.Timer(0.2, model.may_answer.set).start()
  server.shutdown()
  server.server_close()
  (file,) = model.files
  assert not file.exists()
  thread.join(30)
