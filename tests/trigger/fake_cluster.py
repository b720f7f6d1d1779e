"""An API server in memory, and pollers that are killed at any of their requests."""

import copy
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from argo.cluster.api import ApiError, Object

_REQUESTS = {"create", "find", "list_items", "patch", "delete", "get", "put", "put_if_absent", "post"}


class KilledError(BaseException):
    """The poller is killed; no `except Exception` catches it."""


class Requests:
    """Counts a poller's requests, and kills it before or after the one with the number `last`."""

    def __init__(self, last: int | None = None, *, answered: bool = False) -> None:
        self.last, self.answered, self.count = last, answered, 0

    def do(self, request: Any) -> Any:
        number, self.count = self.count, self.count + 1
        if number == self.last and not self.answered:
            raise KilledError
        try:
            return request()
        finally:
            if number == self.last:
                raise KilledError


class _CountedRequests:
    def __init__(self, inner: Any, requests: Requests) -> None:
        self._inner, self._requests = inner, requests

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        if name not in _REQUESTS:
            return attribute
        return lambda *args, **options: self._requests.do(lambda: attribute(*args, **options))

    def __str__(self) -> str:
        return str(self._inner)


def count_requests(inner: Any, requests: Requests) -> Any:
    """The same object, whose requests are counted."""
    return _CountedRequests(inner, requests)


class FakeCluster:
    """One namespace: names are unique, ids are new. `started` has the id of each Workflow that ever ran."""

    namespace, server = "texts", "https://fake"

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.started: dict[str, list[str]] = {}
        self.refuses: Exception | None = None
        self.installed = True
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return "fake/texts"

    def workflow_path(self, name: str = "") -> str:
        return f"workflows/{name}"

    def core_path(self, kind: str, name: str = "") -> str:
        return f"{kind}/{name}"

    def create(self, path: str, body: Object) -> Object:
        if self.refuses:
            raise self.refuses
        with self._lock:
            key = path + body["metadata"]["name"]
            if key in self.objects:
                raise ApiError(f"{key} already exists", 409, {})
            self.objects[key] = copy.deepcopy(body)
            self.objects[key]["metadata"]["uid"] = str(uuid4())
            return copy.deepcopy(self.objects[key])

    def is_namespace_missing(self) -> bool:
        return False

    def find(self, path: str) -> Object | None:
        if path.startswith("/apis/"):
            return {"resources": [{"name": "workflows"}] if self.installed else []}
        with self._lock:
            return copy.deepcopy(self.objects.get(path))

    def list_items(self, path: str, labelSelector: str) -> list[Object]:  # noqa: N803
        parts = labelSelector.split(",")
        wanted = dict(each.split("=") for each in parts if "=" in each)
        unwanted = {each[1:] for each in parts if each.startswith("!")}
        with self._lock:
            return [
                copy.deepcopy(item)
                for key, item in self.objects.items()
                if key.startswith(path)
                and wanted.items() <= (labels := item["metadata"]["labels"]).items()
                and not unwanted & labels.keys()
            ]

    def patch(self, path: str, body: Object) -> Object:
        with self._lock:
            if path not in self.objects:
                raise ApiError(f"{path} not found", 404, {})
            item = self.objects[path]
            waited = item["spec"].get("suspend")
            _merge(item, body)
            if waited and not item["spec"].get("suspend"):
                self.started.setdefault(item["metadata"]["name"], []).append(item["metadata"]["uid"])
            return item

    def delete(self, path: str) -> None:
        with self._lock:
            if self.objects.pop(path, None) is None:
                raise ApiError(f"{path} not found", 404, {})

    def list_kind(self, kind: str) -> list[Object]:
        return [item for key, item in self.objects.items() if key.startswith(f"{kind}/")]

    def end(self, phase: str = "Succeeded") -> None:
        """End all Workflows that have started."""
        for item in self.list_kind("workflows"):
            if not item["spec"].get("suspend"):
                item["status"] = {"phase": phase}
                item["metadata"]["labels"]["workflows.argoproj.io/completed"] = "true"

    def expire(self) -> None:
        """End all Workflows, and delete them as after their time to live."""
        self.end()
        for key, item in list(self.objects.items()):
            if not key.startswith("workflows/") or not item["spec"].get("suspend"):
                del self.objects[key]


def _merge(into: dict[str, Any], body: Mapping[str, Any]) -> None:
    for key, value in body.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
