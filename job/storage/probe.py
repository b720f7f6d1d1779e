"""Whether a store supports conditional writes (If-None-Match): of many writers of one key, exactly one wins.

Some stores ignore `If-None-Match`, some let two writers win nevertheless, some support it only in versioned
buckets. No product's name tells, so it is tried: writers race for one key, several rounds, and then one
more writes to a key that exists. The answer is noted in `store.json`, for this endpoint and bucket.
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
PROBES = ".probe/"  # a probe deletes its keys, unless it is killed
_WRITERS = 16
_ROUNDS = 6

_log = logging.getLogger(__name__)


class ConditionalStore(Protocol):
    """The part of a store that the probe uses."""

    url: str

    def get(self, key: str) -> bytes: ...
    def put(self, key: str, body: bytes) -> None: ...
    def try_put_if_absent(self, key: str, body: bytes) -> bool: ...
    def delete(self, keys: list[str]) -> None: ...


def probe_conditional_writes(store: ConditionalStore, location: str) -> bool:
    """What the store's note says about `location`, else the result of a race, which is then noted.

    Logs a warning if the answer is no.
    """
    answers: dict[str, bool] = {}
    with suppress(KeyAbsentError, ValueError, AttributeError):
        answers = dict(json.loads(store.get(NOTE)).get("put_if_absent", {}))
    if location not in answers:
        answers[location] = run_race(store)
        store.put(NOTE, encode({"format": 1, "put_if_absent": answers}))
    if not answers[location]:
        _log.warning(
            "%s does not support conditional writes (If-None-Match): its clock orders versions instead. "
            "None is lost, but of two commits or tag moves within a second either may be the later one",
            store.url,
        )
    return answers[location]


def run_race(store: ConditionalStore) -> bool:
    """Whether exactly one of all writers wins in every round, and none once the key exists."""
    bodies = [f"{secrets.token_hex(8)} {number}".encode() for number in range(_WRITERS)]
    keys = [f"{PROBES}{secrets.token_hex(8)}" for _ in range(_ROUNDS)]
    start = Barrier(_WRITERS)

    def write(key: str, body: bytes) -> bool:
        start.wait(timeout=60)
        return store.try_put_if_absent(key, body)

    try:
        with ThreadPoolExecutor(_WRITERS) as pool:
            for key in keys:
                results = list(pool.map(write, [key] * _WRITERS, bodies))
                winners = [body for body, won in zip(bodies, results, strict=True) if won]
                if len(winners) > 1 or store.try_put_if_absent(key, b"late"):
                    return False
                # the answer to the winner may have been lost; its bytes must be there in any case
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
