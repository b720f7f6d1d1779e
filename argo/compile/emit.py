"""An object as YAML that a person can review: a steady order, and texts as blocks."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

_FIRST = (
    *("apiVersion", "kind", "name", "generateName", "metadata", "spec"),
    *("entrypoint", "arguments", "templates", "initContainers", "container", "containerSet", "dag"),
    *("image", "command", "args", "env", "value"),
)


def yaml(document: Mapping[str, Any], file: str) -> str:
    """The YAML text of an object that was made from `file`."""
    writer = YAML()
    writer.width = 1 << 20  # no text is broken
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    name = "".join(c if c.isprintable() else "?" for c in file)
    out.write(f"# Made by `textgen compile` from {name}: edit that file, not this one.\n")
    writer.dump(_ordered(document), out)
    return out.getvalue()


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
        return {key: _ordered(value[key]) for key in keys}
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
