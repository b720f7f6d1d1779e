"""What the API server holds, as it changes: list, watch from there, and list again when that is lost."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.backoff import Backoff
from job.errors import ClusterError

_WATCH = 240  # seconds; then a new one, which costs nothing
_SILENCE = 60  # seconds without so much as a bookmark: the connection may be dead


def watch_objects(api: Api, path: str, **selector: str) -> Iterator[Mapping[str, Object]]:
    """All objects of a collection by uid, at first and after each change.

    Goes on through 410 Gone, dropped connections and restarts of the API server. Raises ClusterError
    for a refusal, and when nobody has answered for ten minutes.
    """
    objects: dict[str, Object] = {}
    version = ""
    backoff = Backoff()
    while True:
        try:
            if not version:
                listed = api.get(path, **selector)
                objects = {each["metadata"]["uid"]: each for each in listed.get("items") or ()}
                version = listed["metadata"]["resourceVersion"]
                backoff.reset()
                yield dict(objects)
            for event in _events(api, path, version, selector):
                backoff.reset()
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
            if isinstance(error, ApiError) and error.status == 410:
                version = ""
            else:
                backoff.sleep(error)


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
