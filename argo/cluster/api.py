"""Requests to a Kubernetes API server: plain JSON objects, and errors of one line."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from job.errors import ClusterError

Object = dict[str, Any]

_CONNECT_TIMEOUT, _READ_TIMEOUT = 10, 30  # seconds
_WRAPPERS = re.compile(
    r"^(<[^>]*>|\w+\([^)]*\)): |\[Errno -?\d+\] |\bSSLError | \(_ssl\.c:\d+\)|\[SSL: \w+\] "
)  # what urllib3 and Python put before


class ApiError(ClusterError):
    """The API server answered with an error: its HTTP status, and the `details` of its answer."""

    def __init__(self, message: str, status: int, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class UnreachableError(ClusterError):
    """There was no answer, or it broke off."""


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: the server, or a proxy before it, is in trouble."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, UnreachableError)


class Api:
    """One namespace of one cluster. Safe to use from several threads.

    Every method that sends a request raises ApiError or UnreachableError; `get` and what rests on it repeat
    the request first.
    """

    def __init__(self, client: Any, context: str, namespace: str, *, is_current: bool = True) -> None:
        self._client = client
        self.context = context
        self.namespace = namespace
        self._is_current = is_current  # the context that commands take without --context

    def __str__(self) -> str:
        return f"{self.context}/{self.namespace}"

    def in_namespace(self, namespace: str) -> "Api":
        """Another namespace of the same cluster."""
        return Api(self._client, self.context, namespace, is_current=self._is_current)

    @property
    def options(self) -> str:
        """The options with which a command that is shown to the user reaches the same namespace."""
        context = "" if self._is_current else f"--context {shlex.quote(self.context)} "
        return f"{context}-n {self.namespace}"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._client.configuration.host)

    def workflow_path(self, name: str = "") -> str:
        """The path of the namespace's Workflows, or of one Workflow."""
        return self._path("/apis/argoproj.io/v1alpha1", "workflows", name)

    def core_path(self, resource: str, name: str = "", subresource: str = "") -> str:
        """The path of the namespace's `pods`, `secrets` and so on, or of one of them."""
        return self._path("/api/v1", resource, name, subresource)

    # Answers are JSON: argo.cluster.objects has types for what is read of them.

    @retry(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(4),
        wait=wait_exponential(multiplier=0.2),  # 0.2 s, 0.4 s, 0.8 s
        reraise=True,
    )
    def get(self, path: str, **query: object) -> Any:
        """The object, or the list of a collection. Repeated if the server is in trouble."""
        return self._send("GET", path, query)

    def find(self, path: str) -> Any:
        """The object; None if it does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def is_namespace_missing(self) -> bool:
        """Whether the namespace does not exist. False if this user has no right to know."""
        try:
            return self.find(f"/api/v1/namespaces/{quote(self.namespace, safe='')}") is None
        except ApiError as error:
            if error.status == 403:
                return False
            raise

    def list_items(self, path: str, **query: object) -> list[Any]:
        """The objects of a collection."""
        return list(self.get(path, **query).get("items") or ())

    def create(self, path: str, body: Mapping[str, object]) -> Any:
        """Create an object. A field that its kind does not have is an error."""
        return self._send("POST", path, {"fieldValidation": "Strict"}, body)

    def replace(self, path: str, body: Mapping[str, object]) -> Any:
        """Write the whole object. Raises ApiError with status 409 if it has changed since it was read."""
        return self._send("PUT", path, {}, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Merge `body` into the object."""
        return self._send("PATCH", path, {}, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete the object."""
        self._send("DELETE", path, {})

    @contextmanager
    def stream(self, path: str, read_timeout: float, **query: object) -> Iterator[Iterator[bytes]]:
        """The chunks of an answer as they come; after `read_timeout` seconds without one, it is broken.

        Raises UnreachableError if the connection breaks.
        """
        with self._request("GET", path, query, timeout=(_CONNECT_TIMEOUT, read_timeout)) as answer:
            yield answer.stream(1 << 16)

    def _path(self, group: str, *parts: str) -> str:
        segments = ["namespaces", self.namespace, *filter(None, parts)]
        return f"{group}/{'/'.join(quote(segment, safe='') for segment in segments)}"

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        with self._request(method, path, query, body, content_type) as answer:
            try:
                return json.loads(answer.data)
            except ValueError:
                raise UnreachableError(
                    f"the cluster at {self.server} does not answer as an API server: is a proxy in between?"
                ) from None

    @contextmanager
    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] = (_CONNECT_TIMEOUT, _READ_TIMEOUT),
    ) -> Iterator[Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        answer = None
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=[(key, value) for key, value in query.items() if value is not None],
                header_params={"Accept": "application/json, */*", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*request, _request_timeout=timeout).response
            if answer.status >= 400:
                raise _api_error(method, path, answer.status, answer.data)
            yield answer
        except (HTTPError, ApiException, OSError) as error:
            raise UnreachableError(
                f"the cluster at {self.server} does not answer: {_root_cause(error)}"
            ) from error
        finally:
            if answer is not None:
                answer.close()  # a connection whose stream was not read to its end can't be used again


def _api_error(method: str, path: str, status: int, body: bytes) -> ApiError:
    try:
        answer = json.loads(body)
        message = str(answer["message"])
    except (ValueError, KeyError, TypeError):
        answer, message = {}, body.decode("utf-8", "replace").strip() or f"{method} {path}"
    line = " ".join(message.split())
    if status == 401:
        line = "the cluster does not know who you are (401 Unauthorized): log in again, or choose --context"
    return ApiError(line, status, answer.get("details") or {})


def _root_cause(error: Exception) -> str:
    """The text of the last cause, without the wrappers of urllib3."""
    reason = getattr(error, "reason", None) or error
    if cause := getattr(reason, "original_error", None):  # of a proxy
        return f"{reason.args[0]}: {_root_cause(cause)}"
    text = _WRAPPERS.sub("", str(reason)) or type(reason).__name__
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        text = f"the kubeconfig's certificate-authority does not fit its certificate: {text}"
    return " ".join(text.split())
