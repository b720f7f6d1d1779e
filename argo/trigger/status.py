"""Telling a commit's host how its run stands; never a reason for anything to fail."""

from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from argo.trigger import hosts
from argo.trigger.hosts import Kind, State, Status
from argo.trigger.push import Push
from job.errors import InputError

_TIMEOUT = 10  # seconds
_HINTS = {
    401: "has the token expired?",
    403: "may the token write commit statuses?",
    404: "may the token see the repository?",
}


API = "TEXTGEN_STATUS_API"


def statuses(environ: Mapping[str, str], say: Callable[[str], None]) -> "Statuses | None":
    """As the environment's token and kind of host have it; None without a token. Raises InputError."""
    token, api = environ.get(hosts.TOKEN), environ.get(API)
    if api and api not in tuple(Kind):
        raise InputError(f"{API}={api}: must be {', '.join(Kind)}")
    return Statuses(token, Kind(api) if api else None, say) if token else None


class _Stay(HTTPRedirectHandler):
    """Follows nothing: the token is for one host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Statuses:
    """Posts with one token, and stops at the first refusal: the next poll tries again."""

    def __init__(self, token: str, kind: Kind | None, say: Callable[[str], None]) -> None:
        self._token = token
        self._kind = kind
        self._say = say
        self._refused = False

    def post(self, push: Push, state: State, description: str) -> bool:
        """Say it of the commit; whether that is done with."""
        found = hosts.place(push.url)
        if found is None:
            self._say(f"{push.url}: no commit status: a host without https has no API for them")
            return True
        if self._refused:
            return False
        host, path = found
        context = f"textgen/{PurePosixPath(push.file).name}"
        status = Status(push.commit, push.branch, state, context, description)
        asked = hosts.request(self._kind or hosts.kind(host), host, path, self._token, status)
        try:
            # the scheme is https
            request = Request(asked.url, asked.body, asked.headers, method="POST")  # noqa: S310
            with build_opener(_Stay).open(request, timeout=_TIMEOUT):
                return True
        except HTTPError as error:
            with error:
                answer = error.read(1 << 16)
            if b"Cannot transition status" in answer:  # GitLab, of a state that it has already
                return True
            reason = "; ".join(filter(None, (f"{error.code} {error.reason}", _HINTS.get(error.code))))
        except (OSError, HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error)
        self._refused = True
        self._say(f"{push.url} {push}: no commit status from {host}: {reason}")
        return False
