"""The commands of the command line, on a real cluster: what they print, and how they exit."""

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argo.cluster.connection import connect
from argo.cluster.secrets import Scope, change_secret
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, kubectl, shared_namespace

pytestmark = pytest.mark.cluster

CLUSTER = "scale: 1/16\n"
GATED = """
inputs:
  word: {type: string, with: {value: hello}}
jobs:
  first_one:
    uses: script@v1
    inputs: {word: workflow.inputs.word}
    outputs: {result: {type: dataset, with: {ref: DATASET}}}
    with:
      image: debian:12
      script: |
        for i in 1 2 3 4 5 6 7 8; do echo "$(cat /inputs/word) $i"; sleep 0.3; done
        echo done > /outputs/result/file
  second:
    uses: script@v1
    needs: [first_one]
    env: {GATE: secret:GATE}
    with:
      image: debian:12
      script: |
        echo the gate is "$GATE"
        [ "$GATE" = open ] || exit 7
"""
HELD = GATED.replace("echo done", "until [ -e /tmp/go ]; do sleep 0.1; done; echo done")
WAITING = """
jobs:
  waits:
    uses: script@v1
    with:
      image: nowhere.invalid/there-is-no-such-image:1
      script: echo never
"""


@pytest.fixture(scope="module")
def textgen(baseline: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Command:
    folder = tmp_path_factory.mktemp("commands")
    (folder / ".textgen").mkdir()
    (folder / "cluster.yaml").write_text(CLUSTER)
    (folder / "gated.yaml").write_text(GATED.replace("DATASET", "gated"))
    (folder / "held.yaml").write_text(HELD.replace("DATASET", "held"))
    (folder / "waiting.yaml").write_text(WAITING)
    return Command(folder, baseline)


@pytest.fixture(scope="module")
def gated(textgen: Command) -> Iterator[tuple[str, str]]:
    """A run that failed at the gate: its name, and what watching it printed."""
    textgen("secret", "set", "GATE", text="closed\n")
    submitted = textgen("submit", "gated.yaml", "--cluster", "cluster.yaml", "-p", "word=bye", status=1)
    match = re.search(r"submitted (\S+) to", submitted)
    assert match
    yield match[1], submitted


def test_a_failed_run_says_why_and_exits_with_1(gated: tuple[str, str]) -> None:
    name, shown = gated
    assert re.search(r"first_one +Succeeded", shown)
    assert "second: main: Error (exit code 7)" in shown
    assert "  | the gate is closed" in shown
    assert "first_one made gated:" in shown
    assert f"textgen retry {name}" in shown


def test_logs_are_merged_once_and_in_order(textgen: Command, gated: tuple[str, str]) -> None:
    lines = [f"first_one | bye {number}" for number in range(1, 9)]
    for follow in ([], ["-f"]):
        printed = textgen("logs", gated[0], *follow).splitlines()
        assert [line for line in printed if "bye" in line] == lines
        assert "second | the gate is closed" in printed
    assert textgen("logs", gated[0], "second").splitlines()[0] == "the gate is closed"
    assert "it has first_one, second" in textgen("logs", gated[0], "third", status=2)


def test_get_and_list_show_runs_of_the_cluster(textgen: Command, gated: tuple[str, str]) -> None:
    name = gated[0]
    record = json.loads(textgen("get", name, "-o", "json"))
    assert record["phase"] == "Failed"
    assert record["parameters"] == {"word": "bye"}
    assert record["jobs"]["first_one"]["outputs"]["result"].startswith("gated:")
    assert "result=gated:" in textgen("get", name)
    head, *rows = textgen("list").splitlines()
    assert head.split()[-1] == "RUNTIME"
    assert [row.split()[-1] for row in rows if name in row] == [f"argo:{textgen.namespace.name}"]
    assert "no run 'nothing'" in textgen("get", "nothing", status=2)


def test_a_retry_continues_the_same_run(textgen: Command, gated: tuple[str, str]) -> None:
    name = gated[0]
    before = json.loads(textgen("get", name, "-o", "json"))["jobs"]["first_one"]
    textgen("secret", "set", "GATE", text="open\n")
    shown = textgen("retry", name)
    assert f"retrying second of {name}" in shown
    after = json.loads(textgen("get", name, "-o", "json"))
    assert after["phase"] == "Succeeded"
    assert after["jobs"]["first_one"] == before
    assert textgen("logs", name, "second") == "the gate is open\n"
    assert "only a run that has failed" in textgen("retry", name, status=2)

    # the pods may go: the log is stored with the run
    kubectl("-n", textgen.namespace.name, "delete", "pods", "-l", f"workflows.argoproj.io/workflow={name}")
    stored = textgen("logs", name).splitlines()
    assert [line for line in stored if "bye" in line] == [f"first_one | bye {n}" for n in range(1, 9)]
    assert textgen("logs", name, "second") == "the gate is open\n"


def test_logs_are_followed_and_ctrl_c_does_not_stop_the_run(textgen: Command) -> None:
    textgen("secret", "set", "GATE", text="open\n")
    name = textgen("submit", "held.yaml", "--cluster", "cluster.yaml", "--detach", "-o", "name").strip()
    with textgen.started("watch", name) as watching, textgen.started("logs", name, "-f") as following:
        assert watching.stdout and following.stdout
        assert name in next(watching.stdout)
        lines = []
        for line in following.stdout:
            lines.append(line)
            if line == "first_one | hello 8\n":
                assert not textgen.namespace.get(name)["status"].get("finishedAt")
                watching.send_signal(signal.SIGINT)
                assert f"{name} is still running" in watching.communicate(timeout=120)[0]
                assert watching.returncode == 130
                (pod,) = textgen.namespace.pods(name, "first_one")
                main = ("exec", pod["metadata"]["name"], "-c", "main", "--")
                kubectl("-n", textgen.namespace.name, *main, "touch", "/tmp/go")
    assert [line for line in lines if "hello" in line] == [f"first_one | hello {n}\n" for n in range(1, 9)]
    assert "second | the gate is open\n" in lines
    assert textgen.namespace.ended(name)["status"]["phase"] == "Succeeded"


def test_a_run_that_can_not_start_says_why_and_can_be_stopped(textgen: Command) -> None:
    with textgen.started("submit", "waiting.yaml", "--cluster", "cluster.yaml") as submitting:
        assert submitting.stdout
        lines = iter(submitting.stdout)
        match = re.search(r"submitted (\S+) to", next(lines))
        assert match
        reason = next(line for line in lines if "ImagePull" in line)
        assert "image nowhere.invalid/there-is-no-such-image:1" in reason
        assert f"stopping {match[1]}" in textgen("stop", match[1])
        assert "Failed" in "".join(lines)
    assert submitting.wait(120) == 1
    assert "has ended already" in textgen("stop", match[1], status=2)


def test_all_problems_are_printed_together_before_a_run_is_created(textgen: Command) -> None:
    (textgen.folder / "wrong.yaml").write_text("""
jobs:
  wrong:
    uses: script@v1
    resources: {instance-type: A100}
    env: {TOKEN: secret:GATES}
    inputs:
      data: {type: dataset, with: {ref: not-there}}
    with: {image: 'debian:12', script: echo}
""")
    before = kubectl("-n", textgen.namespace.name, "get", "workflows", "-o", "name")
    said = textgen("submit", "wrong.yaml", status=2)
    assert "wrong.yaml:3: job 'wrong' uses secret:GATES, which is not set" in said
    assert "job 'wrong' reads not-there:latest: no dataset 'not-there'" in said
    assert "warning: job 'wrong' asks for" in said
    assert "nvidia.com/gpu.present=true" in said
    assert kubectl("-n", textgen.namespace.name, "get", "workflows", "-o", "name") == before


def test_no_secret_is_lost_when_many_are_set_at_once(textgen: Command) -> None:
    names = [f"AT_ONCE_{number}" for number in range(12)]
    apis = [connect(None, textgen.namespace.name) for _ in range(6)]
    with ThreadPoolExecutor(len(apis)) as pool:
        list(pool.map(lambda name, api: change_secret(api, Scope.PROJECT, name, b"x"), names, apis * 2))
    held = kubectl("-n", textgen.namespace.name, "get", "secret", "textgen-secrets", "-o", "json")
    assert set(names) <= json.loads(held)["data"].keys()


def test_project_secrets_win_and_no_value_is_printed(
    textgen: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with shared_namespace(tmp_path_factory.getbasetemp()) as shared:
        kubectl("create", "namespace", shared)
        for scope in ("team", "project", "cluster"):
            printed = textgen("secret", "set", "LAYERED", "--scope", scope, text=f"value of {scope}")
            assert "value of" not in printed
        assert merged(textgen, "LAYERED") == "value of project"
        rows = [line.split() for line in textgen("secret", "list").splitlines() if "LAYERED" in line]
        assert rows == [
            ["LAYERED", "project", "yes"],
            ["LAYERED", "team", "no"],
            ["LAYERED", "cluster", "no"],
        ]
        textgen("secret", "delete", "LAYERED")
        assert merged(textgen, "LAYERED") == "value of cluster"
        textgen("secret", "delete", "LAYERED", "--scope", "cluster")
        assert merged(textgen, "LAYERED") == "value of team"
        textgen("secret", "delete", "LAYERED", "--scope", "team")
        assert merged(textgen, "LAYERED") is None
        assert "no project secret 'LAYERED'" in textgen("secret", "delete", "LAYERED", status=2)


def merged(textgen: Command, name: str) -> str | None:
    import base64

    words = ("-n", textgen.namespace.name, "get", "secret", "textgen-secrets", "-o", "json")
    value = json.loads(kubectl(*words)).get("data", {}).get(name)
    return base64.b64decode(value).decode() if value else None


@pytest.fixture(scope="module")
def reader(baseline: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of somebody who may read the namespace, and no more."""
    words = ("-n", baseline.name)
    kubectl(*words, "create", "serviceaccount", "reader")
    kubectl(
        *words,
        "create",
        "rolebinding",
        "reader",
        "--clusterrole=view",
        f"--serviceaccount={baseline.name}:reader",
    )
    token = kubectl(*words, "create", "token", "reader").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": "reader", "user": {"token": token}}]
    for each in config["contexts"]:
        each["context"] |= {"user": "reader", "namespace": baseline.name}
    file = tmp_path_factory.mktemp("reader") / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


def test_a_missing_right_to_submit_is_reported(
    textgen: Command, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(reader))
    said = textgen("submit", "gated.yaml", "--cluster", "cluster.yaml", status=2)
    assert "you may not create" in said
    assert "workflows.argoproj.io" in said


def test_a_cluster_that_does_not_answer_is_one_line(
    textgen: Command, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(reader.read_text())
    for each in config["clusters"]:
        each["cluster"]["server"] = "https://127.0.0.1:1"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(file))
    said = textgen("get", "anything", status=1)
    assert said.startswith("textgen: the cluster at https://127.0.0.1:1 does not answer")
    assert said.count("\n") == 1
