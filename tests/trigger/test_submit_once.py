"""`textgen submit --once`: CI and pollers make one run of a commit, in either order."""

from pathlib import Path
from typing import Any, cast

import pytest

from argo.cluster.submit import Submission, prepare_submission
from argo.language import check
from argo.trigger.push_workflow import submit_once
from job.errors import InputError
from tests.trigger.conftest import FOLDER, Remote, World, workflow


def submission(remote: Remote, url: str = "") -> Submission:
    """What `textgen submit` makes of the file, in a clone of the repository."""
    remote.git("remote", "add", "origin", url or remote.url)
    checked = check(remote.work / FOLDER / "say.yaml").workflow
    assert checked
    return prepare_submission(checked, None, {})


def create(world: World, prepared: Submission) -> Any:
    return submit_once(cast(Any, world.cluster), prepared)


def test_a_second_submission_gets_the_first_ones_run(remote: Remote, world: World) -> None:
    remote.push({"say.yaml": workflow()})
    prepared = submission(remote)
    first = create(world, prepared)
    assert "suspend" not in first["spec"]
    assert create(world, prepared)["metadata"]["uid"] == first["metadata"]["uid"]
    assert len(world.cluster.list_kind("workflows")) == 1


def test_a_poller_finds_what_ci_submitted(remote: Remote, world: World) -> None:
    remote.push({"say.yaml": workflow()})
    submitted = create(world, submission(remote))
    assert f"already has the run {submitted['metadata']['name']}" in "\n".join(world.poll(remote.url))
    world.cluster.end()
    world.cluster.expire()
    world.poll(remote.url)
    assert not world.cluster.list_kind("workflows")


def test_ci_finds_what_a_poller_submitted(remote: Remote, world: World) -> None:
    remote.push({"say.yaml": workflow()})
    world.poll(remote.url)
    (polled,) = world.cluster.list_kind("workflows")
    assert create(world, submission(remote))["metadata"]["uid"] == polled["metadata"]["uid"]


def test_the_next_commit_is_another_run(remote: Remote, world: World) -> None:
    remote.push({"say.yaml": workflow()})
    prepared = submission(remote)
    create(world, prepared)
    remote.push()
    create(world, prepare_submission(prepared.workflow, None, {}))
    assert len(world.cluster.list_kind("workflows")) == 2


def test_a_file_of_no_repository_has_no_commit(world: World, tmp_path: Path) -> None:
    (tmp_path / "say.yaml").write_text(workflow())
    checked = check(tmp_path / "say.yaml").workflow
    assert checked
    with pytest.raises(InputError, match="--once needs a file in a commit of a repository"):
        create(world, prepare_submission(checked, None, {}))


def test_a_run_names_the_branch_that_is_checked_out(remote: Remote) -> None:
    remote.push({"say.yaml": workflow()})
    prepared = submission(remote)

    def annotations(**values: str) -> Any:
        return prepare_submission(prepared.workflow, None, values).manifest["metadata"]["annotations"]

    assert annotations()["textgen/branch"] == "main"
    assert "textgen/branch" not in annotations(**{"github-ref": "other"})
    remote.git("checkout", "--quiet", "--detach")
    assert "textgen/branch" not in annotations()
