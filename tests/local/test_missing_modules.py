"""A script that ends for want of torch or transformers is followed by what installs them."""

from pathlib import Path

import pytest

from argo.local.containers import Containers
from job.extras import install_command
from tests.local.conftest import Repository, script, workflow

LACKS = "ModuleNotFoundError: No module named '{}'"


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_the_command_is_named_after_the_job_s_own_error(repository: Repository, module: str) -> None:
    outcome = repository.run(workflow(job=script(f'echo "{LACKS.format(module)}" >&2; echo; exit 1')))
    *_, error, _, hint, status = outcome.log("job").splitlines()
    assert error == LACKS.format(module)
    assert hint == f"textgen: {module} is not installed; run: {install_command('job')}"
    assert status == "textgen: exit status 1"


def test_a_job_that_goes_on_and_makes_nothing_is_told_too(repository: Repository) -> None:
    made = "{made: {type: dataset, with: {ref: made}}}"
    outcome = repository.run(workflow(job=script(f'echo "{LACKS.format("torch")}"; ls', outputs=made)))
    assert outcome.phases() == {"job": "Succeeded"}
    assert outcome.log("job").splitlines()[-1].startswith("textgen: torch is not installed; run: ")


@pytest.mark.parametrize(("module", "status"), [("torch", 0), ("torchvision", 1)])
def test_else_nothing_is_said(repository: Repository, module: str, status: int) -> None:
    outcome = repository.run(workflow(job=script(f'echo "{LACKS.format(module)}"; exit {status}')))
    assert "not installed" not in outcome.log("job")


def test_where_the_image_lacks_it_the_image_is_named(repository: Repository, calls: Path) -> None:
    docker = calls.parent / "bin/docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = version ] || {{ echo "{LACKS.format("torch")}"; exit 1; }}\n')
    outcome = repository.run(workflow(job=script("python3 x.py")), runtime=Containers("docker"))
    assert "textgen: the image some/image has no torch" in outcome.log("job").splitlines()
