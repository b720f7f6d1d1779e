"""What a poll runs of a repository's branches, with real git."""

import json
import re
from pathlib import Path

import pytest

from argo.cluster.api import ApiError
from job.datasets import Datasets
from tests.trigger.conftest import FOLDER, Remote, World, workflow

FILE = f"{FOLDER}/a.yaml"


def ran(world: World) -> list[tuple[str, str, str]]:
    """Branch, commit and file of all that was started, in order."""
    pushes = []
    for name in world.cluster.started:
        annotations = world.cluster.objects[f"workflows/{name}"]["metadata"]["annotations"]
        push = json.loads(annotations["textgen/trigger"])
        assert annotations["textgen/branch"] == push["branch"]
        pushes.append((push["branch"], push["commit"], push["file"]))
    return pushes


def test_a_push_runs_the_files_that_name_its_branch_once(remote: Remote, world: World) -> None:
    commit = remote.push({"a.yaml": workflow(), "b.yml": workflow("[dev, main]"), "c.yaml": workflow("dev")})
    lines = world.poll(remote.url)
    assert [re.sub("-[a-z2-7]{12}", "-X", line) for line in lines] == [
        f"main {commit[:7]} {FILE}: submitted a-X to fake/texts",
        f"main {commit[:7]} {FOLDER}/b.yml: submitted b-X to fake/texts",
    ]
    assert world.poll(remote.url) == []
    assert ran(world) == [("main", commit, FILE), ("main", commit, f"{FOLDER}/b.yml")]


def test_the_run_has_the_pushs_url_and_commit_whatever_the_file_says(remote: Remote, world: World) -> None:
    event = "context: {event: {github: {url: https://old.example/x.git, ref: abc}}}\n"
    commit = remote.push({"a.yaml": event + workflow()})
    world.poll(remote.url)
    (created,) = world.cluster.list_kind("workflows")
    parameters = {each["name"]: each["value"] for each in created["spec"]["arguments"]["parameters"]}
    assert parameters == {"github-url": remote.url, "github-ref": commit}


def test_each_commits_own_files_decide(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow("main", "first")})
    world.poll(remote.url)
    remote.push({"a.yaml": workflow("other", "second")})
    assert world.poll(remote.url) == []
    remote.git("branch", "other")
    world.poll(remote.url)
    assert [branch for branch, _, _ in ran(world)] == ["main", "other"]


@pytest.mark.parametrize(("every", "runs"), [(False, 2), (True, 6)])
def test_of_several_commits_the_newest_runs_or_all_do_in_order(
    remote: Remote, world: World, every: bool, runs: int
) -> None:
    commits = [remote.push({"a.yaml": workflow()})]
    world.poll(remote.url, every_commit=every)
    commits += [remote.push() for _ in range(5)]
    world.poll(remote.url, every_commit=every)
    started = [commit for _, commit, _ in ran(world)]
    assert len(started) == runs
    assert started == [commit for commit in commits if commit in started]
    assert started[-1] == commits[-1]


def test_of_too_many_commits_the_newest_runs(
    remote: Remote, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argo.trigger.poll.MAX_COMMITS", 3)
    remote.push({"a.yaml": workflow()})
    world.poll(remote.url, every_commit=True)
    commits = [remote.push() for _ in range(4)]
    assert world.poll(remote.url, every_commit=True)[0] == (
        "main was rewritten, or has over 3 new commits: only the newest runs"
    )
    assert [commit for _, commit, _ in ran(world)][1:] == commits[-1:]


@pytest.mark.parametrize("every", [False, True])
def test_a_force_push_runs_the_new_commit_and_going_back_runs_nothing(
    remote: Remote, world: World, every: bool
) -> None:
    first = remote.push({"a.yaml": workflow()})
    remote.push()
    world.poll(remote.url, every_commit=every)
    remote.git("reset", "--quiet", "--hard", first)
    rewritten = remote.push({"b.txt": ""})
    world.poll(remote.url, every_commit=every)
    assert [commit for _, commit, _ in ran(world)][1:] == [rewritten]
    remote.git("reset", "--quiet", "--hard", "HEAD@{1}")
    world.poll(remote.url, every_commit=every)
    remote.git("reset", "--quiet", "--hard", rewritten)
    before = dict(world.cluster.started)
    world.poll(remote.url, every_commit=every)
    assert world.cluster.started == before


def test_a_commit_on_two_named_branches_runs_once(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow("[main, release]")})
    remote.git("branch", "release")
    world.poll(remote.url)
    assert len(world.cluster.started) == 1


