"""container@v1: an image's own command, or another, with arguments."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.field import Field
from argo.language.model import Container
from argo.language.values import literal
from job.text import quoted

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")
_REGISTRY_HINT = "name a saved registry under defaults.resources.container-registries"
# What people tried for private images; KUBERNETES calls it imagePullSecrets.
PRIVATE_IMAGE = dict.fromkeys(
    ("username", "password", "registry", "container-registries", "container-registry", "credentials"),
    _REGISTRY_HINT,
)


def image(field: Field) -> str | None:
    """An image's reference, as Docker takes it; a text that could be an option is none."""
    text = field.text()
    if text is not None and not (_IMAGE.fullmatch(text) and len(text) < 512):
        field.report("bad-image", f"{quoted(text)} is no image", "write REGISTRY/NAME:TAG")
        return None
    return text


def words(field: Field) -> tuple[str, ...] | None:
    """`command`: one word, or a list of them. A whole line is split, with a warning."""
    if field.is_list:
        return arguments(field)
    text = literal(field)
    if text is None:
        return None
    try:
        line = tuple(shlex.split(text))
    except ValueError:
        line = (text,)
    if len(line) > 1:
        hint = "write the first word as command and the others as args"
        field.report("command-line", "holds several words; Kubernetes takes a list", hint)
        return line
    if not text:
        field.report("wrong-type", "must name a program", "leave `command` out for the image's own")
        return None
    return (text,)


def arguments(field: Field) -> tuple[str, ...] | None:
    """A list of texts."""
    if not field.is_list:
        hint = 'write [bash, -c, "..."]' if field.is_text else ""
        field.report("wrong-type", "must be a list of texts", hint)
        return None
    texts = [literal(item) if not item.null else item.text() for item in field.items()]
    good = [text for text in texts if text is not None]
    return tuple(good) if len(good) == len(texts) else None


def _build(values: Mapping[str, Any], _: Call) -> Container:
    return Container(values["image"], values.get("command"), values.get("args", ()))


CONTAINER = ActionKind(
    {
        "image": Argument(image, required=True),
        "command": Argument(words),
        "args": Argument(arguments),
        "containerRegistry": Argument(Field.text),
    },
    _build,
    {**PRIVATE_IMAGE, "script": "write uses: script@v1, or args: [bash, -c, ...]"},
)
