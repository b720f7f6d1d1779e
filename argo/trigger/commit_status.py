"""Telling a commit's host how its run stands; never a reason for anything to fail."""

from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from argo.trigger import git_hosts
from argo.trigger.git_hosts import CommitState, CommitStatus, HostKind
from argo.trigger.push import Push
from job.errors import InputError

_TIMEOUT = 10  # seconds
_HINTS = {
    401: "has the token expired?",
    403: "may the token write commit statuses?",
    404: "may the token see the repository?",
}


API = "TEXTGEN_STATUS_API"


def status_client(environ: Mapping[str, str], say: Callable[[str], None]) -> "StatusClient | None":
    """As the environment's token and kind of host have it; None without a token. Raises InputError."""
    token, api = environ.get(git_hosts.TOKEN), environ.get(API)
    if api and api not in tuple(HostKind):
        raise InputError(f"{API}={api}: must be {', '.join(HostKind)}")
    return StatusClient(token, HostKind(api) if api else None, say) if token else None


class _NoRedirect(HTTPRedirectHandler):
    """Follows nothing: the token is for one host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class StatusClient:
    """Posts with one token, and stops at the first refusal: the next poll tries again."""

    def __init__(self, token: str, kind: HostKind | None, say: Callable[[str], None]) -> None:
        self._token = token
        self._kind = kind
        self._say = say
        self._refused = False

    def post(self, push: Push, state: CommitState, description: str) -> bool:
        """Say it of the commit; whether that is done with."""
        found = git_hosts.parse_host_and_path(push.url)
        if found is None:
            self._say(f"{push.url}: no commit status: a host without https has no API for them")
            return True
        if self._refused:
            return False
        host, path = found
        context = f"textgen/{PurePosixPath(push.file).name}"
        status = CommitStatus(push.commit, push.branch, state, context, description)
        asked = git_hosts.build_status_request(
            self._kind or git_hosts.guess_host_kind(host), host, path, self._token, status
        )
        try:
            # the scheme is https
            request = Request(asked.url, asked.body, asked.headers, method="POST")  # noqa: S310
            with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT):
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
