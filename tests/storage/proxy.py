"""A proxy before an S3 server that counts requests and does to them what networks and servers do."""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """A request as it arrives; `number` counts from 1."""

    number: int
    method: str
    path: str
    conditional: bool
    range: str
    authorization: str
    session_token: str


@dataclass(frozen=True)
class Fault:
    """What happens to one request: each step that is set, in this order.

    `before` and `after` are called around the server's work; `answer` is a status (and `code` S3's
    name for it) that the server is not asked for; `hide` asks it but answers with that status; `cut`
    sends half of the body; `twice` asks it twice and gives the second answer; `drop` closes the
    connection instead of answering.
    """

    before: Callable[[], object] | None = None
    answer: int | None = None
    code: str = ""
    twice: bool = False
    after: Callable[[], None] | None = None
    hide: int | None = None
    cut: bool = False
    drop: bool = False


NONE = Fault()


@dataclass
class Proxy:
    """`fault` says what happens to a request, `rewrite` which path the server sees."""

    upstream: str
    url: str = ""
    fault: Callable[[Request], Fault] = lambda _: NONE
    rewrite: Callable[[str], str] = lambda path: path
    seen: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str, headers: Message) -> Request:
        with self.lock:
            request = Request(
                len(self.seen) + 1,
                method,
                path,
                "If-None-Match" in headers,
                headers.get("Range", ""),
                headers.get("Authorization", ""),
                headers.get("X-Amz-Security-Token", ""),
            )
            self.seen.append(request)
        return request


@contextmanager
def proxied(upstream: str, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy, at `host`, to the server at the endpoint `upstream`; with `tls`, it is asked by https."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        to = proxy

    with _Server((host, 0), Handler) as server:
        proxy.url = f"http{'s' if tls else ''}://{host}:{server.server_address[1]}"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # a client that finds it full tries again after a second
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    to: Proxy

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection(urlsplit(self.to.upstream).netloc, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def handle_expect_100(self) -> bool:
        sent = super().handle_expect_100()
        self.wfile.flush()
        return sent

    def _serve(self) -> None:
        body = self._body()
        request = self.to.count(self.command, self.path, self.headers)
        fault = self.to.fault(request)
        if fault.before:
            fault.before()
        if fault.answer:
            body = (
                f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
                if fault.code
                else b""
            )
            self.close_connection = fault.drop
            if not fault.drop:
                self._answer(fault.answer, [], body)
            return
        status, headers, answer = self._ask(body)
        if fault.twice:
            status, headers, answer = self._ask(body)
        if fault.after:
            fault.after()
        if fault.drop:
            self.close_connection = True
        elif fault.hide:
            self._answer(fault.hide, [], b"")
        else:
            self._answer(status, headers, answer, cut=fault.cut)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        dropped = {"expect", "transfer-encoding"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        self.upstream.request(self.command, self.to.rewrite(self.path), body, headers)
        response = self.upstream.getresponse()
        return response.status, response.getheaders(), response.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), len(body))
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "keep-alive"}:
                self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


def first(matching: Callable[[Request], bool], fault: Fault, times: int = 1) -> Callable[[Request], Fault]:
    """`fault` for the first requests that match."""
    left = iter(range(times))
    return lambda request: fault if matching(request) and next(left, None) is not None else NONE


CONDITIONAL_FAULTS = {
    "its answer is lost": Fault(drop=True),
    "it is lost": Fault(answer=503, drop=True),
    "it is sent twice": Fault(twice=True),
    "it is stored, and answered with 500": Fault(hide=500),
    "it is stored, and answered with 503": Fault(hide=503),
    "it is stored, and answered with 409": Fault(hide=409),
    "it is stored, and answered with 412": Fault(hide=412),
    "it is refused with 409": Fault(answer=409),
    "it is refused with 503": Fault(answer=503),
    "it is refused with 500": Fault(answer=500),
    "it is refused with 429": Fault(answer=429),
}
