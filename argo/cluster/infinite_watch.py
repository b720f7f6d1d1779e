"""A collection of the API server as it changes: list it, watch it, and list it again if the watch is lost."""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.backoff import Backoff
from job.errors import ClusterError

_WATCH_SECONDS = 240  # then a new watch
_SILENCE = 60  # seconds without an event or a bookmark: the connection may be dead


def watch_objects(
    api: Api, path: str, stopped: threading.Event | None = None, **selector: str
) -> Iterator[Mapping[str, Object]]:
    """All objects of a collection by uid, at first and after each change; none soon after `stopped` is set.

    Continues after 410 Gone, dropped connections and restarts of the API server. Raises ClusterError if the
    server refuses, or has not answered for ten minutes.
    """
    objects: dict[str, Object] = {}
    resource_version = ""
    backoff = Backoff()
    stopped = stopped or threading.Event()
    while not stopped.is_set():
        try:
            if not resource_version:
                collection = api.get(path, **selector)
                objects = {each["metadata"]["uid"]: each for each in collection.get("items") or ()}
                resource_version = collection["metadata"]["resourceVersion"]
                backoff.reset()
                yield dict(objects)
            for event in _watch_events(api, path, resource_version, selector):
                backoff.reset()
                if stopped.is_set():
                    return
                kind, changed = event["type"], event["object"]
                if kind == "ERROR":
                    raise ApiError(changed.get("message", ""), changed.get("code", 500), {})
                resource_version = changed["metadata"]["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                if kind == "DELETED":
                    objects.pop(changed["metadata"]["uid"], None)
                else:
                    objects[changed["metadata"]["uid"]] = changed
                yield dict(objects)
        except ClusterError as error:
            if isinstance(error, ApiError) and error.status == 410:
                resource_version = ""
            else:
                backoff.sleep(error)


def _watch_events(
    api: Api, path: str, resource_version: str, selector: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The events of one watch, which ends at the server's time limit; the first says that it answers."""
    rest = b""
    query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
    with api.stream(path, _SILENCE, resourceVersion=resource_version, **query, **selector) as chunks:
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": resource_version}}}
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)
