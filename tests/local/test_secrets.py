"""`secret:NAME`: the sources of values, and that no log shows them."""

from pathlib import Path

import pytest

from argo.local.secrets import Secrets
from job.errors import InputError
from tests.local.conftest import Repository, script, workflow
from tests.local.test_code_version import CLONE

USE = workflow(
    job=script(
        'echo "$TOKEN"; echo "$TOKEN" > /outputs/d/x',
        env="{TOKEN: 'secret:my-token'}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    )
)
FILE = ".gradient/workflows/work.yaml"
LOOK = workflow(
    clone=CLONE,
    look=script(
        "cd /inputs/repo && find . > /outputs/d/files",
        needs="[clone]",
        env="{TOKEN: 'secret:my-token'}",
        inputs="{repo: clone.outputs.repo}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    ),
)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("my-token=abc def", "abc def"),
        ("  export my-token = 'abcd' ", "abcd"),
        ("\ufeffmy-token=abcd", "abcd"),
        ('my-token="a\\tb #c ${HOME}"', "a\\tb #c ${HOME}"),
        ("my-token=abcd\u2028efgh\x0c\x85i\r\nB=1", "abcd\u2028efgh\x0c\x85i"),
        ('# a comment\n\nmy-token="#a=b"', "#a=b"),
    ],
)
def test_a_secret_from_a_file_reaches_the_job_and_not_the_log(
    repository: Repository, tmp_path: Path, line: str, value: str
) -> None:
    file = tmp_path / "secrets"
    file.write_text(line, "utf-8")
    outcome = repository.run(USE, secrets=file)
    assert repository.files("d") == {"x": f"{value}\n"}
    assert outcome.log("job") == "***\n"
    assert value not in (outcome.folder / "run.json").read_text()
    assert value not in str(repository.manifest("d").lineage)


def test_a_secret_comes_from_a_variable_that_the_user_names(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("my-token", "line one\nline two")
    assert repository.run(USE, env=["my-token"]).log("job") == "***\n***\n"


CHECKOUT = """\
outputs: {repo: {type: volume}}
uses: git-checkout@v1
with: {url: "https://host.invalid/repo", username: me, password: "secret:my-token"}
"""
DOWNLOAD = """\
outputs: {data: {type: volume}}
uses: s3-download@v1
with: {url: "s3://bucket", access-key: "secret:my-token", secret-access-key: "secret:my-token"}
"""


@pytest.mark.parametrize("text", [USE, workflow(job=CHECKOUT), workflow(job=DOWNLOAD)])
def test_a_file_chooses_no_variable_of_the_user(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("my-token", "hush hush")
    monkeypatch.setenv("OTHER", "other")
    with pytest.raises(
        InputError, match=r"secret:my-token, which is not set; .* --secrets, .* --env my-token$"
    ):
        repository.run(text, env=["OTHER"])
    assert not (repository.root / ".textgen/runs").exists()


@pytest.mark.parametrize(
    ("value", "line", "shown"),
    [
        ("hush", "a hush b", "a *** b"),
        ("hush hush", "hush and hush hush", "hush and ***"),
        ('{\n  "key": "hush hush"\n}', '{ "key": "hush hush" }', '{ "key": "hush hush" }'),
        ('{\n  "key": "hush hush"\n}', '{   "key": "hush hush" }', "{ *** }"),
        ("long long\r\nx\r\n", "x long long x", "x *** x"),
    ],
)
def test_whole_values_and_long_lines_are_masked(value: str, line: str, shown: str) -> None:
    assert Secrets({"s": value}).mask(line) == shown


@pytest.mark.parametrize("value", ["x", " ", "", "  \t  ", "{\n}", "abc"])
def test_a_secret_that_is_too_short_masks_nothing_and_the_log_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("my-token", value)
    said, *printed = repository.run(USE, env=["my-token"]).log("job").splitlines()
    assert said == "textgen: secret:my-token is shorter than 4 characters: logs show it as it is"
    assert printed == f"{value}\n".splitlines()


@pytest.mark.parametrize("ignored", [True, False])
def test_the_secrets_of_a_file_in_the_repository_do_not_get_into_a_checkout(
    repository: Repository, ignored: bool
) -> None:
    file = repository.write("deep/my.secrets", "my-token=hush hush")
    repository.write(".gitignore", "*.secrets\n" if ignored else "")
    repository.write(FILE, LOOK)
    repository.commit() if ignored else None
    done = repository.textgen("run", FILE, "--secrets", "deep/my.secrets")
    assert done.returncode == 0, done.stderr
    warning = f"{file}: git would commit these secrets; move the file out of the repository, or add it to"
    assert (warning in done.stderr) is not ignored
    files = repository.files("d")["files"].split()
    assert "./.gitignore" in files
    assert "./deep/my.secrets" not in files
    assert ("2 files changed" in done.stdout) is not ignored


def test_a_missing_secret_is_reported_before_the_run_with_its_line(repository: Repository) -> None:
    with pytest.raises(InputError, match=r"work.yaml:3: job 'job' uses secret:my-token, which is not set"):
        repository.run(USE)
    assert not (repository.root / ".textgen/runs").exists()


def test_a_line_that_is_none_is_named_but_not_shown(repository: Repository, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("A=1\nhush")
    with pytest.raises(InputError, match=r"secrets:2: not a line") as raised:
        repository.run(USE, secrets=file)
    assert "hush" not in str(raised.value)
