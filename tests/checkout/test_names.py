"""What can be a URL, a ref or a commit: the same to `textgen lint` and to the job."""

import subprocess
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from argo.language.actions import git_checkout
from argo.language.field import Field
from job.checkout.checkout import checkout
from job.checkout.git import is_commit, is_ref, is_url, url_and_env
from job.errors import CheckoutError, InputError

URLS = (
    "https://git.example/a/b.git",
    "HTTPS://git.example/a",
    "https://[::1]:8443/a",
    "http://git.example/a",
    "ssh://git@git.example/a",
    "git://git.example/a",
    "file:///srv/a",
    "git@git.example:a/b.git",
    "work:a/b.git",
    "git.example:b",
    "/srv/a b",
    "./a",
    "../a",
)
NO_URLS = (
    "",
    "a",
    "~/a",
    "ftp://git.example/a",
    "https:///a",
    "https://[git.example/a",
    "https://git.example/a b",
    "https://git.example/a\n",
    "https:git.example/a",
    "file://",
    "ext::sh -c touch% /tmp/x",
    "ext::https://git.example/a",
    "git@ext::sh",
    "--upload-pack=x",
    "-oProxyCommand=x@host:path",
    "ssh://-oProxyCommand=x/a",
    "ssh://me@-oProxyCommand=x/a",
    "git@git.example:-a",
    "secret:NAME",
    "C:/a",
    f"/{'a' * 2048}",
)
REFS = ("main", "v1.2", "team/branch", "refs/heads/a", "0123456", "é", "a@b+c=d", "@")
NO_REFS = (
    *("-b", "--upload-pack=x", "+x", "+main:main", "/a", ".a", "a/", "a.", "a..b", "a//b", "a/.b"),
    *("a.lock", "a.lock/b", "@{-1}", "a b", "a\nb", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b"),
    *("a\x7f", "a\u200b", "a" * 256),
)
PIECES = st.sampled_from(
    [*"a-+./:@~ [\n\\", "//", "..", ".lock", "@{", "::", "://", "https", "ssh", "file", "host", "é", "\u200b"]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)


class Reports:
    """A field of a workflow file that notes what is reported of it."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def report(self, code: str, *_: str) -> None:
        self.codes.append(code)


def lint_takes_url(text: str) -> bool:
    reports = Reports()
    git_checkout.check_url(cast(Field, reports), text)
    return "bad-url" not in reports.codes


def lint_takes_ref(text: str) -> bool:
    reports = Reports()
    git_checkout.check_ref(cast(Field, reports), text)
    return "bad-ref" not in reports.codes


def job_takes_url(text: str) -> bool:
    try:
        url_and_env(text, {})
    except InputError:
        return False
    return True


def job_takes_ref(text: str) -> bool:
    try:
        checkout("/srv/a", text, Path(__file__).parent, {})  # a folder that is not empty
    except InputError:
        return False
    except CheckoutError:
        return True
    raise AssertionError("checked out")


@pytest.mark.parametrize(
    ("text", "good"), [*((url, True) for url in URLS), *((url, False) for url in NO_URLS)]
)
def test_a_url_is_taken_by_lint_and_by_the_job_or_by_none(text: str, good: bool) -> None:
    assert (is_url(text), lint_takes_url(text), job_takes_url(text)) == (good, good, good)


@pytest.mark.parametrize(
    ("text", "good"), [*((ref, True) for ref in REFS), *((ref, False) for ref in NO_REFS)]
)
def test_a_ref_is_taken_by_lint_and_by_the_job_or_by_none(text: str, good: bool) -> None:
    assert (is_ref(text), lint_takes_ref(text), job_takes_ref(text)) == (good, good, good)


@given(TEXTS)
@example("git@host:" + "é" * 9)
def test_lint_and_the_job_agree_on_any_url(text: str) -> None:
    assert lint_takes_url(text) == job_takes_url(text)


@given(TEXTS.filter(bool))
def test_lint_and_the_job_agree_on_any_ref(text: str) -> None:
    assert lint_takes_ref(text) == job_takes_ref(text)


@settings(max_examples=50)
@given(TEXTS.filter(is_ref))
def test_git_takes_any_ref_as_a_name(text: str) -> None:
    subprocess.run(["git", "check-ref-format", f"refs/heads/{text}"], check=True)


@pytest.mark.parametrize(
    ("text", "good"),
    [("0123456789" * 4, True), ("ab" * 32, True), ("a" * 39, False), ("a" * 41, False), ("A" * 40, False)],
)
def test_a_commit_is_a_whole_one_of_sha1_or_sha256(text: str, good: bool) -> None:
    assert is_commit(text) == good
