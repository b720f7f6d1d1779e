"""JSON as a store holds it."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints

from job.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def encode(value: Mapping[str, object]) -> bytes:
    """UTF-8, one line for each value, keys in the order of the mapping: people may read it."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def parse(body: bytes, key: str) -> dict[str, Any]:
    """The JSON object in `body`. Raises StoreError, naming `key`, if it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key}: damaged in the store: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{key}: damaged in the store: not a JSON object")
    return value


def decode(body: bytes, key: str) -> dict[str, Any]:
    """The JSON object in `body`, whose format must be 1. Raises StoreError, naming `key`."""
    value = parse(body, key)
    if value.get("format") != 1:
        raise StoreError(f"{key}: not of format 1; was it written by a newer textgen?")
    return value


def check_types(record: "DataclassInstance") -> None:
    """Raises TypeError if a field of a dataclass has a value of another type than it is declared with.

    What is in a mapping or a tuple is not looked at.
    """
    for name, kind in _read_types(type(record)):
        value = getattr(record, name)
        if not isinstance(value, kind):
            raise TypeError(f"{name}: {type(value).__name__}")


@cache
def _read_types(kind: "type[DataclassInstance]") -> Sequence[tuple[str, Any]]:
    origins = {name: (hint, get_origin(hint)) for name, hint in get_type_hints(kind).items()}
    return [
        (name, hint if origin in (None, UnionType) else origin) for name, (hint, origin) in origins.items()
    ]
