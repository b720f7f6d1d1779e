"""Who gets an answer: a browser of this machine that was given the token, and only to read."""

import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.view.site import Site

Answer = tuple[int, Mapping[str, str], str]


def ask(site: Site, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    """The answer to a request with the cookie."""
    host = site.url.removeprefix("http://")
    port = host.rpartition(":")[2]
    values = {"Host": host, "Cookie": f"textgen-{port}={site.token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, value in values.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answer


def test_whoever_has_the_cookie_gets_pages(site: Site) -> None:
    status, headers, body = ask(site)
    assert status == 200
    assert "<h1>Runs</h1>" in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/datasets", "/nowhere", "/logs/succeeded/check"])
@pytest.mark.parametrize("cookie", ["", "textgen-1=x", "wrong"])
def test_nobody_else_does(site: Site, path: str, cookie: str) -> None:
    status, _, body = ask(site, path, Cookie=cookie)
    assert (status, body) == (403, "open the URL that textgen view has printed: it has the token\n")
    port = site.url.rpartition(":")[2]
    assert ask(site, path, Cookie=f"textgen-{port}={site.token[:-1]}")[0] == 403


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(site: Site) -> None:
    status, headers, body = ask(site, f"/datasets?q=a%26b&token={site.token}", Cookie="")
    assert status == 200
    assert "url=/datasets?q=a%26b" in body
    assert site.token not in body
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ask(site, "/?token=wrong", Cookie="")[0] == 403


def test_the_url_that_a_browser_is_started_with_works_once(project: Site, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    os.mkfifo(opened)
    program = tmp_path / "bin/xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    program.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-m", "argo", "view"],
        cwd=project.root,
        env={
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "DISPLAY": ":0",
            "KUBECONFIG": "/dev/null",
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            project.url, _, project.token = server.stdout.readline().strip().partition("/?token=")
            path = opened.read_text().removeprefix(project.url)
            assert path.startswith("/?token=")
            assert project.token not in path
            assert project.token in ask(project, path, Cookie="")[1]["set-cookie"]
            assert ask(project, path, Cookie="")[0] == 403
        finally:
            server.terminate()


def test_a_path_never_leads_to_another_host(site: Site) -> None:
    body = ask(site, f"//example.org/%22%3e?token={site.token}", Cookie="")[2]
    assert "url=/example.org/" in body
    assert 'href="/example.org/%22%3e"' in body


@pytest.mark.parametrize("host", ["example.org", "example.org:80", "127.0.0.1", "localhost:1", ""])
def test_another_name_of_this_machine_is_refused(site: Site, host: str) -> None:
    assert ask(site, Host=host)[0] == 421


def test_localhost_is_this_machine(site: Site) -> None:
    assert ask(site, Host=f"localhost:{site.url.rpartition(':')[2]}")[0] == 200


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
def test_other_sites_are_refused(site: Site, origin: str) -> None:
    assert ask(site, Origin=origin)[0] == 403
    assert ask(site, Origin=site.url)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_allowed(site: Site, method: str) -> None:
    status, headers, _ = ask(site, method=method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/static/../access.py", "/static/%2e%2e/access.py", "/static/style.css/"])
def test_no_other_file_of_this_machine_is_sent(site: Site, path: str) -> None:
    status, _, body = ask(site, path)
    assert status == 404
    assert "Access" not in body
