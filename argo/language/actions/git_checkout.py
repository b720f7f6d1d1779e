"""git-checkout@v1: a repository at a commit, into a folder of the job."""

import re
from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call, read_target
from argo.language.field import Field
from argo.language.model import EventField, GitCheckout, Secret
from argo.language.values import looks_like_expression, read_secret_or_string
from job.checkout.git import is_path, is_ref, is_url
from job.text import quoted

EVENT_URL = "context.event.github.url"
EVENT_REF = "context.event.github.ref"

_BARE_HOST = re.compile(r"[\w-]+(\.[\w-]+)+/[\w./~-]+")
_CREDENTIALS = re.compile(r"[^/@]*:[^/@]+@")


def read_url(field: Field) -> str | EventField | None:
    """A clone URL, a path on this machine, or `context.event.github.url`."""
    text = field.string()
    if text == EVENT_URL:
        return EventField.URL
    return check_url(field, text) if text is not None and _is_literal(field, text, EVENT_URL) else None


def read_ref(field: Field) -> str | EventField | None:
    """A commit, a branch, a tag, or `context.event.github.ref`."""
    text = field.string()
    if text == EVENT_REF:
        return EventField.REF
    return check_ref(field, text) if text is not None and _is_literal(field, text, EVENT_REF) else None


def check_url(field: Field, text: str) -> str | None:
    """`text` if it is a URL that git may get; `ext::` and options are not."""
    _, separator, rest = text.partition("://")
    if is_url(text):
        if separator and not is_path(text) and _CREDENTIALS.match(rest):
            hint = "write username and password: secret:NAME"
            field.report("plain-secret", "the URL holds a password", hint)
        return text
    hint = f"write https://{text}" if _BARE_HOST.fullmatch(text) else ""
    field.report("bad-url", f"{quoted(text)} is not an https, http, ssh, file or git URL", hint)
    return None


def check_ref(field: Field, text: str) -> str | None:
    """`text` if it can name a commit, a branch or a tag."""
    if not is_ref(text):
        field.report("bad-ref", f"{quoted(text)} is not a valid commit, branch or tag")
        return None
    return text


def _is_literal(field: Field, text: str, event: str) -> bool:
    if looks_like_expression(text) or text.startswith("$"):
        field.report(
            "bad-expression", f"{quoted(text)} is not allowed here", f"write the value itself, or {event}"
        )
        return False
    return True


def _build(values: Mapping[str, Any], call: Call) -> GitCheckout | None:
    path = read_target(call, "git-checkout")
    password = values.get("password", call.env.get("GIT_PASSWORD"))
    if "password" in values and not isinstance(password, Secret):
        hint = "write password: secret:NAME"
        call.arguments["password"].report("plain-secret", "is written in the file", hint)
    if password is not None and str(values.get("url")).lower().startswith("http://"):
        call.arguments["url"].report("bad-url", "a password is not sent over http", "use https or ssh")
    if path is None:
        return None
    return GitCheckout(values["url"], values.get("ref"), path, values.get("username"), password)


GIT_CHECKOUT = ActionKind(
    {
        "url": Argument(read_url, required=True),
        "ref": Argument(read_ref),
        "path": Argument(Field.string),
        "username": Argument(read_secret_or_string),
        "password": Argument(read_secret_or_string),
    },
    _build,
    {
        "branch": "write ref: BRANCH",
        "tag": "write ref: TAG",
        "commit": "write ref: COMMIT",
        "repo": "write url: https://...",
        "repository": "write url: https://...",
        "token": "write password: secret:NAME",
    },
)
