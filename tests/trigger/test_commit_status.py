"""Commit statuses: the requests of three kinds of host, over TLS, and what happens when they are refused."""

import json
import os
import shutil
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.cluster import stop_and_retry
from argo.compile import ClusterConfig
from argo.kubernetes_names import REPORTED, TRIGGER
from argo.trigger import Poller, git_hosts, push_workflow
from argo.trigger.commit_status import StatusClient, open_status_client
from argo.trigger.git_hosts import CommitState, HostKind
from argo.trigger.push import Push
from job.errors import InputError
from tests.checkout.servers import certificate
from tests.trigger.conftest import Remote, World, workflow

COMMIT = "0123456789" * 4


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]
    body: dict[str, str]


class Host:
    """Answers with `status`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status, self.answer = 201, b"{}"
        self.address = ""


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: no certificate for a server of https")
    return certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def host(trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host_server = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            host_server.asked.append(Asked(self.path, dict(self.headers), json.loads(body)))
            self.send_response(host_server.status)
            if host_server.status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(host_server.answer)))
            self.end_headers()
            self.wfile.write(host_server.answer)

        def do_GET(self) -> None:
            host_server.asked.append(Asked(self.path, dict(self.headers), {}))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        host_server.address = f"127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield host_server
        server.shutdown()


def push(host: Host, path: str = "team/texts.git") -> Push:
    return Push(f"https://{host.address}/{path}", "main", COMMIT, ".gradient/workflows/a.yaml")


def post(
    host: Host, kind: HostKind, state: CommitState = CommitState.PENDING, path: str = "team/texts.git"
) -> list[str]:
    lines: list[str] = []
    StatusClient("hush", kind, lines.append).post(push(host, path), state, "submitted as a-1")
    return lines


@pytest.mark.parametrize(
    ("kind", "path", "header"),
    [
        (HostKind.GITHUB, "/api/v3/repos/team/texts/statuses/", ("Authorization", "Bearer hush")),
        (HostKind.GITEA, "/api/v1/repos/team/texts/statuses/", ("Authorization", "token hush")),
        (HostKind.GITLAB, "/api/v4/projects/team%2Ftexts/statuses/", ("Private-Token", "hush")),
    ],
)
def test_each_kind_of_host_gets_the_request_of_its_api(
    host: Host, kind: HostKind, path: str, header: tuple[str, str]
) -> None:
    assert post(host, kind) == []
    (asked,) = host.asked
    assert asked.path == path + COMMIT
    assert header in asked.headers.items()
    name = "name" if kind is HostKind.GITLAB else "context"
    assert asked.body[name] == "textgen/a.yaml"
    assert asked.body["state"] == "pending"
    assert asked.body["description"] == "submitted as a-1"


@pytest.mark.parametrize("state", [CommitState.FAILURE, CommitState.ERROR])
def test_gitlab_calls_failures_and_errors_failed(host: Host, state: CommitState) -> None:
    post(host, HostKind.GITLAB, state)
    assert host.asked[0].body["state"] == "failed"


def test_github_com_has_a_separate_host_for_its_api() -> None:
    status = git_hosts.CommitStatus(COMMIT, "main", CommitState.SUCCESS, "textgen/a.yaml", "x" * 200)
    asked = git_hosts.build_status_request(HostKind.GITHUB, "github.com", "you/texts", "hush", status)
    assert asked.url == f"https://api.github.com/repos/you/texts/statuses/{COMMIT}"
    assert len(json.loads(asked.body)["description"]) == 140


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pw@Git.Example:8443/a/b.git", ("git.example:8443", "a/b")),
        ("git@github.com:you/texts.git", ("github.com", "you/texts")),
        ("ssh://git@gitlab.example:2222/group/sub/texts", ("gitlab.example", "group/sub/texts")),
        ("https://git.example/forge/a/b/", ("git.example", "forge/a/b")),
        ("git://git.example/a/b", None),
        ("file:///srv/a/b", None),
        ("/srv/a/b", None),
        ("https://git.example/alone", None),
    ],
)
def test_the_host_and_the_path_of_a_repository(url: str, expected: tuple[str, str] | None) -> None:
    assert git_hosts.parse_host_and_path(url) == expected


@given(st.text())
def test_any_text_gives_a_host_and_a_path_or_none(text: str) -> None:
    try:
        parsed = git_hosts.parse_host_and_path(text)
    except ValueError:
        return  # what git refuses before
    assert parsed is None or (all(parsed) and "/" not in parsed[0])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "401 Unauthorized; has the token expired?"),
        (403, "403 Forbidden; may the token write commit statuses?"),
        (404, "404 Not Found; may the token see the repository?"),
        (500, "500 Internal Server Error"),
        (302, "302 Found"),
    ],
)
def test_a_refusal_is_one_line_and_the_token_is_sent_nowhere_else(host: Host, status: int, said: str) -> None:
    host.status = status
    lines = post(host, HostKind.GITEA)
    assert len(host.asked) == 1
    assert lines == [
        f"https://{host.address}/team/texts.git main 0123456 .gradient/workflows/a.yaml: "
        f"the commit status was not posted to {host.address}: {said}"
    ]


def test_a_status_that_gitlab_has_already_is_no_refusal(host: Host) -> None:
    host.status, host.answer = 400, b'{"message": "Cannot transition status via :enqueue from :pending"}'
    assert post(host, HostKind.GITLAB) == []


def test_after_a_refusal_nothing_is_posted_until_the_next_poll(host: Host) -> None:
    host.status = 500
    lines: list[str] = []
    posts = StatusClient("hush", HostKind.GITEA, lines.append)
    assert not posts.post(push(host), CommitState.PENDING, "")
    assert not posts.post(push(host), CommitState.PENDING, "")
    assert (len(host.asked), len(lines)) == (1, 1)


def test_an_unknown_kind_of_host_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^TEXTGEN_STATUS_API=svn: must be github, gitlab, gitea$"):
        open_status_client({"TEXTGEN_STATUS_TOKEN": "hush", "TEXTGEN_STATUS_API": "svn"}, print)
    assert open_status_client({}, print) is None


class FakeStatusClient:
    """Keeps the statuses; `works` is whether posting succeeds."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, CommitState, str]] = []
        self.works = True

    def post(self, push: Push, state: CommitState, text: str) -> bool:
        self.posts.append((push.file.rpartition("/")[2], state, text.replace(push.run, "RUN")))
        return self.works


