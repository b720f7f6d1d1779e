"""What Argo and Kubernetes can't hold is reported at the job, before anything is submitted."""

import base64
import subprocess
from pathlib import Path

import pytest

from argo.compile import FileOrigin, Kind
from argo.compile.cluster_config import ClusterConfig, load_cluster_config
from argo.compile.names import label_value, resource_name
from argo.compile.workflow import build
from argo.language import load
from job.errors import InputError
from job.pod.spec import parameter_variable
from tests.compile.conftest import CompileSpec


def jobs(*names: str, script: str = "true") -> str:
    one = "  {}: {{uses: script@v1, with: {{image: a, script: '{}'}}}}\n"
    return "jobs:\n" + "".join(one.format(name, script) for name in names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (jobs("a_b", "a-b"), r"flow.yaml:3: the jobs 'a-b' and 'a_b' are both 'a-b' for Argo; rename one"),
        (jobs("Train", "train"), r"flow.yaml:3: the jobs 'train' and 'Train' are both 'train' for Argo"),
        (jobs("workflow"), r"flow.yaml:2: the jobs 'workflow' and 'workflow' are both"),
        (jobs(*(f"j{n}" for n in range(200))), r"flow.yaml:201: 200 jobs, and Argo takes 199"),
        (jobs("a", script="x" * (128 << 10)), r"flow.yaml:2: job 'a': its script or texts are over 128 KB"),
        (
            f"jobs:\n  a: {{uses: container@v1, with: {{image: a, args: [sh, -c, {'x' * (128 << 10)}]}}}}\n",
            r"flow.yaml:2: job 'a': its script or texts are over 128 KB",
        ),
        (jobs(*(f"j{n}" for n in range(10)), script="x" * 104_000), r"KB of JSON, over the 1 MB"),
        (
            "inputs:\n  a.b: {type: string}\n  a-b: {type: string}\n" + jobs("a"),
            r"flow.yaml:3: the inputs 'a-b' and 'a.b' are both 'a-b' for Argo",
        ),
        (
            "inputs:\n  github-url: {type: string}\n" + jobs("a"),
            r"the inputs 'github-url' and 'github-url' are both",
        ),
        (
            "jobs:\n  a: {uses: container@v1, env: {X: '{{x}}'}, with: {image: a, args: [serve]}}\n",
            r"flow.yaml:2: job 'a': a text with '{{' or a control character needs `command`",
        ),
    ],
)
def test_it_says_where_and_what_to_do(text: str, message: str, compile_spec: CompileSpec) -> None:
    with pytest.raises(InputError, match=message):
        compile_spec(text)


@pytest.mark.parametrize(
    "text", ["x" * (95 << 10), "é" * (95 << 9), "{{" * (95 << 9)], ids=["plain", "é", "hidden"]
)
def test_a_string_input_is_at_most_95_kib_and_fits_in_a_variable(
    text: str, compile_spec: CompileSpec, tmp_path: Path
) -> None:
    head = f"inputs:\n  text: {{type: string, with: {{value: '{text}'}}}}\n"
    compile_spec(head + jobs("a"))
    encoded = base64.b64encode(text.encode()).decode()
    done = subprocess.run(["/bin/true"], env={parameter_variable("text" * 60): encoded}, check=False)
    assert done.returncode == 0
    message = "input 'text': 97281 bytes, over the 95 KiB of a string input; use a volume or dataset"
    with pytest.raises(InputError, match=message):
        compile_spec(head.replace("'}}", "x'}}") + jobs("a"))


def test_199_jobs_are_compiled(compile_spec: CompileSpec) -> None:
    assert len(compile_spec(jobs(*(f"j{n}" for n in range(199))))["templates"]) == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regstry: x", "regstry: no such key; did you mean 'registry'"),
        ("scale: 2", "scale: must be over 0 and at most 1"),
        ("security: none", "security: must be 'baseline' or 'restricted'"),
        ("deadline: -1", "deadline: must be greater than 0"),
        ("images: [a]", "images: must be a mapping"),
        ("claims: {home: x}", "claims.home: must be 'storage' or 'cache'"),
        ("shared: {class: x}", "shared.class: no such key; the keys are storage-class"),
        ("keep: true", "keep: must be an integer"),
        ("registry: [x]", "registry: must be a string"),
        ("pull_secrets: {}", "pull_secrets: no such key; did you mean 'pull-secrets'"),
        ("a: 1\nb: [", "cluster.yaml:2:5: not valid YAML"),
        ("- a", "must be a mapping"),
    ],
)
def test_the_cluster_configuration_is_checked(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_cluster_config(file)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("python:3", "mirror.example/x/python:3"),
        ("team/python:3", "mirror.example/x/team/python:3"),
        ("ghcr.io/team/python:3", "ghcr.io/team/python:3"),
        ("localhost/python", "localhost/python"),
        ("old:1", "new:2"),
    ],
)
def test_images_come_from_the_mirror_unless_they_name_a_registry(image: str, expected: str) -> None:
    assert ClusterConfig(registry="mirror.example/x/", images={"old:1": "new:2"}).image(image) == expected


def test_a_schedule_is_needed_for_cron(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(jobs("a"))
    with pytest.raises(InputError, match="--kind cron needs --schedule"):
        build(load(file), Kind.CRON, ClusterConfig(), FileOrigin("flow.yaml"))


def test_names_are_valid_and_stay_apart() -> None:
    assert resource_name("NLP Text_Generation.v2") == "nlp-text-generation-v2"
    assert resource_name("ß") == "workflow"
    assert len(resource_name("long" * 30 + "a")) == 52
    assert resource_name("long" * 30 + "a") != resource_name("long" * 30 + "b")
    assert label_value("a" * 63) == "a" * 63
    assert len(set(map(label_value, ("a" * 64 + "x", "a" * 64 + "y", "a b", "a/b")))) == 4
    assert len(label_value("é" * 80)) <= 63


def test_the_example_of_a_cluster_configuration_is_one() -> None:
    config = load_cluster_config(Path(__file__).parents[2] / "docs" / "cluster.yaml")
    assert config.model_fields_set | {"instances"} == ClusterConfig.model_fields.keys()
