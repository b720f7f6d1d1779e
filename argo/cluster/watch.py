"""What the API server holds, as it changes: list, watch from there, and list again when that is lost."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from argo.cluster.api import Api, ApiError, Object
from job.errors import ClusterError

_WATCH = 240  # seconds; then a new one, which costs nothing
_SILENCE = 60  # seconds without so much as a bookmark: the connection may be dead
_PATIENCE = 600  # seconds without any answer
_PAUSES = (0.2, 0.5, 1, 2, 5)

# Passing troubles of the API server, or of what stands before it.
_AGAIN = {429, 500, 502, 503, 504}


def snapshots(api: Api, path: str, **selector: str) -> Iterator[Mapping[str, Object]]:
    """All objects of a collection by uid, at first and after each change.

    Goes on through 410 Gone, dropped connections and restarts of the API server. Raises ClusterError
    for a refusal, and when nobody has answered for ten minutes.
    """
    objects: dict[str, Object] = {}
    version = ""
    heard, failures = time.monotonic(), 0
    while True:
        try:
            if not version:
                listed = api.get(path, **selector)
                objects = {each["metadata"]["uid"]: each for each in listed.get("items") or ()}
                version = listed["metadata"]["resourceVersion"]
                heard, failures = time.monotonic(), 0
                yield dict(objects)
            for event in _events(api, path, version, selector):
                heard, failures = time.monotonic(), 0
                kind, found = event["type"], event["object"]
                if kind == "ERROR":
                    raise ApiError(found.get("message", ""), found.get("code", 500), {})
                version = found["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    objects.pop(found["metadata"]["uid"], None)
                elif kind != "BOOKMARK":
                    objects[found["metadata"]["uid"]] = found
                if kind != "BOOKMARK":
                    yield dict(objects)
        except ClusterError as error:
            status = error.status if isinstance(error, ApiError) else None
            if status == 410:
                version = ""
                continue
            if status is not None and status not in _AGAIN:
                raise
            if time.monotonic() - heard > _PATIENCE:
                raise
            time.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1


def _events(api: Api, path: str, version: str, selector: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The events of one watch, which ends at the server's time limit; the first says that it answers."""
    rest = b""
    query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH)}
    with api.stream(path, _SILENCE, resourceVersion=version, **query, **selector) as pieces:
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)
