"""What Argo and Kubernetes can't hold is reported at the job, before anything is submitted."""

import base64
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from argo.compile import FileOrigin, Kind
from argo.compile.cluster_config import ClusterConfig, load_cluster_config
from argo.compile.lint import lint
from argo.compile.names import label_value, resource_name
from argo.compile.workflow import build
from argo.language import Severity, WorkflowError, load
from job.errors import InputError
from job.pod.values import parameter_variable
from tests.compile.conftest import CompileSpec


def jobs(*names: str, script: str = "true") -> str:
    one = "  {}: {{uses: script@v1, with: {{image: a, script: '{}'}}}}\n"
    return "jobs:\n" + "".join(one.format(name, script) for name in names)


CONTAINER = "jobs: {a: {uses: container@v1, %s, with: {image: a, args: [serve]}}}\n"
CHECKOUT = (  # which the job that takes the volume does
    "jobs: {c: {uses: git-checkout@v1, outputs: {v: {type: volume}}, with: {url: %s}}, "
    "a: {needs: [c], inputs: {v: c.outputs.v}, uses: script@v1, with: {image: a, script: s}}}\n"
)
INPUTS = "inputs: {%s: {type: string}, %s: {type: string}}\n" + jobs("a")
OUTPUTS = "outputs: {a.b: {type: dataset, with: {ref: a}}, a-b: {type: dataset, with: {ref: b}}}"
BRACES = "has a text with '{{' or a control character, and the image's entrypoint is not known here; write"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (jobs("a_b", "a-b"), ":3:3: jobs.a-b: the jobs 'a-b' and 'a_b' are both 'a-b' for Argo; rename one"),
        (jobs("Train", "train"), ":3:3: jobs.train: the jobs 'train' and 'Train' are both 'train' for Argo"),
        (jobs("_", "job"), ":3:3: jobs.job: the jobs 'job' and '_' are both 'job' for Argo"),
        (jobs("1", "job-1"), ":3:3: jobs.job-1: the jobs 'job-1' and '1' are both 'job-1' for Argo"),
        (jobs("workflow"), ":2:3: jobs.workflow: 'workflow' is the name of the whole workflow for Argo"),
        (
            jobs(*(f"j{n}" for n in range(200))),
            ":201:3: jobs.j199: 200 templates for its jobs, and Argo takes 199",
        ),
        (jobs("a", script="x" * (128 << 10)), ":2:3: jobs.a: its script or texts are over 128 KB"),
        (
            "jobs:\n  a: {uses: container@v1, with: {image: a, args: [sh, -c, " + "x" * (128 << 10) + "]}}\n",
            ":2:3: jobs.a: its script or texts are over 128 KB",
        ),
        # as JSON, in which each of these is six characters
        (jobs("a", script="{{" + "語" * 22_000), ":2:3: jobs.a: its script or texts are over 128 KB"),
        (jobs(*(f"j{n}" for n in range(10)), script="x" * 104_050), ":1:1: jobs: 10"),
        (jobs(*(f"j{n}" for n in range(10)), script="語" * 34_000), ":1:1: jobs: 10"),
        (INPUTS % ("a.b", "a-b"), ": inputs.a-b: the inputs 'a-b' and 'a.b' are both 'a-b' for Argo"),
        (
            INPUTS % ("a", "github-url"),
            ": inputs.github-url: 'github-url' is a parameter of every workflow on a cluster; rename",
        ),
        (CONTAINER % OUTPUTS, ": jobs.a.outputs.a-b: the outputs 'a-b' and 'a.b' are both 'a-b' for"),
        (CONTAINER % "env: {X: '{{x}}'}", f":1:8: jobs.a: {BRACES}"),
        (CONTAINER % 'env: {X: "\\e"}', f":1:8: jobs.a: {BRACES}"),
        (
            CHECKOUT % "https://a/b, password: 'secret:my key'",
            ":1:8: jobs.c: 'my key' can't be the name of a",
        ),
        (CHECKOUT % "./code", ":1:8: jobs.c: './code' is a folder of this machine, which no pod has"),
        (CHECKOUT % "file:///srv/code", ":1:8: jobs.c: 'file:///srv/code' is a folder of this machine"),
        (
            CONTAINER % "env: {X: 'secret:my key'}",
            ":1:8: jobs.a: 'my key' can't be the name of a secret",
        ),
        (
            f"inputs:\n  text: {{type: string, with: {{value: '{'é' * (95 << 9)}x'}}}}\n" + jobs("a"),
            ":2:3: inputs.text: 97281 bytes, over the 95 KiB of a string input; use a volume or dataset",
        ),
        (
            "defaults: {resources: {instance-type: P4001}}\n" + jobs("a", "b"),
            ":1:39: jobs.a: the instance type 'P4001' is not in the table; did you mean 'P4000'?",
        ),
    ],
)
def test_lint_warns_of_all_that_a_cluster_refuses(
    text: str, message: str, compile_spec: CompileSpec, tmp_path: Path
) -> None:
    with pytest.raises(WorkflowError) as caught:
        compile_spec(text)
    code = "unknown-instance" if "instance" in message else "local-only"
    position, _, rest = message.partition(": ")
    assert f"{position}: error {code}: {rest}" in str(caught.value)
    warnings = list(map(str, lint(tmp_path / "flow.yaml")))
    assert [str(replace(each, severity=Severity.WARNING)) for each in caught.value.diagnostics] == warnings
    assert len({each.position for each in caught.value.diagnostics}) == len(warnings)


