"""Hints at each dataset's newest log record, so that one listing serves all datasets.

Before a writer puts log record n, it publishes the hint `.heads/<namespace>/<name>/<n>`; once the record is
there, it prunes the earlier hints. So the highest hint is never behind the log. It may be ahead, if a
writer was stopped or is not done; then record n is missing, and the log itself is read.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from job.datasets import layout
from job.datasets.reference import LATEST, DatasetRef, is_name, is_namespace
from job.errors import StoreError
from job.storage.store import Store

_HINT = re.compile(r"(?P<namespace>[^/]+)/(?P<name>[^/]+)/(?P<number>\d{14})")


def publish_hint(store: Store, ref: DatasetRef, number: int) -> None:
    """Say that this log record may exist soon."""
    store.put(layout.hint_key(ref, number), b"")


def prune_hints(store: Store, ref: DatasetRef, numbers: Iterable[int]) -> None:
    """Remove hints at records that are not the newest any more."""
    with suppress(StoreError):  # they mislead nobody, and garbage collection removes them, too
        store.delete(layout.hint_key(ref, number) for number in numbers)


def read_hints(store: Store) -> dict[DatasetRef, list[int]]:
    """The numbers of log records that each dataset's hints name, the highest last."""
    hints: dict[DatasetRef, list[int]] = defaultdict(list)
    for item in store.list_objects(f"{layout.HINTS}/"):
        hint = _HINT.fullmatch(item.key.removeprefix(f"{layout.HINTS}/"))
        if hint and is_namespace(hint["namespace"]) and is_name(hint["name"]):
            hints[DatasetRef(hint["name"], LATEST, hint["namespace"])].append(int(hint["number"]))
    return hints
