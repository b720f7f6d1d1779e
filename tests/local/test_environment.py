"""Which of this machine's variables a job gets."""

import json
import os
import re
from pathlib import Path

import pytest

from argo.local.environment import ON_THIS_MACHINE, choose_environment
from argo.local.host import Host
from argo.local.runtime import Runtime
from argo.local.sandbox import Sandbox
from argo.local.secrets import Secrets
from tests.local.conftest import Repository, script, workflow

PASSWORDS = {
    "HTTPS_PROXY": "http://me:hush@proxy.invalid:1",
    "http_proxy": "hush:x@proxy.invalid:1",
    "PIP_PROXY": "hush:x@proxy.invalid:1",
    "PIP_INDEX_URL": "https://hush@index.invalid/simple",
    "PIP_EXTRA_INDEX_URL": "https://index.invalid https://__token__:hush@other.invalid",
    "UV_INDEX": "mine=https://me:hush@index.invalid",
    "UV_INDEX_MINE_PASSWORD": "hush",
    "UV_PUBLISH_TOKEN": "hush",
    "HF_ENDPOINT": "https://me:hush@hub.invalid",
    "HF_TOKEN": "hush",
}
UNLISTED = {"AWS_SECRET_ACCESS_KEY": "hush", "GITHUB_TOKEN": "hush", "LD_PRELOAD": "", "PIPX_HOME": "hush"}
LISTED = {
    "no_proxy": "a.invalid,b.invalid",
    "ALL_PROXY": "socks5://proxy.invalid:1",
    "HF_ENDPOINT": "https://hub.invalid",
    "HF_HUB_OFFLINE": "1",
    "PROJECT_ID": "p",
    "CUDA_VISIBLE_DEVICES": "0",
    "OMP_NUM_THREADS": "1",
}
MACHINES = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "SSL_CERT_FILE": "/c",
    "SSL_CERT_DIR": "/c",
    "REQUESTS_CA_BUNDLE": "/c",
    "CURL_CA_BUNDLE": "/c",
    "GIT_SSL_CAINFO": "/c",
    "PIP_INDEX_URL": "https://index.invalid/simple",
    "PIP_CACHE_DIR": "/home/me@work/cache",
    "UV_INDEX": "mine=https://index.invalid",
    "UV_CACHE_DIR": "/c",
}
SHOW = workflow(job=script("env", env="{MINE: 'a b'}"))


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if re.fullmatch(ON_THIS_MACHINE, name):
            monkeypatch.delenv(name)
    for name, value in {**UNLISTED, **LISTED, **MACHINES}.items():
        monkeypatch.setenv(name, value)


def variables(log: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in log.splitlines() if "=" in line)


@pytest.mark.usefixtures("set_variables")
def test_a_sandboxed_job_gets_what_is_listed_and_nothing_private(repository: Repository) -> None:
    outcome = repository.run(SHOW)
    got = variables(outcome.log("job"))
    own = {"HOME": "/root", "USER": "root", "MINE": "a b", "HF_HOME": "/run/textgen/cache/huggingface"}
    assert {**LISTED, **MACHINES, **own}.items() <= got.items()
    assert got.keys() - {*LISTED, *MACHINES, *own} <= {"PATH", "PWD", "SHLVL", "_"}


@pytest.mark.usefixtures("set_variables")
def test_a_job_on_the_host_gets_the_users_home_and_caches_too(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    got = variables(repository.run(SHOW, runtime=Host(tmp_path / "root")).log("job"))
    assert {**LISTED, **MACHINES, "MINE": "a b", "HF_HOME": str(tmp_path / "home")}.items() <= got.items()
    assert got["HOME"] == os.environ["HOME"]
    assert not got.keys() & UNLISTED.keys()


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("runtime", [Sandbox(), Host()], ids=["sandbox", "host"])
def test_what_holds_a_password_is_withheld_and_named(runtime: Runtime, name: str) -> None:
    environ = {name: PASSWORDS[name], "TZ": "UTC"}
    withheld = choose_environment(environ, runtime.inherited, (), Secrets({}))
    assert (withheld.variables, withheld.withheld) == ({"TZ": "UTC"}, (name,))
    if name != "HF_TOKEN":
        given = choose_environment(environ, runtime.inherited, (name,), Secrets({}))
        assert (given.variables, given.withheld) == (environ, ())


def test_an_image_gets_no_path_and_no_index_of_this_machine(
    repository: Repository, calls: Path, set_variables: None
) -> None:
    done = repository.textgen(
        "run", "--runtime=docker", "--env=GITHUB_TOKEN", str(repository.write("f", SHOW))
    )
    assert (done.returncode, done.stderr) == (0, "")
    words, environ = json.loads(calls.read_text())
    got = [words[index + 1] for index, word in enumerate(words) if word == "--env"]
    assert {"MINE=a b", "GITHUB_TOKEN", *(f"{name}={value}" for name, value in LISTED.items())} <= set(got)
    assert not {word.partition("=")[0] for word in got} & MACHINES.keys()
    assert environ["GITHUB_TOKEN"] == UNLISTED["GITHUB_TOKEN"]  # by its name only
    assert "hush" not in str(words)


def test_a_variable_with_a_password_is_said_once_without_its_value(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = PASSWORDS["HTTPS_PROXY"]
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("HF_TOKEN", "the-token")
    file = str(repository.write("f", workflow(a=script("env"), b=script("env"))))
    done = repository.textgen("run", file)
    assert done.stderr == (
        "jobs don't get HF_TOKEN, HTTPS_PROXY, which may hold a password; "
        "add --env NAME for each that they need\n"
    )
    assert "hush" not in done.stdout
    assert repository.textgen("run", "-q", file).stderr == ""
    done = repository.textgen("run", file, "--env", "HF_TOKEN", "--env", "HTTPS_PROXY")
    assert done.stderr == ""
    assert done.stdout.count(f"HTTPS_PROXY={proxy}") == done.stdout.count("HF_TOKEN=***") == 2


@pytest.mark.parametrize("source", ["secrets", "env"])
def test_the_hubs_token_reaches_every_job_from_the_secrets_or_by_its_name(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    (tmp_path / "secrets").write_text("HF_TOKEN=from-secrets\n")
    monkeypatch.setenv("HF_TOKEN", "from-env")
    file = str(repository.write("f", workflow(job=script('echo "$HF_TOKEN ${#HF_TOKEN}"'))))
    words = ["--secrets", str(tmp_path / "secrets")] if source == "secrets" else ["--env", "HF_TOKEN"]
    done = repository.textgen("run", file, *words)
    assert done.stderr == ""
    assert f"*** {len(f'from-{source}')}" in done.stdout


def test_what_the_file_sets_wins_over_the_command_line(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "of this machine")
    file = str(repository.write("f", SHOW))
    assert "MINE=a b" in repository.textgen("run", "--env=MINE", file).stdout


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("NOT_SET", "--env NOT_SET: not set in the environment"),
        ("A=hush", "--env A=...: write --env A, with the value in the environment"),
    ],
)
def test_a_name_that_can_t_be_given_is_refused_before_the_run(
    repository: Repository, word: str, message: str
) -> None:
    done = repository.textgen("run", "--env", word, str(repository.write("f", SHOW)))
    assert (done.returncode, done.stderr) == (2, f"textgen: {message}\n")
    assert not (repository.root / ".textgen/runs").exists()