def poll(world: World, remote: Remote, client: Any) -> None:
    poller = Poller(world.cluster, world.store, ClusterConfig(), client, os.environ)  # type: ignore[arg-type]
    poller.resume([remote.url], print)
    assert poller.poll(remote.url, print)


def test_a_run_is_reported_as_pending_and_at_its_end(remote: Remote, world: World) -> None:
    client = FakeStatusClient()
    remote.push({"a.yaml": workflow(), "b.yaml": "jobs: ["})
    poll(world, remote, client)
    assert client.posts[0] == ("a.yaml", CommitState.PENDING, "submitted as RUN")
    assert [each[:2] for each in client.posts[1:]] == [("b.yaml", CommitState.ERROR)]
    (made,) = world.cluster.list_kind("workflows")
    made["metadata"] |= {"namespace": "texts", "creationTimestamp": "2026-01-01T00:00:00Z"}
    world.cluster.end("Failed")
    client.works = False
    poll(world, remote, client)
    client.works = True
    poll(world, remote, client)
    poll(world, remote, client)
    assert client.posts[2:] == [("a.yaml", CommitState.FAILURE, "RUN: Failed")] * 2


def test_a_run_that_is_retried_is_reported_again() -> None:
    labels = {TRIGGER: push_workflow.STARTED, REPORTED: "true"}
    workflow: Any = {"metadata": {"name": "a", "labels": labels}, "spec": {}, "status": {"phase": "Failed"}}
    nodes: Any = {"a": {"phase": "Failed"}}
    reset = stop_and_retry.reset_workflow(workflow, nodes)
    assert reset["metadata"]["labels"] == {TRIGGER: push_workflow.STARTED}


def test_a_run_starts_even_if_its_status_cannot_be_posted(remote: Remote, world: World) -> None:
    client = FakeStatusClient()
    client.works = False
    remote.push({"a.yaml": workflow(), "b.yaml": "jobs: ["})
    poll(world, remote, client)
    assert len(world.cluster.started) == 1
