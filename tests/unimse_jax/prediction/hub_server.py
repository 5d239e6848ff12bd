"""A server of the Hugging Face hub's protocol: one branch, files in memory.

It answers what huggingface_hub asks for to make a repository, to commit a
folder and to fetch a snapshot. Files are committed inline, as small ones are.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator

TOKEN = "hf_right"


class Hub(http.server.ThreadingHTTPServer):
  """Attributes:
  repositories: name -> path -> content.
  requests: method and path of every request, in order.
  """

  def __init__(self):
    super().__init__(("127.0.0.1", 0), _Handler)
    self.repositories: dict[str, dict[str, bytes]] = {}
    self.requests: list[str] = []

  @property
  def address(self) -> str:
    return f"http://127.0.0.1:{self.server_address[1]}"

  def commit_of(self, name: str) -> str:
    """Number of the commit that the files are."""
    files = sorted(self.repositories[name].items())
    return hashlib.sha1(repr(files).encode()).hexdigest()


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
  hub = Hub()
  thread = threading.Thread(target=hub.serve_forever, daemon=True)
  thread.start()
  try:
    yield hub
  finally:
    hub.shutdown()
    hub.server_close()
    thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
  server: Hub
  protocol_version = "HTTP/1.1"

  def log_message(self, *arguments):
    del arguments

  def do_HEAD(self):
    self._get()

  def do_GET(self):
    self._get()

  def do_POST(self):
    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
    path = self._path()
    if self.headers.get("Authorization") != f"Bearer {TOKEN}":
      self._answer(401, {"error": "Invalid credentials"})
    elif path == "/api/repos/create":
      self._create(json.loads(body))
    elif path == "/api/validate-yaml":
      self._answer(200, {"errors": [], "warnings": []})
    elif path.endswith("/preupload/main"):
      files = json.loads(body)["files"]
      shown = [
        {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
        for each in files
      ]
      self._answer(200, {"files": shown})
    elif path.endswith("/commit/main"):
      self._commit(path, body)
    else:
      self._answer(404, {"error": path})

  def _path(self) -> str:
    path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
    self.server.requests.append(f"{self.command} {path}")
    return path

  def _create(self, wanted: dict):
    name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
    found = name in self.server.repositories
    self.server.repositories.setdefault(name, {".gitattributes": b"* text"})
    address = f"{self.server.address}/{name}"
    content = {"url": address, "name": name, "id": name}
    self._answer(409 if found else 200, content)

  def _commit(self, path: str, body: bytes):
    name = path.removeprefix("/api/models/").removesuffix("/commit/main")
    files = self.server.repositories[name]
    for line in body.splitlines():
      entry = json.loads(line)
      value = entry["value"]
      if entry["key"] == "file":
        files[value["path"]] = base64.b64decode(value["content"])
      elif entry["key"] == "deletedFile":
        del files[value["path"]]
    commit = self.server.commit_of(name)
    address = f"{self.server.address}/{name}/commit/{commit}"
    self._answer(
      200, {"success": True, "commitOid": commit, "commitUrl": address}
    )

  def _get(self):
    path = self._path()
    if path.startswith("/api/models/"):
      self._information(path.removeprefix("/api/models/"))
    else:
      self._file(*path.lstrip("/").partition("/resolve/")[::2])

  def _information(self, rest: str):
    name, _, what = rest.partition("/revision/")
    name, _, tree = name.partition("/tree/")
    files = self.server.repositories.get(name)
    if files is None or what not in ("", "main", self.server.commit_of(name)):
      self._answer(404, {"error": "nothing there"}, "RepoNotFound")
    elif tree:
      entries = [
        {"type": "file", "path": each, "size": len(files[each]), "oid": "0"}
        for each in files
      ]
      self._answer(200, entries)
    else:
      commit = self.server.commit_of(name)
      siblings = [{"rfilename": each} for each in files]
      self._answer(200, {"id": name, "sha": commit, "siblings": siblings})

  def _file(self, name: str, rest: str):
    files = self.server.repositories.get(name, {})
    revision, _, path = rest.partition("/")
    content = files.get(path)
    if content is None:
      self._answer(404, {"error": "no such file"}, "EntryNotFound")
      return
    self.send_response(200)
    self.send_header("Content-Length", str(len(content)))
    self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
    self.send_header("X-Repo-Commit", self.server.commit_of(name))
    self.end_headers()
    if self.command == "GET":
      self.wfile.write(content)

  def _answer(self, status: int, content, error: str = ""):
    body = json.dumps(content).encode()
    self.send_response(status)
    self.send_header("Content-Type", "application/json")
    self.send_header("Content-Length", str(len(body)))
    if error:
      self.send_header("X-Error-Code", error)
    self.end_headers()
    if self.command != "HEAD":
      self.wfile.write(body)
