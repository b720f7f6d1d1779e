"""JSON as it lies in a store."""

import json
from collections.abc import Mapping
from typing import Any

from job.errors import StoreError


def encode(value: Mapping[str, object]) -> bytes:
    """UTF-8, keys in the order given, a line each where a person may read it."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def parse(body: bytes, key: str) -> dict[str, Any]:
    """The object in `body`. Raises StoreError, naming `key`, where there is none."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise StoreError(f"{key}: damaged in the store: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{key}: damaged in the store: not a JSON object")
    return value


def decode(body: bytes, key: str) -> dict[str, Any]:
    """The object in `body`, which says that it is of format 1. Raises StoreError, naming `key`."""
    value = parse(body, key)
    if value.get("format") != 1:
        raise StoreError(f"{key}: not of format 1; was it written by a newer textgen?")
    return value
