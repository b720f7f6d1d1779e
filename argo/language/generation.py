"""What runs a generate@v1 job, on a cluster and here: images and commands of its plan and shards."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

from argo.language.model import Container, Generate, Workflow
from job.errors import InputError
from job.generate.settings import TABLE

INPUTS = "/inputs"

_CPU_IMAGE, _GPU_IMAGE = "textgen-job-cpu:{version}", "textgen-job:{version}"
_COMMAND = ("python3", "-P", "-m", "job")  # -P: a folder `job` where an image starts is another one


def make_plan_action(action: Generate, version: str, output: str, *, copy_rows: bool) -> Container:
    """What shares the rows out, and writes which to the folder `output`. It needs no GPU.

    version: textgen's. copy_rows: the shards can't reach the files of the prompts, so the plan has the rows.
    """
    args = (
        *("plan", f"--shards={action.shards}", f"--inputs={INPUTS}"),
        *(["--copy-rows"] if copy_rows else ()),
        *_options(action.settings),
        output,
    )
    return Container(action.image or _CPU_IMAGE.format(version=version), _COMMAND, args)


def make_shard_action(action: Generate, version: str, plan: str, output: str, *, has_gpu: bool) -> Container:
    """What generates a shard's texts into the folder `output`; `plan` is the shard's folder of the plan."""
    image = (_GPU_IMAGE if has_gpu else _CPU_IMAGE).format(version=version)
    return Container(action.image or image, _COMMAND, ("shard", f"--output={output}", plan))


def set_shards(workflow: Workflow, shards: int) -> Workflow:
    """The workflow with another number of shards. Raises InputError if no job of it has shards."""
    jobs = {
        name: replace(job, action=replace(job.action, shards=shards))
        if isinstance(job.action, Generate)
        else job
        for name, job in workflow.jobs.items()
    }
    if not any(isinstance(job.action, Generate) for job in jobs.values()):
        raise InputError(
            f"--shards {shards}: no job of {workflow.path} uses generate@v1, and others have none"
        )
    return replace(workflow, jobs=jobs)


def _options(settings: Mapping[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield flag if value else f"--no-{flag[2:]}"
        elif isinstance(value, tuple) and TABLE[name].metadata["separator"]:
            yield f"{flag}={json.dumps(value)}"
        elif isinstance(value, tuple):
            yield from (f"{flag}={each}" for each in value)
        else:
            text = posixpath.normpath(str(value)) if name == "prompts" else value
            yield f"{flag}={text}"
