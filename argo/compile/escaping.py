"""Texts that a person typed, on their way through YAML, Argo and Kubernetes into a container.

Argo replaces `{{...}}` anywhere in a template, with no way to escape it, and Kubernetes `$(NAME)` in
command, args and environment. So a text with `{{` or a control character goes as JSON, where both have
another spelling, and any other text stays readable.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

# What execve takes for one argument, or one variable with its name, on Linux with pages of 4 KiB.
ARGUMENT_LIMIT = 128 << 10

# `$$` is a `$` for Kubernetes, `$(` a reference, and `$` before a byte beyond ASCII garbles that byte.
_DOLLAR = re.compile(r"\$(?=[$(]|[^\x00-\x7f])")


def is_plain(text: str) -> bool:
    """Whether the text can stand in a template as it is."""
    return "{{" not in text and all(c.isprintable() or c in "\n\t" for c in text)


def escape_kubernetes_vars(text: str) -> str:
    """A plain text so written that command, args and environment give it to the container unchanged."""
    return _DOLLAR.sub("$$", text)


def template_safe_json(document: Mapping[str, Any]) -> str:
    """JSON in which neither Argo nor Kubernetes replaces anything; a line for each entry of two levels."""
    lines = ",\n".join(f"  {json.dumps(key)}: {_entries(value)}" for key, value in document.items())
    return f"{{\n{lines}\n}}".replace("{{", r"{\u007b").replace("$", r"\u0024")


def _entries(value: Any) -> str:
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
        return json.dumps(value)
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(each)}" for key, each in value.items())
    return f"{{\n{lines}\n  }}" if lines else "{}"
