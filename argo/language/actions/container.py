"""container@v1: an image's own command, or another, with arguments."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.field import Field
from argo.language.model import Container
from argo.language.values import read_literal
from job.text import quoted

# The grammar of github.com/distribution/reference.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::\d+)?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
_IMAGE = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@{_DIGEST})?", re.ASCII)
_REGISTRY_HINT = "name a saved registry under defaults.resources.container-registries"
# What people tried for private images.
PRIVATE_IMAGE = dict.fromkeys(
    ("username", "password", "registry", "container-registries", "container-registry", "credentials"),
    _REGISTRY_HINT,
)


def read_image(field: Field) -> str | None:
    """An image's name, as every container runtime takes it."""
    text = field.string()
    if text is not None and not is_image(text):
        field.report("bad-image", f"{quoted(text)} is not a valid image name", "write REGISTRY/NAME:TAG")
        return None
    return text


def is_image(text: str) -> bool:
    """Whether `text` is an image's name: it has no option, and nothing that a shell would expand."""
    return len(text) < 512 and bool(_IMAGE.fullmatch(text))


def read_command(field: Field) -> tuple[str, ...] | None:
    """`command`: one word, or a list of words. A whole line is split, with a warning."""
    if field.is_list:
        return read_args(field)
    text = read_literal(field)
    if text is None:
        return None
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = (text,)
    if len(words) > 1:
        hint = "write the first word as command and the others as args"
        field.report("command-line", "has several words; Kubernetes takes a list", hint)
        return words
    if not text:
        hint = "remove `command` to use the image's own"
        field.report("wrong-type", "must be the name of a program, not an empty string", hint)
        return None
    return (text,)


def read_args(field: Field) -> tuple[str, ...] | None:
    """A list of strings."""
    if not field.is_list:
        hint = 'write [bash, -c, "..."]' if field.is_string else ""
        field.report("wrong-type", "must be a list of strings", hint)
        return None
    strings = [read_literal(item) if not item.null else item.string() for item in field.items()]
    valid = [string for string in strings if string is not None]
    return tuple(valid) if len(valid) == len(strings) else None


def _build(values: Mapping[str, Any], _: Call) -> Container:
    return Container(values["image"], values.get("command"), values.get("args", ()))


CONTAINER = ActionKind(
    {
        "image": Argument(read_image, required=True),
        "command": Argument(read_command),
        "args": Argument(read_args),
        "containerRegistry": Argument(Field.string),
    },
    _build,
    {**PRIVATE_IMAGE, "script": "write uses: script@v1, or args: [bash, -c, ...]"},
)
