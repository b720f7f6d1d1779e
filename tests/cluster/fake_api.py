"""Stands in for argo.cluster.api.Api: answers from a script of what an API server did."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from argo.cluster.api import Object

Answer = Callable[[str, dict[str, object]], Any]


class FakeApi:
    """`get` answers with a function's object, `stream` with a function's pieces; an error is raised."""

    server = "https://fake"
    namespace = "base"
    options = "-n base"

    def __init__(self, get: Answer, stream: Answer) -> None:
        self._get, self._stream = get, stream

    def core_path(self, kind: str, name: str = "", below: str = "") -> str:
        return "/".join(filter(None, (kind, name, below)))

    def get(self, path: str, **query: object) -> Object:
        answer = self._get(path, query)
        if isinstance(answer, Exception):
            raise answer
        return cast(Object, answer)

    def list_items(self, path: str, **query: object) -> list[Object]:
        return list(self.get(path, **query)["items"])

    @contextmanager
    def stream(self, path: str, read_timeout: float, **query: object) -> Iterator[Iterator[bytes]]:
        answer = self._stream(path, query)
        if isinstance(answer, Exception):
            raise answer

        def pieces() -> Iterator[bytes]:
            for piece in answer:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

        yield pieces()
