"""Cluster and namespace are those that kubectl would take."""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from kubernetes.client import ApiClient, Configuration

from argo.cluster.api import Api, UnreachableError
from argo.cluster.connection import connect
from job.errors import InputError

Describe = Callable[..., str]


def config(name: str, namespace: str | None = None, *, current: bool = False) -> str:
    context = {"cluster": name, "user": name} | ({"namespace": namespace} if namespace else {})
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}}],
            "users": [{"name": name, "user": {"token": "t"}}],
            "contexts": [{"name": name, "context": context}],
            "current-context": name if current else "",
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "one").write_text(config("one", "team-a", current=True))
    (tmp_path / "two").write_text(config("two"))
    return [tmp_path / "one", tmp_path / "two"]


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Describe:
    def describe(files: list[Path], *arguments: str) -> str:
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
        api = connect(*arguments)
        return f"{api} {api.server}"

    return describe


def test_the_current_context_and_its_namespace(files: list[Path], describe: Describe) -> None:
    assert describe(files) == "one/team-a https://one"


def test_context_and_namespace_can_be_chosen(files: list[Path], describe: Describe) -> None:
    assert describe(files, "two") == "two/default https://two"
    assert describe(files, "two", "mine") == "two/mine https://two"


def test_the_first_file_that_names_a_current_context_wins(files: list[Path], describe: Describe) -> None:
    third = files[0].with_name("three")
    third.write_text(config("three", current=True))
    assert describe([files[1], files[0], third]) == "one/team-a https://one"
    with pytest.raises(InputError, match="no current context: give --context"):
        describe([files[1]])


def test_an_unknown_context_and_a_missing_kubeconfig_are_errors(
    files: list[Path], describe: Describe
) -> None:
    with pytest.raises(InputError, match="too: no such context; did you mean 'two'"):
        describe(files, "too")
    with pytest.raises(InputError, match=r"no cluster to connect to: nothing in .*none; set KUBECONFIG"):
        describe([files[0].with_name("none")])


@pytest.mark.parametrize("text", ["a: [", "- a", "text", "contexts: [{}]", "contexts: 1", "clusters: x"])
def test_a_file_that_is_no_kubeconfig_is_an_error(files: list[Path], describe: Describe, text: str) -> None:
    files[0].write_text(text)
    with pytest.raises(InputError, match=rf"^(kubeconfig {files[0]}(:1)?|no current context): .*[\w'`]$"):
        describe([files[0]])


def test_a_cluster_that_does_not_answer_is_named_with_the_reason() -> None:
    configuration = Configuration(host="http://127.0.0.1:1")
    configuration.retries = False
    api = Api(ApiClient(configuration), "dead", "texts")
    with pytest.raises(UnreachableError) as caught:
        api.delete("/api")
    assert str(caught.value).endswith(
        "does not answer: Failed to establish a new connection: Connection refused"
    )


class LoginPage(BaseHTTPRequestHandler):
    """What a proxy that wants a login answers, with status 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_login_page_of_a_proxy_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), LoginPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        text = config("proxy", current=True).replace(
            "https://proxy", f"http://127.0.0.1:{server.server_port}"
        )
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        with pytest.raises(UnreachableError, match="is a proxy in between"):
            connect().get("/version")
        server.shutdown()
