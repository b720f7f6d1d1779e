"""generate@v1 on this machine: a workflow of it, and what its shards meet."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from argo.local import generation as local_generation
from argo.local.actions import run_task
from tests.local.conftest import Repository, workflow

FILE = ".gradient/workflows/work.yaml"
INPUTS = "{prompts: {type: dataset, with: {ref: questions}}, seed: workflow.inputs.seed}"
ECHO = "engine: echo, max_new_tokens: 2, num_return_sequences: 3"


def generation(settings: str, inputs: str = INPUTS, **keys: str) -> str:
    """A workflow that generates the dataset `answers`; `keys` are the job's other keys."""
    prompts = "" if "prompt:" in settings else "prompts: /inputs/prompts, "
    job = f"""
        inputs: {inputs}
        outputs: {{texts: {{type: dataset, with: {{ref: answers}}}}}}
        uses: generate@v1
        with: {{{prompts}{settings}}}
        """ + "".join(f"{key}: {value}\n        " for key, value in keys.items())
    return workflow(write=job) + "inputs: {seed: {type: string, with: {value: '7'}}}\n"


def on_shard(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[str, dict[str, str]], Awaitable[None]]
) -> None:
    """Await `before`, with a shard's name and variables, whenever one is started."""

    async def run(*arguments: Any, name: str, outputs: Path, variables: dict[str, str]) -> None:
        if name != "plan":
            await before(name, variables)
        await run_task(*arguments, name=name, outputs=outputs, variables=variables)

    monkeypatch.setattr(local_generation, "run_task", run)


def shard_folder(repository: Repository, run: str, index: int) -> Path:
    return repository.root / f".textgen/runs/{run}/jobs/write/shards/{index:05d}"


def read_log(repository: Repository, run: str) -> str:
    return (repository.root / f".textgen/runs/{run}/jobs/write/log").read_text()
