"""`python -m job checkout`: real git, on repositories of the test's own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from job.checkout.checkout import checkout
from job.checkout.git import PASSWORD, USERNAME, redact_url, url_and_env
from job.errors import CheckoutError, InputError
from tests.checkout.servers import http
from tests.git import add_submodule, git


def fetched(origin: Path, ref: str | None, target: Path) -> str:
    commit = checkout(origin.as_uri(), ref, target, os.environ)
    assert git(target, "rev-parse", "HEAD") == commit
    assert git(target, "status", "--short") == ""
    return (target / "file").read_text()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@git.example/a/b", "https://git.example/a/b"),
        ("https://secret@git.example/a/b", "https://git.example/a/b"),
        ("https://user:se@cret@git.example/a/b", "https://git.example/a/b"),
        ("ssh://user:secret@git.example/a/b", "ssh://git.example/a/b"),
        ("ssh://git@git.example/a@b/c:d", "ssh://git@git.example/a@b/c:d"),
        ("https://[secret@git.example/a", "https://git.example/a"),
        ("git@git.example:a/b", "git@git.example:a/b"),
        ("/some/folder@x", "/some/folder@x"),
    ],
)
def test_what_is_shown_of_an_address_has_no_secret(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    ("ref", "text"), [(None, "3"), ("main", "3"), ("second", "2"), ("team/branch", "branch")]
)
def test_a_branch_a_tag_or_the_default_is_checked_out_shallow(
    origin: Path, tmp_path: Path, ref: str | None, text: str
) -> None:
    assert fetched(origin, ref, tmp_path / "new") == text
    assert git(tmp_path / "new", "rev-list", "--count", "HEAD") == "1"


@pytest.mark.parametrize("length", [40, 10])
def test_any_commit_is_checked_out_whole_where_the_server_gives_no_single_one(
    origin: Path, tmp_path: Path, length: int
) -> None:
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "false")
    first = git(origin, "rev-parse", "main~2")
    assert fetched(origin, first[:length], tmp_path / "new") == "1"


def test_a_path_is_a_repository_too(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkout("./origin", None, tmp_path / "new", os.environ)
    assert (tmp_path / "new/file").read_text() == "3"


def test_a_ref_that_is_not_there_is_named(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="no branch, tag or commit nowhere; check `ref`"):
        fetched(origin, "nowhere", tmp_path / "new")


def test_a_folder_with_files_in_it_is_left_alone(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/mine").touch()
    with pytest.raises(CheckoutError, match="not an empty folder"):
        fetched(origin, None, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch /tmp/oops",
        "ext::sh -c touch% /tmp/oops",
        "fd::17",
        "ftp://host.invalid/x",
        "-oProxyCommand=x:y",
        "https://host.invalid/x\n",
        "",
    ],
)
def test_a_url_that_git_would_take_for_something_else_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        checkout(url, None, tmp_path / "new", os.environ)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "ref", ["--upload-pack=x", "-b", "a..b", "a b", "a\nb", "main:x", "+main", "@{-1}", "a*"]
)
def test_a_ref_that_git_would_take_for_something_else_is_refused(
    ref: str, origin: Path, tmp_path: Path
) -> None:
    with pytest.raises((InputError, CheckoutError)):
        checkout(origin.as_uri(), ref, tmp_path / "new", os.environ)
    assert not (tmp_path / "new/file").exists()


def test_hooks_and_templates_of_the_user_do_not_run(origin: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "template/hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    checkout(origin.as_uri(), None, tmp_path / "new", {**os.environ, "GIT_TEMPLATE_DIR": str(hooks.parent)})
    assert (tmp_path / "new/.git/hooks/post-checkout").exists()
    assert not (tmp_path / "ran").exists()


def test_a_monitor_that_a_configuration_names_does_not_run(origin: Path, tmp_path: Path) -> None:
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    monitor.chmod(0o755)
    (tmp_path / "config").write_text(f"[core]\n\tfsmonitor = {monitor}\n")
    checkout(
        origin.as_uri(), None, tmp_path / "new", {**os.environ, "GIT_CONFIG_GLOBAL": str(tmp_path / "config")}
    )
    assert (tmp_path / "new/file").exists()
    assert not (tmp_path / "ran").exists()


def test_submodules_come_too(origin: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet", "--initial-branch=main")
    add_submodule(outer, origin.as_uri(), "inside")
    git(outer, "commit", "--quiet", "--message=x")
    checkout(outer.as_uri(), None, tmp_path / "new", os.environ)
    assert (tmp_path / "new/inside/file").read_text() == "3"


@pytest.mark.parametrize("missing", ["the repository", "the commit", "the server"])
def test_a_submodule_that_can_not_be_had_is_named(origin: Path, tmp_path: Path, missing: str) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    git(tmp_path, "clone", "--quiet", str(origin), str(inner))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(outer))
    add_submodule(outer, inner.as_uri(), "deep/inside")
    match missing:
        case "the repository":
            shutil.rmtree(inner)
            reason = "does not appear to be a git repository"
        case "the commit":
            git(outer / "deep/inside", "commit", "--quiet", "--allow-empty", "--message=x")
            git(outer, "add", "--all")
            reason = "not our ref [0-9a-f]{40}"
        case _:
            git(outer, "config", "--file=.gitmodules", "submodule.deep/inside.url", "https://127.0.0.1:1/x")
            git(outer, "add", "--all")
            reason = "Failed to connect"
    git(outer, "commit", "--quiet", "--message=x")
    with pytest.raises(CheckoutError, match=f"^submodule deep/inside: .*{reason}"):
        checkout(outer.as_uri(), None, tmp_path / "new", os.environ)


def test_a_refused_connection_is_no_matter_of_keys(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="Connection refused") as raised:
        checkout("ssh://127.0.0.1:1/x", None, tmp_path / "new", os.environ)
    assert "key" not in str(raised.value)


def test_a_repository_over_http_is_had_without_a_password(origin: Path, tmp_path: Path) -> None:
    with http(tmp_path) as url:
        checkout(f"{url}/origin/.git", "second", tmp_path / "new", os.environ)
        assert (tmp_path / "new/file").read_text() == "2"
        for address, environ in ((url.replace("//", "//me:hush@"), {}), (url, {PASSWORD: "hush"})):
            with pytest.raises(InputError, match="a password is not sent over http; use https or ssh"):
                checkout(f"{address}/origin/.git", None, tmp_path / "other", {**os.environ, **environ})


def test_a_user_and_password_stay_out_of_arguments_and_configuration() -> None:
    url, env = url_and_env("https://me:to%40ken@host.invalid/x.git", {})
    assert url == "https://host.invalid/x.git"
    assert (env[USERNAME], env[PASSWORD]) == ("me", "to@ken")
    config = {
        env[f"GIT_CONFIG_KEY_{n}"]: env[f"GIT_CONFIG_VALUE_{n}"] for n in range(int(env["GIT_CONFIG_COUNT"]))
    }
    assert not any("to@ken" in value for value in config.values())
    assert config["protocol.allow"] == "never"
    assert config["protocol.file.allow"] == "user"  # so no submodule leads there
    assert "protocol.http.allow" not in config  # and no redirection there
    assert "credential.https://host.invalid.helper" in config
    assert url_and_env("http://token@host.invalid/x.git", {})[0] == "http://host.invalid/x.git"


class _Private(BaseHTTPRequestHandler):
    """A server that asks for credentials, and keeps those that it gets."""

    credentials: "list[str | None]"

    def do_GET(self) -> None:
        self.credentials.append(self.headers["Authorization"])
        self.send_response(401 if not self.headers["Authorization"] else 403)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def private() -> Iterator[tuple[str, "list[str | None]"]]:
    credentials: list[str | None] = []
    handler = type("Handler", (_Private,), {"credentials": credentials})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", credentials
        server.shutdown()


def redirected(to: str, environ: Mapping[str, str]) -> dict[str, str]:
    """A user's configuration with another address, of an allowed protocol, for https://host.invalid/."""
    config = {f"url.{to}.insteadOf": "https://host.invalid/", "protocol.http.allow": "always"}
    env = {**environ, "GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def test_a_password_is_given_to_its_own_host_only(
    private: tuple[str, "list[str | None]"], tmp_path: Path
) -> None:
    base, credentials = private
    env = redirected(base, {**os.environ, PASSWORD: "hush"})
    with pytest.raises(CheckoutError, match=r"could not read Username.*password: secret:NAME"):
        checkout("https://host.invalid/x", None, tmp_path / "new", env)
    assert set(credentials) == {None}  # redirected to another host, which gets nothing


def test_the_command_says_where_it_is_and_errors_are_one_line(origin: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "job", "checkout", f"--path={tmp_path}/new"]
    url, result = f"--url={origin}", tmp_path / "result"
    done = subprocess.run([*words, url, f"--result={result}"], capture_output=True, text=True, check=True)
    commit = git(origin, "rev-parse", "main")
    assert done.stdout == f"Cloning into '{tmp_path}/new'...\nHEAD is now at {commit}\n"
    assert json.loads(result.read_text()) == {"url": str(origin), "commit": commit}
    missing = [*words[:-1], f"--path={tmp_path}/x", f"--url={tmp_path}/nothing"]
    failed = subprocess.run(missing, capture_output=True, text=True, check=False)
    assert (failed.returncode, len(failed.stderr.splitlines())) == (1, 1)
    assert "does not appear to be a git repository" in failed.stderr
