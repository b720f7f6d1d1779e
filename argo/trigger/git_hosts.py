"""The request that sets a commit status, for three kinds of git host.

From their documentation: docs.github.com/rest/commits/statuses, docs.gitlab.com/api/commits ("Set commit
pipeline status") and Gitea's own /api/swagger ("repoCreateStatus").
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

from job.checkout.git import PASSWORD, parse_scp, redact_url
from job.errors import InputError

TOKEN = "TEXTGEN_STATUS_TOKEN"  # noqa: S105

_MAX_DESCRIPTION = 140  # characters; the smallest of the hosts' limits


class HostKind(StrEnum):
    """Whose API a host has. Forgejo has Gitea's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class CommitState(StrEnum):
    """How a run stands. GitLab calls the last two the same."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What a commit shows. A later status of the same `context` replaces it."""

    commit: str
    branch: str
    state: CommitState
    context: str
    description: str


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """A POST request."""

    url: str
    headers: dict[str, str]
    body: bytes


def parse_host_and_path(url: str) -> tuple[str, str] | None:
    """The host (with its port) and the path of a repository; None if its host has no https."""
    try:
        parts = urlsplit(redact_url(url)) if "://" in url else None
    except ValueError:
        return None
    if parts is None:
        host, path = parse_scp(url) or ("", "")
    elif parts.scheme == "https":
        host, path = parts.netloc, parts.path
    else:
        host, path = (parts.hostname or "") if parts.scheme == "ssh" else "", parts.path
    path = path.strip("/").removesuffix(".git")
    return (host.lower(), path) if host and "/" in path else None


def check_single_host(urls: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raise InputError if a password or a token would be sent to more than one host."""
    hosts = sorted({host for url in urls for host, _ in filter(None, [parse_host_and_path(url)])})
    for name in (PASSWORD, TOKEN):
        if environ.get(name) and len(hosts) > 1:
            raise InputError(
                f"{name} is for one host, not for {' and '.join(hosts)}: poll each host separately"
            )


def guess_host_kind(host: str) -> HostKind:
    """Whose API a host has, judged by its name."""
    return next((each for each in (HostKind.GITHUB, HostKind.GITLAB) if each in host), HostKind.GITEA)


def build_status_request(
    kind: HostKind, host: str, path: str, token: str, status: CommitStatus
) -> StatusRequest:
    """The request to the host. The token is sent to that host only; for github.com, to api.github.com."""
    text = status.description
    fields = {
        "state": str(status.state),
        "context": status.context,
        "description": text if len(text) <= _MAX_DESCRIPTION else f"{text[: _MAX_DESCRIPTION - 1]}…",
    }
    headers = {"Content-Type": "application/json", "User-Agent": "textgen"}
    if kind is HostKind.GITLAB:
        failed = status.state in {CommitState.FAILURE, CommitState.ERROR}
        fields["name"] = fields.pop("context")
        fields |= {"state": "failed" if failed else fields["state"], "ref": status.branch}
        headers["PRIVATE-TOKEN"] = token
        base = f"https://{host}/api/v4/projects/{quote(path, safe='')}"
    else:
        folder, owner, name = ["", *path.rsplit("/", 2)][-3:]
        repository = f"repos/{quote(owner, safe='')}/{quote(name, safe='')}"
        prefix = f"/{quote(folder)}" if folder else ""
        if kind is HostKind.GITHUB:
            api = "https://api.github.com" if host == "github.com" else f"https://{host}{prefix}/api/v3"
            headers |= {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        else:
            api = f"https://{host}{prefix}/api/v1"
            headers["Authorization"] = f"token {token}"
        base = f"{api}/{repository}"
    return StatusRequest(f"{base}/statuses/{status.commit}", headers, json.dumps(fields).encode())
