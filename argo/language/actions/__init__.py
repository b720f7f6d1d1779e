"""The actions, Gradient's five and generate@v1: each has a module here and a row in ACTIONS."""

from argo.language.actions.action import ActionKind, Call
from argo.language.actions.container import CONTAINER
from argo.language.actions.create_model import CREATE_MODEL
from argo.language.actions.generate import GENERATE
from argo.language.actions.git_checkout import GIT_CHECKOUT
from argo.language.actions.s3_download import S3_DOWNLOAD
from argo.language.actions.script import SCRIPT

ACTIONS: dict[str, ActionKind] = {
    "container@v1": CONTAINER,
    "script@v1": SCRIPT,
    "git-checkout@v1": GIT_CHECKOUT,
    "s3-download@v1": S3_DOWNLOAD,
    "create-model@v1": CREATE_MODEL,
    "generate@v1": GENERATE,
}

__all__ = ["ACTIONS", "ActionKind", "Call"]
