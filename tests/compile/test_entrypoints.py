"""An image's entrypoint runs on a cluster as with Docker, if the cluster configuration file names it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, Security
from argo.compile.lint import find_skipped_entrypoints, lint
from argo.language import load
from job.pod.spec import SPEC, InputsSpec, load_spec
from tests.compile.conftest import CompileSpec

CLUSTER = ClusterConfig(security=Security.RESTRICTED, entrypoints={"img:1": ("tini", "--")})
OUTPUT = "outputs: {d: {type: dataset, with: {ref: d}}}"


def flow(arguments: str, *, image: str = "img:1", keys: str = "env: {}") -> str:
    return f"jobs: {{run: {{uses: container@v1, {keys}, with: {{image: '{image}', {arguments}}}}}}}\n"


def find_main(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    template = spec["templates"][1]
    main: Mapping[str, Any] = template.get("container") or template["containerSet"]["containers"][0]
    return main


@pytest.mark.parametrize(
    ("arguments", "command", "args"),
    [
        ("args: [bash, -c, date]", ["tini", "--"], ["bash", "-c", "date"]),
        ("args: [serve]", ["tini", "--"], ["serve"]),
        ("command: bash, args: [-c, date]", ["bash"], ["-c", "date"]),
        ("args: []", None, None),  # Kubernetes would leave out the image's CMD beside a command
    ],
)
def test_the_entrypoint_gets_the_arguments(
    arguments: str, command: list[str] | None, args: list[str] | None, compile_spec: CompileSpec
) -> None:
    main = find_main(compile_spec(flow(arguments), CLUSTER))
    assert (main.get("command"), main.get("args")) == (command, args)


def test_without_it_a_shell_is_the_command_and_the_registry_knows_others(compile_spec: CompileSpec) -> None:
    main = find_main(compile_spec(flow("args: [bash, -c, date]", image="other"), CLUSTER))
    assert (main["command"], main["args"]) == (["bash"], ["-c", "date"])
    assert "command" not in find_main(compile_spec(flow("args: [serve]", image="other"), CLUSTER))


def test_the_shell_that_shares_outputs_starts_the_entrypoint(compile_spec: CompileSpec) -> None:
    cluster = ClusterConfig(entrypoints=CLUSTER.entrypoints)
    main = find_main(compile_spec(flow("args: [bash, -c, date]", keys=OUTPUT), cluster))
    assert main["command"] == ["bash"]
    assert (main["args"][0], main["args"][2:]) == ("-c", ["main", "tini", "--", "bash", "-c", "date"])


def test_a_text_that_argo_would_expand_reaches_the_entrypoint(compile_spec: CompileSpec) -> None:
    spec = compile_spec(flow("args: [serve, '{{x}}']"), CLUSTER)
    env = {each["name"]: each.get("value", "") for each in spec["templates"][1]["initContainers"][1]["env"]}
    assert SPEC in env
    main = load_spec(InputsSpec, env).main
    assert main
    assert main.argv == ("tini", "--", "serve", "{{x}}")


@pytest.mark.parametrize(
    ("image", "arguments", "warned"),
    [
        ("nvcr.io/nvidia/pytorch:24.05-py3", "args: [bash, -c, date]", True),
        ("mambaorg/micromamba", "args: [/bin/sh, -c, date]", True),
        ("quay.io/jupyter/scipy-notebook:2024", "args: [bash, -c, date]", True),
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", "args: [bash, -c, date]", True),
        ("mambaorg/micromamba", "args: [python, -V]", False),
        ("mambaorg/micromamba", "command: bash, args: [-c, date]", False),
        ("python:3.11", "args: [bash, -c, date]", False),
        ("me/nvidia/cuda", "args: [bash, -c, date]", False),
    ],
)
def test_lint_warns_of_an_image_that_needs_its_entrypoint(
    image: str, arguments: str, warned: bool, tmp_path: Path
) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(flow(arguments, image=image))
    codes = [each.code for each in lint(file)]
    assert codes == (["skipped-entrypoint"] if warned else [])
    cluster = ClusterConfig(entrypoints={image: ("tini", "--")})
    assert list(find_skipped_entrypoints(load(file), cluster)) == []
