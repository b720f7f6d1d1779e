"""Requests to a Kubernetes API server: plain JSON objects, and errors of one line."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from job.errors import ClusterError

Object = dict[str, Any]

_CONNECT, _READ = 10, 30  # seconds
_ATTEMPTS = 4


class ApiError(ClusterError):
    """The API server's answer is an error: its HTTP status, and `details` as it gave them."""

    def __init__(self, message: str, status: int, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class UnreachableError(ClusterError):
    """There was no answer, or it broke off."""


def is_transient(error: ClusterError) -> bool:
    """Whether the same request may work later: trouble of the API server, or of what stands before it."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, UnreachableError)


class Api:
    """One namespace of one cluster. Safe to use from several threads.

    Every method raises ApiError or UnreachableError; reads are repeated when nobody answers.
    """

    def __init__(self, client: Any, context: str, namespace: str) -> None:
        self._client = client
        self.context = context
        self.namespace = namespace

    def __str__(self) -> str:
        return f"{self.context}/{self.namespace}"

    def within(self, namespace: str) -> "Api":
        """Another namespace of the same cluster."""
        return Api(self._client, self.context, namespace)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._client.configuration.host)

    def workflows(self, name: str = "") -> str:
        """The path of the namespace's Workflows, or of one."""
        return self._path("/apis/argoproj.io/v1alpha1", "workflows", name)

    def core(self, kind: str, name: str = "", below: str = "") -> str:
        """The path of the namespace's `pods`, `secrets` and the like, of one, or of a part of one."""
        return self._path("/api/v1", kind, name, below)

    def get(self, path: str, **query: object) -> Object:
        for attempt in range(_ATTEMPTS):
            try:
                return self._json("GET", path, query)
            except ClusterError as error:
                if not is_transient(error) or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError

    def find(self, path: str) -> Object | None:
        """The object; None where it is not there."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def missing_namespace(self) -> bool:
        """Whether the namespace is known not to be there; not everybody may ask."""
        try:
            return self.find(f"/api/v1/namespaces/{quote(self.namespace, safe='')}") is None
        except ApiError as error:
            if error.status == 403:
                return False
            raise

    def items(self, path: str, **query: object) -> list[Object]:
        """The objects of a collection."""
        return list(self.get(path, **query).get("items") or ())

    def create(self, path: str, body: Object) -> Object:
        """Make an object; a field that its kind does not have is an error."""
        return self._json("POST", path, {"fieldValidation": "Strict"}, body)

    def replace(self, path: str, body: Object) -> Object:
        """Write the whole object. Raises ApiError with status 409 where it has changed meanwhile."""
        return self._json("PUT", path, {}, body)

    def patch(self, path: str, body: Object) -> Object:
        """Merge `body` into the object."""
        return self._json("PATCH", path, {}, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        self._json("DELETE", path, {})

    @contextmanager
    def stream(self, path: str, read_timeout: float, **query: object) -> Iterator[Iterator[bytes]]:
        """The pieces of an answer as they come. A break or a silence raises UnreachableError."""
        with self._answer("GET", path, query, timeout=(_CONNECT, read_timeout)) as answer:
            yield answer.stream(1 << 16)

    def _path(self, group: str, *parts: str) -> str:
        words = ["namespaces", self.namespace, *filter(None, parts)]
        return f"{group}/{'/'.join(quote(word, safe='') for word in words)}"

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Object | None = None,
        kind: str = "application/json",
    ) -> Object:
        with self._answer(method, path, query, body, kind) as answer:
            try:
                found: Object = json.loads(answer.data)
            except ValueError:
                raise UnreachableError(
                    f"the cluster at {self.server} does not answer as an API server: is a proxy in between?"
                ) from None
            return found

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Object | None = None,
        kind: str = "application/json",
        timeout: tuple[float, float] = (_CONNECT, _READ),
    ) -> Iterator[Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        answer = None
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=[(key, value) for key, value in query.items() if value is not None],
                header_params={"Accept": "application/json, */*", "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*request, _request_timeout=timeout).response
            if answer.status >= 400:
                raise _error(method, path, answer.status, answer.data)
            yield answer
        except (HTTPError, ApiException, OSError) as error:
            raise UnreachableError(
                f"the cluster at {self.server} does not answer: {_reason(error)}"
            ) from error
        finally:
            if answer is not None:
                answer.close()  # a stream that was left half-way can't be used again


def _error(method: str, path: str, status: int, body: bytes) -> ApiError:
    try:
        told = json.loads(body)
        message = str(told["message"])
    except (ValueError, KeyError, TypeError):
        told, message = {}, body.decode("utf-8", "replace").strip() or f"{method} {path}"
    line = " ".join(message.split())
    if status == 401:
        line = "the cluster does not know who you are (401 Unauthorized): log in again, or choose --context"
    return ApiError(line, status, told.get("details") or {})


def _reason(error: Exception) -> str:
    """The last cause, which is the one that says something."""
    reason = getattr(error, "reason", None) or error
    text = str(reason).rpartition(">: ")[2] or type(reason).__name__
    return " ".join(text.split())
