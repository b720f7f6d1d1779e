"""Whether a store keeps the promise that commits rest on: of many writers of one key, one wins.

Some stores ignore `If-None-Match`, some know it and yet let two win, some only in versioned buckets.
No product's name says which, so it is tried: writers race for one key, several rounds, and then one
more writes to a key that is taken. The answer is noted in `store.json`, for this endpoint and bucket.
"""

import json
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Protocol

from job.errors import StoreError
from job.storage.json import encode
from job.storage.store import KeyAbsentError

NOTE = "store.json"
_WRITERS = 16
_ROUNDS = 6

_log = logging.getLogger(__name__)


class Conditional(Protocol):
    """What of a store is tried."""

    url: str

    def get(self, key: str) -> bytes: ...
    def put(self, key: str, body: bytes) -> None: ...
    def try_if_absent(self, key: str, body: bytes) -> bool: ...
    def delete(self, keys: list[str]) -> None: ...


def put_if_absent_works(store: Conditional, place: str) -> bool:
    """What the store's note says about `place`, else what a race shows, which is then noted.

    Says so in the log where the answer is no.
    """
    places: dict[str, bool] = {}
    with suppress(KeyAbsentError, ValueError, AttributeError):
        places = dict(json.loads(store.get(NOTE)).get("put_if_absent", {}))
    if place not in places:
        places[place] = race(store)
        store.put(NOTE, encode({"format": 1, "put_if_absent": places}))
    if not places[place]:
        _log.warning(
            "%s ignores put-if-absent: versions are ordered by its clock instead. None is lost, but of two "
            "commits or tag moves within a second either may come out as the later one",
            store.url,
        )
    return places[place]


def race(store: Conditional) -> bool:
    """Whether exactly one of all writers wins in every round, and nobody once the key is taken."""
    bodies = [f"{secrets.token_hex(8)} {number}".encode() for number in range(_WRITERS)]
    keys = [f".probe/{secrets.token_hex(8)}" for _ in range(_ROUNDS)]
    start = Barrier(_WRITERS)

    def write(key: str, body: bytes) -> bool:
        start.wait(timeout=60)
        return store.try_if_absent(key, body)

    try:
        with ThreadPoolExecutor(_WRITERS) as pool:
            for key in keys:
                won = list(pool.map(write, [key] * _WRITERS, bodies))
                winners = [body for body, first in zip(bodies, won, strict=True) if first]
                if len(winners) > 1 or store.try_if_absent(key, b"late"):
                    return False
                # the winner's answer may have been lost; its bytes must be there in any case
                if store.get(key) not in (winners or bodies):
                    return False
    except KeyAbsentError:
        return False
    except StoreError as error:
        if "NotImplemented" in str(error) or "501" in str(error):
            return False
        raise
    finally:
        with suppress(StoreError):
            store.delete(keys)
    return True
