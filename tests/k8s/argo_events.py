"""Argo Events as tests need it: its JSON schema, strictly, and what a dependency's filters let pass."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[3] / "shared" / "cluster" / "argo-events-schema.json.gz"

_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}
_READ = {"type", "$ref", "properties", "items", "required", "additionalProperties"}
# A value of these has the right type already; no manifest here uses unions.
_PASSED = {"format", "const", "description"}


class Schema:
    """The schema of EventBus, EventSource and Sensor, and strict: a field that it does not name is wrong."""

    def __init__(self) -> None:
        self.definitions = json.loads(gzip.decompress(SCHEMA.read_bytes()))["definitions"]

    def problems(self, document: dict[str, Any]) -> list[str]:
        """A line for each, with the path of the field."""
        name = f"io.argoproj.events.v1alpha1.{document['kind']}"
        return list(self._check(document, self.definitions[name], document["kind"]))

    def _check(self, value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
        unread = {key for key in schema if not key.startswith("x-")} - _READ - _PASSED
        assert not unread, f"the schema uses {unread}, which is not checked here"
        if "$ref" in schema:
            yield from self._check(value, self.definitions[schema["$ref"].rpartition("/")[2]], at)
            return
        given = schema.get("type", [])
        types = tuple(_TYPES[each] for each in ([given] if isinstance(given, str) else given))
        if (types and not isinstance(value, types)) or (isinstance(value, bool) and bool not in types):
            yield f"{at}: {value!r} is no {given}"
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from self._check(each, schema.get("items", {}), f"{at}[{number}]")
        elif isinstance(value, dict):
            yield from self._fields(value, schema, at)

    def _fields(self, value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
        yield from (f"{at}: no {name}" for name in schema.get("required", ()) if name not in value)
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", None if known else {})
        for name, each in value.items():
            if name in known or others is not None:
                yield from self._check(each, known.get(name, others), f"{at}.{name}")
            else:
                yield f"{at}.{name}: not in the schema"


def passes(dependency: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether the data filters of a Sensor's dependency let the event pass: all of them must match.

    As pkg/sensors/dependencies/filter.go does it: what is missing does not pass; a value is taken as text and
    searched with each regular expression, whose `$` is, in Go, the very end.
    """
    return all(_matches(each, event) for each in dependency["filters"]["data"])


def _matches(data: dict[str, Any], event: dict[str, Any]) -> bool:
    assert data["type"] == "string"
    found: Any = event
    for name in data["path"].split("."):
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    text = found if isinstance(found, str) else json.dumps(found)
    wanted = data.get("comparator", "=") == "="
    return any(bool(re.search(re.sub(r"\$$", r"\\Z", value), text)) == wanted for value in data["value"])
