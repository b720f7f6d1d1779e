"""What a job of a test waits for, so that it is at work for exactly as long as the test needs."""

import socket
from typing import Self

from tests.cluster.kubernetes import this_host


class Gate:
    """A port of this machine that refuses everybody until it is opened, and nobody from then on."""

    def __init__(self) -> None:
        self._socket = socket.socket()

    def __enter__(self) -> Self:
        self._socket.bind((this_host(), 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def wait(self) -> str:
        """A shell command that ends when the gate is open."""
        host, port = self._socket.getsockname()
        return f"until (: > /dev/tcp/{host}/{port}) 2> /dev/null; do sleep 0.1; done"

    def open(self) -> None:
        self._socket.listen()
