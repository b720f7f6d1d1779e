"""An object as YAML for review: keys in one order, texts as blocks, and no string that a YAML 1.1 reader
(kubectl's) would take for something else, as `y` for true."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from job.text import one_line

_FIRST_KEYS = (
    *("apiVersion", "kind", "name", "generateName", "metadata", "spec"),
    *("entrypoint", "arguments", "templates", "initContainers", "container", "containerSet", "dag"),
    *("image", "command", "args", "env", "value"),
)
_RANKS = {key: rank for rank, key in enumerate(_FIRST_KEYS)}
_PLAIN_STYLE = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]+(:[A-Za-z0-9_./-]+)?")
_YAML_1_1_WORDS = {"yes", "no", "on", "off", "true", "false", "null"}


class _Dumper(yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper):  # type: ignore[misc]
    """PyYAML's, with libyaml where that is available."""


def render(document: Mapping[str, Any], file: str) -> str:
    """The YAML text of an object that was compiled from `file`; the same object gives the same bytes."""
    text = yaml.dump(_sort_keys(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 30)
    return f"# Made by `textgen compile` from {one_line(file)}: edit that file, not this one.\n{text}"


def _sort_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_RANKS.get(key, len(_RANKS)), key))
        return {key: _sort_keys(value[key]) for key in keys}
    return [_sort_keys(each) for each in value] if isinstance(value, list) else value


def _represent_string(_: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        style: str | None = "|"
    elif _PLAIN_STYLE.fullmatch(text) and text.lower() not in _YAML_1_1_WORDS:
        style = None
    else:
        style = '"'
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_string)
