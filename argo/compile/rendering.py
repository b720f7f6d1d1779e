"""An object as YAML for review: keys in one order, texts as blocks, and no string that a YAML 1.1 reader
(kubectl's) would take for something else, as `y` for true."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_FIRST = (
    *("apiVersion", "kind", "name", "generateName", "metadata", "spec"),
    *("entrypoint", "arguments", "templates", "initContainers", "container", "containerSet", "dag"),
    *("image", "command", "args", "env", "value"),
)
_UNMISTAKABLE = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]+(:[A-Za-z0-9_./-]+)?")
_NOT_TEXT = {"yes", "no", "on", "off", "true", "false", "null"}


class _Dumper(yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper):  # type: ignore[misc]
    """PyYAML's, with libyaml where that is built in."""


def render(document: Mapping[str, Any], file: str) -> str:
    """The YAML text of an object that was compiled from `file`; the same object gives the same bytes."""
    name = "".join(c if c.isprintable() else "?" for c in file)
    text = yaml.dump(_ordered(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 30)
    return f"# Made by `textgen compile` from {name}: edit that file, not this one.\n{text}"


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


def _text(_: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        style: str | None = "|"
    elif _UNMISTAKABLE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        style = None
    else:
        style = '"'
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