def test_deleted_branches_and_tags_run_nothing(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow("[main, gone]")})
    remote.git("checkout", "--quiet", "-b", "gone")
    remote.push()
    remote.git("checkout", "--quiet", "main")
    world.poll(remote.url)
    remote.git("branch", "--quiet", "-D", "gone")
    remote.git("tag", "gone")
    remote.git("tag", "v1")
    before = dict(world.cluster.started)
    assert world.poll(remote.url) == []
    assert world.cluster.started == before


def test_a_tag_named_like_a_branch_does_not_stand_for_it(remote: Remote, world: World) -> None:
    first = remote.push({"a.yaml": workflow()})
    remote.git("tag", "main", first)
    second = remote.push()
    world.poll(remote.url)
    assert ran(world) == [("main", second, FILE)]


@pytest.mark.parametrize("branch", ["--upload-pack=pwned", "$(touch${IFS}pwned)", "a/b'c\"d", "ärger{{x}}"])
def test_a_branchs_name_is_data(branch: str, remote: Remote, world: World, tmp_path: Path) -> None:
    remote.push({"a.yaml": workflow(json.dumps(branch, ensure_ascii=False))})
    remote.git("update-ref", f"refs/heads/{branch}", "HEAD")
    world.poll(remote.url)
    assert [each for each, _, _ in ran(world)] == [branch]
    assert not list(tmp_path.rglob("pwned"))


def test_a_pushs_description_is_one_line_without_control_characters(remote: Remote, world: World) -> None:
    remote.push({"\x1b]0;title\x07\n.yaml": "jobs: ["})
    (line,) = world.poll(remote.url)
    (event,) = world.cluster.list_kind("events")
    assert line.isprintable()
    assert event["message"].isprintable()
    assert "\\x1b]0;title\\x07\\n.yaml" in event["message"]


def test_two_spellings_of_a_url_are_one_repository(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow()})
    world.poll(remote.url)
    world.poll(str(remote.work))
    world.poll(f"{remote.url}/")
    assert len(world.cluster.started) == 1


def test_an_emptied_namespace_runs_nothing_again(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow()})
    world.poll(remote.url)
    world.cluster.expire()
    for path in world.store.root.rglob("heads.json"):
        path.unlink()
    assert re.fullmatch(r"main \w{7} \S+: already has the run a-\w{12}", world.poll(remote.url)[0])
    assert not world.cluster.list_kind("workflows")


def test_records_are_neither_datasets_nor_garbage(remote: Remote, world: World) -> None:
    from datetime import timedelta

    from job.datasets.garbage import collect_garbage

    remote.push({"a.yaml": workflow()})
    world.poll(remote.url)
    before = sorted(world.store.root.rglob("*.json"))
    assert Datasets(world.store).datasets() == []
    assert list(collect_garbage(world.store, timedelta(0))) == []
    assert sorted(world.store.root.rglob("*.json")) == before


def test_a_file_that_cannot_run_is_reported_once_and_the_others_run(remote: Remote, world: World) -> None:
    bad = {"broken.yaml": "jobs: [", "huge.yaml": "#" * (1 << 20) + "\n" + workflow()}
    lacking = workflow().replace("script@v1", "script@v1, resources: {instance-type: NONE}")
    commit = remote.push({"a.yaml": workflow(), **bad, "lacking.yaml": lacking})
    lines = world.poll(remote.url)
    messages = {each["involvedObject"]["name"]: each["message"] for each in world.cluster.list_kind("events")}
    assert len(lines) == 4
    assert len(messages) == 3
    assert f"main {commit[:7]} {FOLDER}/broken.yaml: {FOLDER}/broken.yaml:1:" in "".join(messages.values())
    assert "instance type" in "".join(messages.values())
    assert len(world.cluster.started) == 1
    for path in world.store.root.rglob("heads.json"):
        path.unlink()
    world.cluster.objects.clear()  # Events are kept for an hour
    world.poll(remote.url)
    assert not world.cluster.list_kind("events")


