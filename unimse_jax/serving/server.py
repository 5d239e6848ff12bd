"""The demo page's server: one clip at a time, and nothing of it is kept.

Only pages that this server itself delivered may ask it: the name in Host must
be this machine's, so that no foreign name can be made to lead here (DNS
rebinding), and the Origin that a browser names must be the same.
"""

import dataclasses
import html
import http.server
import importlib.resources
import ipaddress
import json
import pathlib
import socket
import socketserver
import string
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from absl import logging

from unimse_jax.errors import InputError
from unimse_jax.reporting import style
from unimse_jax.serving import media_kind

Explain = Callable[[str, pathlib.Path | None], dict[str, Any]]
TEXT_HEADER = "Unimse-Text"  # percent-encoded; a URL would be logged and kept
_TEXT_LETTERS = 5000
_BLOCK = 1 << 16  # bytes
_SECONDS = 30  # that a sender may pause
_POLICY = (
  "default-src 'none'; script-src 'self'; style-src 'self'; "
  "connect-src 'self'; img-src data:; media-src blob:; base-uri 'none'; "
  "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": _POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(self), microphone=(self)",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
}


@dataclasses.dataclass(frozen=True)
class Limits:
  """What one clip may be.

  Attributes:
    megabytes: size of its file; 1 MB is 1,000,000 bytes.
    seconds: length of what the page records or takes.
  """

  megabytes: int = 50
  seconds: int = 20

  @property
  def bytes(self) -> int:
    return self.megabytes * 1_000_000


class Refusal(Exception):
  """An answer that is an error: status of HTTP, and words for the user."""

  def __init__(self, status: int, message: str):
    super().__init__(message)
    self.status, self.message = status, message


class Server(http.server.ThreadingHTTPServer):
  """Answers the page's requests, each in a thread of its own."""

  # Closing waits for them, so that their files are removed.
  daemon_threads = False

  def __init__(
    self, host: str, port: int, model: str, limits: Limits, explain: Explain
  ):
    """Binds the port.

    Args:
      host: name or address to listen on.
      port: number of the port; 0 for any that is free.
      model: what the page says it asks.
      limits: largest clip.
      explain: answers (words, file or None); an InputError is the user's.

    Raises:
      InputError: no such address, or a port that is taken.
    """
    self.explain, self.limits, self.host = explain, limits, host
    self.busy = threading.Lock()
    self.files = _page_files(model, limits)
    try:
      family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
      )[0]
      self.address_family = family
      super().__init__(address[:2], _Handler)
    except (OSError, OverflowError) as error:
      raise InputError(
        f"--host, --port: expected an address of this machine and a free port, "
        f"found {host} and {port}: {error}. Give another --port."
      ) from error

  def server_bind(self) -> None:
    # HTTPServer's own asks the network for this machine's name.
    socketserver.TCPServer.server_bind(self)
    self.server_name, self.server_port = self.host, self.server_address[1]

  @property
  def url(self) -> str:
    host = f"[{self.host}]" if ":" in self.host else self.host
    return f"http://{host}:{self.server_port}/"

  def handle_error(self, request: Any, client_address: Any) -> None:
    # A browser that went away; everything else is answered below.
    logging.info("The connection was lost.")


def is_loopback(host: str) -> bool:
  """Whether only this machine can reach it."""
  if host == "localhost":
    return True
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return False


def _page_files(model: str, limits: Limits) -> dict[str, tuple[str, bytes]]:
  """Path -> (kind of content, content) of all that can be fetched."""
  folder = importlib.resources.files("unimse_jax.serving")
  texts = {
    name: (folder / name).read_text(encoding="utf-8")
    for name in ("page.html", "page.js", "page.css")
  }
  page = string.Template(texts["page.html"]).substitute(
    model=html.escape(model),
    megabytes=limits.megabytes,
    seconds=limits.seconds,
    letters=_TEXT_LETTERS,
  )
  return {
    "/": ("text/html; charset=utf-8", page.encode()),
    "/page.js": ("text/javascript; charset=utf-8", texts["page.js"].encode()),
    "/page.css": (
      "text/css; charset=utf-8",
      (style.sheet() + texts["page.css"]).encode(),
    ),
  }


