"""What is wrong in a kubeconfig is one line, and nobody goes on without the credentials that it names."""

import base64
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from argo.cli.cluster import find_run
from argo.cluster.api import Api, UnreachableError
from argo.cluster.connection import connect
from job.errors import ClusterError, InputError, UnknownReferenceError

Connect = Callable[..., Api]
V1 = "client.authentication.k8s.io/v1"


def credential(status: object, version: str = V1) -> str:
    """A plugin's command that prints a credential."""
    document = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"printf %s {shlex.quote(json.dumps(document))}"


def plugin(script: str) -> dict[str, Any]:
    """A user whose credentials come from a plugin."""
    return {"exec": {"apiVersion": V1, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}}


@pytest.fixture
def connect_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Connects with the only context of a kubeconfig; `None` leaves its user or cluster out."""

    def connect_with(user: Any = None, cluster: Any = None, context: Any = None) -> Api:
        cluster = {"server": "https://127.0.0.1:1"} if cluster is None else cluster
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [] if user is None else [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **(context or {})}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        return connect()

    return connect_with


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"exec": {"apiVersion": V1, "command": "no-such-plugin"}}, "plugin 'no-such-plugin': No such file"),
        ({"exec": {"apiVersion": V1, "command": "/"}}, "plugin '/': Permission denied"),
        (plugin("echo log in >&2; echo first >&2; exit 3"), "plugin 'sh': process returned 3. log in first$"),
        (plugin("kill -9 $$"), "plugin 'sh': process returned -9"),
        (plugin("echo hello"), "plugin 'sh': failed to decode process output: Expecting value"),
        (plugin("echo []"), "plugin 'sh': malformed response"),
        (plugin(credential(None)), "plugin 'sh': "),
        (plugin(credential({})), "plugin 'sh': missing token or clientCertificateData"),
        (plugin(credential({"clientCertificateData": "x"})), "plugin 'sh': missing clientKeyData"),
        (plugin(credential({"clientCertificateData": "x", "clientKeyData": "y"})), "key can't be used"),
        (plugin(credential({"token": "t", "expirationTimestamp": "soon"})), "plugin 'sh': Invalid RFC3339"),
        (plugin(credential({"token": "t"}, "x/v2")), "plugin 'sh': plugin api version x/v2 does not match"),
        (plugin(credential({"token": "a\nb"})), "plugin 'sh': its token has characters that no token has"),
        ({"exec": {"apiVersion": V1}}, "malformed request"),
        ({"token": ""}, "nothing that can be used in token"),
        ({"token": "日本"}, "its token has characters that no token has"),
        ({"username": "a"}, "nothing that can be used in username"),
        ({"auth-provider": {"name": "azure"}}, "nothing that can be used in auth-provider"),
        ({"client-certificate-data": base64.b64encode(b"x").decode()}, "key can't be used"),
    ],
)
def test_without_the_credentials_that_it_names_it_does_not_go_on(
    connect_with: Connect, user: dict[str, Any], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=f"^kubeconfig: user u has no credentials.*{reason}") as caught:
        connect_with(user)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("user", "cluster", "context", "reason"),
    [
        (None, None, {}, "context x is of a user 'u' that is not there"),
        ({}, None, {"cluster": ""}, "context x is of a cluster '' that is not there"),
        ({}, None, {"cluster": "d"}, "context x is of a cluster 'd' that is not there"),
        ({}, {}, {}, "the `server` of cluster c is no http or https URL: None"),
        ({}, {"server": "10.0.0.1"}, {}, "the `server` of cluster c is no http or https URL: '10.0.0.1'"),
        ({}, {"server": "https://a:99999"}, {}, "the `server` of cluster c is no http or https URL"),
        ({}, {"server": 7}, {}, "the `server` of cluster c is no http or https URL: 7"),
        ({"tokenFile": "/no/such"}, None, {}, "context x: No such file or directory: '/no/such'"),
        ({"client-certificate": "/no/such"}, None, {}, "context x: File does not exist: /no/such"),
        ({"auth-provider": {"name": "gcp"}}, None, {}, "context x: the Kubernetes client can't read"),
    ],
)
def test_what_is_missing_or_of_another_form_is_named(
    connect_with: Connect, user: Any, cluster: Any, context: dict[str, str], reason: str
) -> None:
    with pytest.raises(InputError, match=f"^kubeconfig: {reason}"):
        connect_with(user, cluster, context)


@pytest.mark.parametrize(
    "authority",
    [
        {"certificate-authority-data": "???"},
        {"certificate-authority-data": base64.b64encode(b"text").decode()},
        {"certificate-authority-data": base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMII\n").decode()},
        {"certificate-authority": __file__},
    ],
)
def test_a_certificate_authority_that_is_none_is_named(
    connect_with: Connect, authority: dict[str, str]
) -> None:
    with pytest.raises(
        InputError, match=r"^kubeconfig: the certificate-authority of cluster c can't be used"
    ):
        connect_with({}, {"server": "https://127.0.0.1:1", **authority})


@pytest.mark.parametrize("proxy", ["nonsense", "socks5://me:secret@127.0.0.1:1"])
def test_a_proxy_that_can_not_be_used_is_named(connect_with: Connect, proxy: str) -> None:
    with pytest.raises(InputError, match="is no proxy to the cluster: write http://HOST:PORT") as caught:
        connect_with({}, {"server": "https://10.0.0.1", "proxy-url": proxy})
    assert "secret" not in str(caught.value)


def test_a_users_secrets_are_not_in_a_message(connect_with: Connect) -> None:
    with pytest.raises(InputError) as caught:
        connect_with({"auth-provider": {"name": "oidc", "config": {"client-secret": "hunter2"}}})
    assert "hunter2" not in str(caught.value)


def test_a_line_end_after_a_token_does_not_count(connect_with: Connect, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t\n")
    sent: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        user, address = {"tokenFile": str(tmp_path / "token")}, f"http://127.0.0.1:{server.server_port}"
        assert connect_with(user, {"server": address}).get("/x") == {}
        thread.join()
    assert sent == ["Bearer t"]


def test_a_plugin_that_fails_later_is_an_error_that_may_pass(
    connect_with: Connect, tmp_path: Path, no_waiting: None
) -> None:
    """Each request has it asked again when its credentials have expired."""
    expired = credential({"token": "t", "expirationTimestamp": "2026-01-01T00:00:00Z"})
    api = connect_with(plugin(f"mkdir {tmp_path}/asked || exit 3; {expired}"))
    with pytest.raises(UnreachableError, match="user u has no credentials from its plugin 'sh': process"):
        api.get("/x")


def test_empty_and_missing_files_of_the_list_are_passed_over(
    connect_with: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = str(connect_with({"token": "t"}))
    (tmp_path / "empty").write_text("# nothing\n")
    for names in (("empty", "config"), ("config", "empty"), ("none", "config", "empty")):
        monkeypatch.setenv("KUBECONFIG", ":".join(str(tmp_path / name) for name in names))
        assert str(connect()) == expected


@pytest.mark.parametrize(
    ("user", "server", "error", "reason"),
    [
        (plugin("exit 3"), "https://127.0.0.1:1", UnknownReferenceError, "user u has no credentials"),
        ({}, "http://127.0.0.1:1", ClusterError, "does not answer"),
    ],
)
def test_a_run_that_is_not_on_this_machine_is_looked_for_on_the_cluster(
    connect_with: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: None,
    user: dict[str, Any],
    server: str,
    error: type[Exception],
    reason: str,
) -> None:
    (tmp_path / ".textgen").mkdir()
    monkeypatch.chdir(tmp_path)
    with suppress(InputError):
        connect_with(user, {"server": server})
    with pytest.raises(error, match=f"^no run 'a'.*; .*{reason}"):
        find_run("a", None, None)
    (tmp_path / "config").write_text("")
    with pytest.raises(UnknownReferenceError, match=r"^no run 'a' .*; textgen list shows all runs$"):
        find_run("a", None, None)


def test_nothing_is_printed_before_the_line(connect_with: Connect, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        connect_with(plugin("exit 3"))
    done = subprocess.run(
        [sys.executable, "-m", "argo", "list", "-n", "base"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr
        == "textgen: kubeconfig: user u has no credentials from its plugin 'sh': process returned 3\n"
    )
