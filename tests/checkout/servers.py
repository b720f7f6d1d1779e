"""Servers of private repositories: git over https with a password and over ssh with a key."""

import base64
import getpass
import hashlib
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.storage.servers import free_port


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    path, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    words += ["-addext", f"subjectAltName=IP:{host}", "-keyout", str(key), "-out", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path, key


class Git(BaseHTTPRequestHandler):
    """git's own smart HTTP, and the two requests of Git LFS that a download needs."""

    root: Path
    address: str
    credentials: str | None

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if self.credentials and self.headers["Authorization"] != _basic(self.credentials):
            self._send(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        elif path.endswith("/info/lfs/objects/batch"):
            self._batch(path.partition("/info/lfs/")[0], json.loads(body))
        elif "/lfs/objects/" in path:
            self._send(200, {}, (self.root / path[1:]).read_bytes())
        else:
            self._backend(path, query, body)

    def _batch(self, repository: str, request: dict[str, list[dict[str, str]]]) -> None:
        objects = [
            {
                **each,
                "actions": {"download": {"href": f"{self.address}{repository}/{lfs_path(str(each['oid']))}"}},
            }
            for each in request["objects"]
        ]
        answer = json.dumps({"transfer": "basic", "objects": objects}).encode()
        self._send(200, {"Content-Type": "application/vnd.git-lfs+json"}, answer)

    def _backend(self, path: str, query: str, body: bytes) -> None:
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._send(int(headers.pop("Status", "200").split()[0]), headers, rest)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def https(root: Path, folder: Path, credentials: str, host: str = "127.0.0.1") -> Iterator[type[Git]]:
    """Serve the bare repositories in `root` to who gives `credentials`; the certificate is in `folder`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, host))

    class Handler(Git):
        pass

    Handler.root, Handler.credentials = root, credentials
    with ThreadingHTTPServer((host, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Handler.address = f"https://{host}:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield Handler
        server.shutdown()


@contextmanager
def http(root: Path) -> Iterator[str]:
    """The URL of the folder `root`, whose repositories anybody may have."""

    class Handler(Git):
        pass

    Handler.root, Handler.credentials = root, None
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


def lfs_path(digest: str) -> str:
    """Where a repository keeps a file of Git LFS."""
    return f"lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}"


def pointer(bare: Path, body: bytes) -> str:
    """The text that stands for a file of Git LFS, and the file where a server keeps it."""
    digest = hashlib.sha256(body).hexdigest()
    path = bare / lfs_path(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(body)}\n"


@contextmanager
def sshd(host: str, folder: Path) -> Iterator[str]:
    """The address of an sshd, and in `folder` what it wants: `ssh-privatekey`, `known_hosts`."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not server:
        pytest.skip("sshd is not installed (Debian: openssh-server)")
    host_key, key = folder / "host", folder / "ssh-privatekey"
    for path in (host_key, key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    port = free_port(host)
    (folder / "known_hosts").write_text(f"[{host}]:{port} {host_key.with_suffix('.pub').read_text()}")
    options = {
        "ListenAddress": f"{host}:{port}",
        "HostKey": host_key,
        "AuthorizedKeysFile": key.with_suffix(".pub"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
    }
    words = [server, "-D", "-e", "-f", os.devnull, *(f"-o{name}={value}" for name, value in options.items())]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it goes after it has given up its rights
    started = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert started.stderr
    with started:
        try:
            line = next((line for line in started.stderr if "listening" in line or "error" in line), "")
            if "listening" not in line:
                pytest.skip(f"sshd does not start here: {line}")
            yield f"ssh://{getpass.getuser()}@{host}:{port}"
        finally:
            started.terminate()