class _Handler(http.server.BaseHTTPRequestHandler):
  """One request; every answer ends the connection."""

  server: Server
  server_version, sys_version = "unimse", ""
  timeout = _SECONDS

  def do_GET(self) -> None:
    self._guard(self._send_file)

  def do_POST(self) -> None:
    self._guard(self._predict)

  def log_message(self, pattern: str, *values: Any) -> None:
    logging.info("%s %s", self.client_address[0], pattern % values)

  def _guard(self, answer: Callable[[], None]) -> None:
    """Runs an answer; what goes wrong becomes a message in JSON."""
    try:
      self._check_source()
      answer()
    except Refusal as refusal:
      self._send_json(refusal.status, {"error": refusal.message})
    except InputError as error:
      self._send_json(422, {"error": str(error)})
    except TimeoutError:
      self._send_json(408, {"error": f"nothing came for {_SECONDS} s."})
    except ConnectionError:
      raise
    except Exception:
      logging.exception("A clip could not be answered:")
      message = "an error that nobody has foreseen; the terminal shows it."
      self._send_json(500, {"error": message})

  def _check_source(self) -> None:
    """Refuses what a page of another origin asks for."""
    host = self.headers.get("Host", "")
    try:
      name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
      name = ""
    if not _is_own_name(name, self.server.host):
      raise Refusal(
        403, f"expected this machine's name or address, found Host {host!r}."
      )
    origin = self.headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
      raise Refusal(403, f"expected a page of {host}, found one of {origin!r}.")
    # A link to the page is harmless; to send a clip from elsewhere is not.
    site = self.headers.get("Sec-Fetch-Site", "none")
    if self.command != "GET" and site not in ("none", "same-origin"):
      raise Refusal(403, f"expected this server's own page, found {site}.")

  def _send_file(self) -> None:
    path = urllib.parse.urlsplit(self.path).path
    if path not in self.server.files:
      raise Refusal(404, f"expected /, found {path!r}.")
    kind, content = self.server.files[path]
    self._send(200, kind, content)

  def _predict(self) -> None:
    if urllib.parse.urlsplit(self.path).path != "/predict":
      raise Refusal(404, f"expected /predict, found {self.path!r}.")
    length, text = self._read_length(), self._read_text()
    if not self.server.busy.acquire(blocking=False):
      self._drain(length)
      raise Refusal(503, "another clip is being answered; try again.")
    try:
      with tempfile.TemporaryDirectory(prefix="unimse_demo_") as folder:
        media = self._receive(length, pathlib.Path(folder))
        answer = self.server.explain(text, media)
    finally:
      self.server.busy.release()
    self._send_json(200, answer)

  def _read_length(self) -> int:
    """The number of bytes that follow."""
    given = self.headers.get("Content-Length", "")
    if not given.isascii() or not given.isdigit():
      raise Refusal(411, "expected a Content-Length, found none.")
    length, limits = int(given[:20]), self.server.limits
    if length > limits.bytes:
      self._drain(limits.bytes)
      raise Refusal(
        413,
        f"expected at most {limits.megabytes} MB, found {length / 1e6:.1f}.",
      )
    return length

  def _read_text(self) -> str:
    text = urllib.parse.unquote(self.headers.get(TEXT_HEADER, ""))
    if len(text) > _TEXT_LETTERS:
      raise Refusal(
        413, f"expected at most {_TEXT_LETTERS} letters, found {len(text)}."
      )
    return text

  def _blocks(self, length: int) -> Iterator[bytes]:
    while length > 0:
      block = self.rfile.read(min(_BLOCK, length))
      if not block:
        return
      yield block
      length -= len(block)

  def _drain(self, length: int) -> None:
    """Reads and forgets, because a browser reads no answer while it sends."""
    for _ in self._blocks(length):
      pass

  def _receive(self, length: int, folder: pathlib.Path) -> pathlib.Path | None:
    """The file that follows; None: there is none."""
    if not length:
      return None
    draft, count = folder / "clip", 0
    with draft.open("wb") as file:
      for block in self._blocks(length):
        file.write(block)
        count += len(block)
    if count < length:
      raise Refusal(400, f"expected {length} bytes, found {count}.")
    with draft.open("rb") as file:
      ending = media_kind.suffix(file.read(media_kind.BYTES))
    if ending is None:
      raise Refusal(
        415,
        "expected sound or video (MP4, WebM, WAV, MP3, Ogg, FLAC, AVI), found "
        "something else.",
      )
    return draft.rename(draft.with_suffix(ending))

  def _send_json(self, status: int, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    self._send(status, "application/json", data)

  def _send(self, status: int, kind: str, content: bytes) -> None:
    self.send_response(status)
    sizes = {"Content-Type": kind, "Content-Length": str(len(content))}
    for name, value in {**_HEADERS, **sizes}.items():
      self.send_header(name, value)
    if status == 503:
      self.send_header("Retry-After", "5")
    self.end_headers()
    self.wfile.write(content)


def _is_own_name(name: str, host: str) -> bool:
  """Whether a name in Host can only mean this machine.

  An address is what a browser has connected to; a name may be anybody's.
  """
  if name in ("localhost", host.lower()):
    return True
  try:
    ipaddress.ip_address(name)
  except ValueError:
    return False
  return True
