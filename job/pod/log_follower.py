"""The logs of this pod's containers, read through the API server as they grow."""

import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from urllib.parse import urlencode

import click

from job.log_lines import read_lines, split_time
from job.pod.logs import LogWriter

_CONNECT = 10.0  # seconds
_SILENCE = 30.0  # seconds; then a new connection, in case that one was dead
_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds until the next request
_LINE = 1 << 20  # bytes; a longer line is taken in pieces


class ApiServerError(Exception):
    """The API server did not give a log: its HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_final(self) -> bool:
        """Whether asking again is of no use: no right, no pod, or a container that does not run."""
        return 400 <= self.status < 500 and self.status != 429


@dataclass(frozen=True, slots=True)
class PodLogs:
    """The logs of one pod; `folder` has the token, which is renewed there, and the certificate."""

    folder: Path
    path: str
    host: str
    port: int

    @classmethod
    def of_this_pod(cls, folder: Path, namespace: str, pod: str) -> "PodLogs":
        """Those of the pod that this process runs in."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        return cls(folder, f"/api/v1/namespaces/{namespace}/pods/{pod}/log", host, int(port))

    @contextmanager
    def open(self, container: str, since: str, *, follow: bool) -> Iterator[Iterator[bytes]]:
        """The lines of a container's log from a time on. Raises ApiServerError."""
        query = {"container": container, "timestamps": "true"}
        query |= {"follow": "true"} if follow else {}
        query |= {"sinceTime": since} if since else {}
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=_CONNECT, context=context)
        try:
            token = (self.folder / "token").read_text("ascii").strip()
            headers = {"Authorization": f"Bearer {token}"}
            connection.request("GET", f"{self.path}?{urlencode(query)}", headers=headers)
            if connection.sock:
                connection.sock.settimeout(_SILENCE)
            response = connection.getresponse()
            if response.status != 200:
                raise ApiServerError(_read_message(response), response.status)
            yield iter(lambda: response.readline(_LINE), b"")
        except (OSError, http.client.HTTPException) as error:
            raise ApiServerError(f"the API server does not answer: {error}") from error
        finally:
            connection.close()


def _read_message(response: http.client.HTTPResponse) -> str:
    body = response.read(1 << 16)
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status} {response.reason}"


@dataclass(slots=True)
class LogFollower:
    """Copies one container's log to its writer: each line once, however often the connection breaks."""

    logs: PodLogs
    container: str
    writer: LogWriter
    _last: bytes = b""  # the time of the last line
    _repeated: int = 0  # how many lines so far had it
    _untimed: int = 0  # how many lines before the first with a time were copied
    _stopped: bool = False
    _copying: threading.Lock = field(default_factory=threading.Lock)

    @property
    def position(self) -> tuple[bytes, int]:
        """How far the log is copied."""
        return self._last, self._repeated

    def resume(self) -> None:
        """Go on after what an earlier process has stored. Raises StoreError."""
        for line in read_lines([self.writer.resume()]):
            if line.is_start and (time := split_time(line.text)[0]):
                self._count(time.encode())

    def follow(self) -> None:
        """Copy lines as they come, until the container has ended or the connection breaks.

        Raises ApiServerError.
        """
        with self.logs.open(self.container, self._last.decode(), follow=True) as lines:
            for piece, at in self._new_pieces(lines):
                if not piece.endswith(b"\n") and len(piece) < _LINE:
                    return  # cut off: the next request brings it whole
                while self.writer.is_full and not self._stopped:
                    time.sleep(_PAUSE)
                with self._copying:
                    if self._stopped:
                        return
                    self._append(piece, at)

    def finish(self) -> None:
        """Copy the rest of the log; nothing is copied after that. Raises ApiServerError."""
        with self._copying:
            self._stopped = True
            with self.logs.open(self.container, self._last.decode(), follow=False) as lines:
                for piece, at in self._new_pieces(lines):
                    is_last = not piece.endswith(b"\n") and len(piece) < _LINE
                    self._append(piece + b"\n" if is_last else piece, at)

    def has_started(self) -> bool:
        """Whether the container runs or has run. Raises ApiServerError."""
        try:
            with self.logs.open(self.container, "", follow=False):
                return True
        except ApiServerError as error:
            if error.status == 400:
                return False
            raise

    def _new_pieces(self, pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """What was not copied yet, as the kubelet answers from a whole second on.

        Each is a line or a piece of a long one; beside it the line's time. A piece after the first has none,
        nor have the kubelet's own words, which it repeats in each answer.
        """
        last, repeated, untimed = self._last, self._repeated, 0
        is_start, is_new, is_timed = True, True, False
        for piece in pieces:
            at = _find_time(piece) if is_start else b""
            if at:
                is_new = not last or at > last or (at == last and not repeated)
                repeated -= at == last and repeated > 0
                is_timed = True
            elif is_start and not is_timed:
                untimed += 1
                is_new = untimed > self._untimed
                self._untimed = max(untimed, self._untimed)
            is_start = piece.endswith(b"\n")
            if is_new:
                yield piece, at

    def _append(self, piece: bytes, at: bytes) -> None:
        self.writer.append(piece)
        if at:
            self._count(at)

    def _count(self, at: bytes) -> None:
        self._repeated = self._repeated + 1 if at == self._last else 1
        self._last = at


def _find_time(line: bytes) -> bytes:
    return split_time(line[:100].decode("utf-8", "replace"))[0].encode()


def follow_in_turn(followers: list[LogFollower], stopped: threading.Event) -> None:
    """Copy the logs of containers that run one after the other, until `stopped` is set."""
    for follower, successor in zip_longest(followers, followers[1:]):
        pause = _PAUSE
        while not stopped.is_set():
            position = follower.position
            try:
                follower.follow()
                if successor and successor.has_started():
                    follower.finish()
                    break
            except ApiServerError as error:
                if error.status in {401, 403, 404}:
                    click.echo(f"textgen: the log of {follower.container} is not kept: {error}", err=True)
                    return
            stopped.wait(pause)
            pause = _PAUSE if follower.position != position else min(2 * pause, _LONGEST_PAUSE)
