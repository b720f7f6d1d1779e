"""script@v1: a script that the image's bash runs."""

from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call
from argo.language.actions.container import PRIVATE_IMAGE, read_image
from argo.language.field import Field
from argo.language.model import Script


def _build(values: Mapping[str, Any], _: Call) -> Script:
    return Script(values["image"], values["script"])


SCRIPT = ActionKind(
    {
        "script": Argument(Field.string, required=True),
        "image": Argument(read_image, required=True),
        "containerRegistry": Argument(Field.string),
    },
    _build,
    {
        **PRIVATE_IMAGE,
        "args": "write the arguments in the script",
        "command": "write the command in the script",
    },
)