def test_all_that_a_cluster_refuses_is_told_at_once(compile_spec: CompileSpec) -> None:
    with pytest.raises(WorkflowError) as caught:
        compile_spec(jobs("workflow", "a", "A"))
    assert [each.key for each in caught.value.diagnostics] == ["jobs.workflow", "jobs.A"]
    assert str(caught.value).endswith("(and 1 more: textgen lint shows all)")


@pytest.mark.parametrize(
    "text", ["x" * (95 << 10), "é" * (95 << 9), "{{" * (95 << 9)], ids=["plain", "é", "hidden"]
)
def test_a_string_input_is_at_most_95_kib_and_fits_in_a_variable(
    text: str, compile_spec: CompileSpec, tmp_path: Path
) -> None:
    head = f"inputs:\n  words: {{type: string, with: {{value: '{text}'}}}}\n"
    compile_spec(head + jobs("a"))
    encoded = base64.b64encode(text.encode()).decode()
    done = subprocess.run(["/bin/true"], env={parameter_variable("words" * 50): encoded}, check=False)
    assert done.returncode == 0
    message = "input 'words': 97281 bytes, over the 95 KiB of a string input; use a volume or dataset"
    with pytest.raises(InputError, match=message):
        compile_spec(head + jobs("a"), words=text + "x")


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
        ("shared: {size: }", "shared.size: must be a string"),
        ("shared: {size: huge}", "shared.size: must be a quantity such as 10Gi"),
        ("shared: {access-mode: rwx}", "shared.access-mode: must be 'ReadWriteMany', 'ReadWriteOnce'"),
        ("shared: {storage-class: A b}", "shared.storage-class: must be a name in Kubernetes"),
        ("claims: {cache: Models}", "claims.cache: must be a name in Kubernetes"),
        ("pull-secrets: {Mine: a b}", "pull-secrets.Mine: must be a name in Kubernetes"),
        ("images: {a: A b}", "images.a: must be the name of an image"),
        ("entrypoints: {a: bash}", "entrypoints.a: must be a list"),
        ("entrypoints: {a: []}", "entrypoints.a: must be a list of one word or more"),
        ("instances: ", "instances: must be the path of a file"),
        ("instances: [x]", "instances: must be the path of a file"),
        (r'registry: "\UFFFFFFFF"', "not valid YAML"),
        ("registry: " + "[" * 5000, "not valid YAML"),
        ("keep: 3000000000", "keep: must be less than or equal to 2147483647"),
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


def test_an_empty_storage_class_is_the_clusters_own(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("shared: {storage-class: , size: 10}\n")
    shared = load_cluster_config(file).shared
    assert (shared.storage_class, shared.size) == (None, "10")


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
