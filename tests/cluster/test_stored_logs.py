"""A job's log is in the store, whole, when its pod is gone: however the job ended."""

import json
import re

import pytest

from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, kubectl

pytestmark = pytest.mark.cluster

# Of the kubelet's log of it, 10 MiB are in its first file, which is gone soon: so it is printed in parts.
LINES, PARTS = 300_000, 6
EACH = LINES // PARTS
LONG = f"for part in $(seq {PARTS}); do seq $((part * {EACH} - {EACH - 1})) $((part * {EACH})); sleep 2; done"
WORKFLOW = f"""
jobs:
  succeeds:
    uses: script@v1
    outputs: {{data: {{type: dataset, with: {{ref: stored-logs}}}}}}
    with: {{image: 'debian:12', script: '{LONG}; echo text > /outputs/data/file; printf end'}}
  prints:
    uses: script@v1
    with: {{image: 'debian:12', script: 'echo without outputs'}}
  fails:
    uses: script@v1
    outputs: {{text: {{type: string}}}}
    with: {{image: 'debian:12', script: 'echo before it failed; printf last >&2; exit 3'}}
  hungry:
    uses: script@v1
    with: {{image: 'debian:12', script: 'echo before it was killed; head -c 1G /dev/zero | tail -c 1G'}}
"""


@pytest.fixture(scope="module")
def ended(restricted: Namespace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Command, str]:
    """A run that has ended, and whose pods are deleted."""
    folder = tmp_path_factory.mktemp("stored-logs")
    (folder / ".textgen").mkdir()
    (folder / "cluster.yaml").write_text("scale: 1/16\nsecurity: restricted\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    textgen = Command(folder, restricted)
    printed = textgen("submit", "workflow.yaml", "--cluster", "cluster.yaml", status=1)
    found = re.search(r"submitted (\S+) to", printed)
    assert found
    labels = f"workflows.argoproj.io/workflow={found[1]}"
    kubectl("-n", restricted.name, "delete", "pods", "-l", labels)
    return textgen, found[1]


def test_a_long_log_of_a_job_that_succeeded_is_whole(ended: tuple[Command, str]) -> None:
    textgen, run = ended
    lines = textgen("logs", run, "succeeds").splitlines()
    assert [line for line in lines if line.isdecimal()] == [str(number + 1) for number in range(LINES)]
    assert "end" in lines
    assert re.fullmatch(r"committed stored-logs:\w+", lines[-1])


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ("prints", "without outputs"),
        ("fails", "before it failed"),
        ("hungry", "before it was killed"),
    ],
)
def test_a_job_without_outputs_and_one_that_failed_have_a_log(
    job: str, line: str, ended: tuple[Command, str]
) -> None:
    textgen, run = ended
    assert textgen("logs", run, job).splitlines()[0] == line


def test_the_last_line_of_a_job_that_failed_needs_no_end(ended: tuple[Command, str]) -> None:
    """Argo's executor prints its own line directly after it."""
    textgen, run = ended
    assert textgen("logs", run, "fails").splitlines() == ["before it failed", "last"]


def test_argo_archives_nothing(ended: tuple[Command, str], restricted: Namespace) -> None:
    assert "main-logs" not in json.dumps(restricted.get(ended[1]))


def test_without_the_stores_credentials_each_job_says_where_its_log_is(
    ended: tuple[Command, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    textgen, run = ended
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    (line,) = textgen("logs", run, "prints").splitlines()
    assert line.startswith(f"textgen: the pod is gone, and its log in the store {textgen.namespace.store}")
    assert "forward a port and set AWS_ENDPOINT_URL_S3" in line


def test_of_a_run_that_is_retried_the_last_attempt_is_shown(
    ended: tuple[Command, str], restricted: Namespace
) -> None:
    textgen, run = ended
    textgen("retry", run, status=1)
    kubectl("-n", restricted.name, "delete", "pods", "-l", f"workflows.argoproj.io/workflow={run}")
    assert textgen("logs", run, "fails").count("before it failed") == 1
    assert textgen("logs", run, "prints") == "without outputs\n"
