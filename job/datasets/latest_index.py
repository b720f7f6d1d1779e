"""Which log record of each dataset is the newest, for all datasets in one listing.

Before a writer puts log record n, it puts the key `.heads/<namespace>/<name>/<n>`; once the record is
there, it deletes the keys before it. So the highest key is never behind the log. It may be ahead, where
a writer was stopped or is not done; then record n is missing, and the log itself is asked.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from job.datasets import layout
from job.datasets.reference import LATEST, DatasetRef
from job.errors import StoreError
from job.storage.store import Store


def announce(store: Store, ref: DatasetRef, sequence: int) -> None:
    """Say that this log record may be there soon."""
    store.put(layout.head(ref, sequence), b"")


def withdraw(store: Store, ref: DatasetRef, sequences: Iterable[int]) -> None:
    """Take back what a newer record than these was announced after."""
    with suppress(StoreError):  # the newer record is there; garbage collection does it, too
        store.delete(layout.head(ref, sequence) for sequence in sequences)


def announced(store: Store) -> dict[DatasetRef, list[int]]:
    """The numbers that are announced for each dataset, the highest last."""
    found: dict[DatasetRef, list[int]] = defaultdict(list)
    for item in store.listing(f"{layout.HEADS}/"):
        _, namespace, name, sequence = item.key.split("/")
        found[DatasetRef(name, LATEST, namespace)].append(int(sequence))
    return found
