"""A hub with one model, as far as huggingface_hub asks for it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@dataclass
class Hub:
    """Its files by name, and what was fetched of them. `answer`: status, headers and body in place of any."""

    files: dict[str, bytes]
    url: str = ""
    fetched: list[str] = field(default_factory=list)
    answer: tuple[int, dict[str, str], bytes] | None = None


@contextmanager
def running_hub(files: dict[str, bytes]) -> Iterator[Hub]:
    """Serve the model `owner/model` until the end of the block."""
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if hub.answer:
                self.reply(*hub.answer)
            elif path.startswith("/api/models/owner/model/tree/"):
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha256(data).hexdigest()}
                    for name, data in hub.files.items()
                ]
                self.reply(200, {"Content-Type": "application/json"}, json.dumps(tree).encode())
            elif path.startswith("/api/models/owner/model"):
                siblings = [{"rfilename": name} for name in hub.files]
                info = {"id": "owner/model", "sha": COMMIT, "siblings": siblings}
                self.reply(200, {"Content-Type": "application/json"}, json.dumps(info).encode())
            elif (name := path.removeprefix("/owner/model/resolve/").partition("/")[2]) in hub.files:
                data = hub.files[name]
                if self.command == "GET":
                    hub.fetched.append(name)
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
                self.reply(200, headers, data)
            else:
                self.reply(404, {"X-Error-Code": "RepoNotFound"}, b"")

        def do_HEAD(self) -> None:
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
