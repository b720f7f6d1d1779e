"""Commit statuses on the git host. A status that can't be posted never makes anything else fail."""

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

API = "TEXTGEN_STATUS_API"

_TIMEOUT = 10  # seconds
_HINTS = {
    401: "has the token expired?",
    403: "may the token write commit statuses?",
    404: "may the token see the repository?",
}


def open_status_client(environ: Mapping[str, str], log: Callable[[str], None]) -> "StatusClient | None":
    """A client with the token and the kind of host in `environ`; None without a token. Raises InputError."""
    token, api = environ.get(git_hosts.TOKEN), environ.get(API)
    if api and api not in tuple(HostKind):
        raise InputError(f"{API}={api}: must be {', '.join(HostKind)}")
    return StatusClient(token, HostKind(api) if api else None, log) if token else None


class StatusClient:
    """Posts with one token, and stops at the first refusal: the next poll tries again."""

    def __init__(self, token: str, kind: HostKind | None, log: Callable[[str], None]) -> None:
        self._token = token
        self._kind = kind
        self._log = log
        self._refused = False

    def post(self, push: Push, state: CommitState, description: str) -> bool:
        """Post the status to the commit's host. Returns whether there is nothing to try again."""
        address = git_hosts.parse_host_and_path(push.url)
        if address is None:
            self._log(f"{push.url}: no commit status: a host without https has no API for them")
            return True
        if self._refused:
            return False
        host, path = address
        context = f"textgen/{PurePosixPath(push.file).name}"
        status = CommitStatus(push.commit, push.branch, state, context, description)
        kind = self._kind or git_hosts.guess_host_kind(host)
        post = git_hosts.build_status_request(kind, host, path, self._token, status)
        try:
            # the scheme is https
            request = Request(post.url, post.body, post.headers, method="POST")  # noqa: S310
            with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT):
                return True
        except HTTPError as error:
            with error:
                answer = error.read(1 << 16)
            if b"Cannot transition status" in answer:  # GitLab, for a state that the commit has already
                return True
            reason = "; ".join(filter(None, (f"{error.code} {error.reason}", _HINTS.get(error.code))))
        except (OSError, HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error)
        self._refused = True
        self._log(f"{push.url} {push}: the commit status was not posted to {host}: {reason}")
        return False


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the token is for one host."""

    def redirect_request(self, *_: Any) -> None:
        return None
