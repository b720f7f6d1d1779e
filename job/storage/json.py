"""JSON as a store holds it."""

import json
from collections.abc import Mapping
from typing import Any

from job.errors import StoreError


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
