"""JSON that a job may have written: read whole, or refused in one line."""

import json
from math import isfinite
from typing import Any

_DEEPEST = 100  # values in values


def parse_json(body: bytes | str) -> Any:
    """A JSON document that a job may have written.

    Raises ValueError, in one line, if it is none, has values more than 100 deep, or a lone surrogate.
    """
    return _parse_json(body)


def parse_record(body: bytes) -> Any:
    """JSON that a job may have written, and whose numbers are to be added up and written again.

    Raises ValueError as `parse_json` does, and for numbers that few programs read: NaN, Infinity, and those
    of more than 64 bits.
    """
    return _parse_json(body, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_float)


def _parse_json(body: bytes | str, **parsers: Any) -> Any:
    try:
        value = json.loads(body, **parsers)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except _NumberError as error:
        raise ValueError(str(error)) from None
    except ValueError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError(f"values more than {_DEEPEST} deep") from None
    _check_json(value, _DEEPEST)
    return value


class _NumberError(ValueError):
    """A number that JSON can have, and few programs read."""


def _parse_int(text: str) -> int:
    number = int(text)
    if number.bit_length() > 64:
        raise _NumberError("a number of more than 64 bits")
    return number


def _parse_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _NumberError("a number that is not finite")
    return number


def _check_json(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError(f"values more than {_DEEPEST} deep")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("text with a lone surrogate") from None
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_json(name, depth)
            _check_json(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth - 1)