@pytest.mark.parametrize("errors", [1, 500])
def test_a_broken_file_for_another_branch_is_ignored(errors: int, remote: Remote, world: World) -> None:
    jobs = "".join(f"  j{number}: {{uses: nothing}}\n" for number in range(errors))
    remote.push({"a.yaml": f"{workflow('main').partition('jobs:')[0]}jobs:\n{jobs}"})
    remote.git("checkout", "--quiet", "-b", "feature")
    remote.git("update-ref", "-d", "refs/heads/main")
    assert world.poll(remote.url) == []


def test_a_workflow_that_the_api_server_rejects_is_reported(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow()})
    create = world.cluster.create

    def refuse(path: str, body: dict[str, object]) -> dict[str, object]:
        if path == "workflows/":
            raise ApiError("spec is wrong", 422, {})
        return create(path, body)

    world.cluster.create = refuse  # type: ignore[method-assign]
    assert "can't run: spec is wrong" in world.poll(remote.url)[0]
    assert len(world.cluster.list_kind("events")) == 1


def test_a_refusal_that_may_pass_is_tried_again(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow()})
    world.cluster.refuses = ApiError("exceeded quota: count/workflows", 403, {})
    lines: list[str] = []
    assert not world.poller().poll(remote.url, lines.append)
    assert lines[0].endswith("a.yaml: exceeded quota: count/workflows")
    world.cluster.refuses = None
    assert world.poller().poll(remote.url, lines.append)
    assert len(world.cluster.started) == 1


def test_a_run_that_can_not_be_resumed_does_not_stop_the_others(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow(), "b.yaml": workflow()})
    patch, refused = world.cluster.patch, ["a-", "b-"]

    def start(path: str, body: dict[str, object]) -> dict[str, object]:
        if path.startswith(tuple(f"workflows/{name}" for name in refused)):
            raise ApiError("no right", 403, {})
        return patch(path, body)

    world.cluster.patch = start  # type: ignore[method-assign]
    lines: list[str] = []
    assert not world.poller().poll(remote.url, lines.append)
    refused.remove("b-")
    assert not world.poller().resume([remote.url], lines.append)
    assert [name[0] for name in world.cluster.started] == ["b"]
    refused.clear()
    assert world.poller().resume([remote.url], lines.append)
    assert len(world.cluster.started) == 2


def test_a_commit_without_files_and_a_file_without_trigger_are_reported(remote: Remote, world: World) -> None:
    commit = remote.push()
    assert world.poll(remote.url) == [f"main {commit[:7]}: no workflow files: {FOLDER}/ has no .yaml or .yml"]
    commit = remote.push({"a.yaml": workflow().split("\n", 1)[1], "b.txt": "", "c": ""})
    assert world.poll(remote.url) == [
        f"main {commit[:7]} {FILE}: no push starts it: it has no "
        "on: {github: {branches: {only: BRANCH}}}"
    ]


def test_links_are_not_followed(remote: Remote, world: World) -> None:
    (remote.work / FOLDER).mkdir(parents=True)
    (remote.work / FOLDER / "a.yaml").symlink_to("/etc/passwd")
    remote.push()
    assert "no workflow files" in world.poll(remote.url)[0]


def test_another_workflow_of_that_name_is_left_alone(remote: Remote, world: World) -> None:
    remote.push({"a.yaml": workflow()})
    world.poll(remote.url)
    (made,) = world.cluster.list_kind("workflows")
    foreign = {"metadata": {"name": made["metadata"]["name"], "labels": {}}, "spec": {"suspend": True}}
    world.cluster.objects.clear()
    world.cluster.create("workflows/", foreign)
    for path in world.store.root.rglob("*.json"):
        path.unlink()
    assert "fake/texts has another Workflow a-" in world.poll(remote.url)[0]
    assert world.cluster.list_kind("workflows")[0]["spec"]["suspend"]
