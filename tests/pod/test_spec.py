"""What `textgen compile` tells a pod's containers arrives, and what they can't read is one line."""

import base64
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import InputError
from job.pod.outputs import (
    DatasetOutput,
    JoinOutput,
    ModelOutput,
    PlanOutput,
    ShardOutput,
    StringOutput,
    VolumeOutput,
)
from job.pod.spec import SPEC, CommitSpec, InputsSpec, MainCommand, StoreSpec, load_spec
from job.pod.steps import CheckoutStep, DatasetStep, OutputStep, S3Step, ShardStep
from job.pod.values import FILE_VARIABLES, GIT_VARIABLES, KEY_VARIABLES, Parameter, Variable, resolve_value

TEXTS = st.text(max_size=8)
OPTIONAL_TEXTS = st.none() | TEXTS
VALUES = TEXTS | st.builds(Parameter, TEXTS, OPTIONAL_TEXTS) | st.builds(Variable, TEXTS)
OPTIONAL_VALUES = st.none() | VALUES
STEPS = st.one_of(
    st.builds(CheckoutStep, TEXTS, VALUES, OPTIONAL_VALUES, OPTIONAL_VALUES, OPTIONAL_VALUES),
    st.builds(DatasetStep, VALUES),
    st.builds(Parameter, TEXTS, OPTIONAL_TEXTS),
    st.builds(OutputStep, TEXTS, TEXTS),
    st.builds(S3Step, TEXTS, OPTIONAL_TEXTS, OPTIONAL_TEXTS, OPTIONAL_VALUES, OPTIONAL_VALUES),
)
DATASETS = st.builds(DatasetStep, VALUES) | st.builds(OutputStep, TEXTS, TEXTS)
COMMANDS = st.builds(
    MainCommand,
    st.lists(TEXTS, max_size=3).map(tuple),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.booleans(),
)
INPUTS_SPECS = st.builds(
    InputsSpec,
    TEXTS,
    TEXTS,
    st.dictionaries(TEXTS, STEPS, max_size=3),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.lists(VALUES, max_size=3).map(tuple),
    st.dictionaries(TEXTS, VALUES, max_size=3),
    st.none() | COMMANDS,
    st.none()
    | st.builds(
        ShardStep,
        TEXTS,
        TEXTS,
        st.none() | st.builds(DatasetStep, VALUES) | st.builds(OutputStep, TEXTS, TEXTS),
    ),
)
OUTPUTS = st.one_of(
    st.builds(DatasetOutput, TEXTS),
    st.just(VolumeOutput()),
    st.just(StringOutput()),
    st.builds(ModelOutput, TEXTS, TEXTS),
    st.just(PlanOutput()),
    st.just(ShardOutput()),
    st.builds(JoinOutput, TEXTS, st.integers(1, 1000)),
)
STORE_SPECS = st.builds(
    StoreSpec,
    TEXTS,
    TEXTS,
    st.dictionaries(TEXTS, OUTPUTS, max_size=3),
    OPTIONAL_VALUES,
    OPTIONAL_VALUES,
    st.dictionaries(TEXTS, TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=3),
    st.lists(TEXTS, max_size=3).map(tuple),
)


@given(INPUTS_SPECS)
def test_every_inputs_spec_arrives(spec: InputsSpec) -> None:
    assert InputsSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(STORE_SPECS)
def test_every_store_spec_arrives(spec: StoreSpec) -> None:
    assert StoreSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(st.builds(CommitSpec, TEXTS, TEXTS))
def test_every_commit_spec_arrives(spec: CommitSpec) -> None:
    assert CommitSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "job",
                    "into",
                    "files",
                    "main",
                    "outputs",
                    "event",
                    "checkout",
                    "dataset",
                    "parameter",
                    "s3",
                    "url",
                ]
            ),
            values,
            max_size=4,
        )
    ),
)


@given(JSON)
def test_any_other_json_is_one_line(document: Any) -> None:
    for kind in (InputsSpec, StoreSpec, CommitSpec):
        try:
            kind.from_json(document)
        except InputError as error:
            assert str(error).startswith(SPEC)
            assert "\n" not in str(error)


# As `textgen compile` wrote them before the JSON had a version.
OLD_INPUTS = {
    "job": "run",
    "into": {
        "/inputs/repo": {
            "checkout": {
                "job": "clone",
                "url": {"parameter": "github-url"},
                "username": {"variable": "GIT_USERNAME"},
            }
        },
        "/inputs/data": {"dataset": "numbers"},
        "/inputs/text": {"parameter": "seed", "default": "{{7}}"},
        "/inputs/tree": {"output": ["first", "tree"]},
        "/inputs/s3": {
            "s3": {
                "url": "s3://bucket/x",
                "region": None,
                "endpoint": None,
                "access-key": None,
                "secret-access-key": None,
            }
        },
    },
    "folders": ["/outputs/result"],
    "resolve": ["numbers"],
    "files": {"script": {"variable": "SCRIPT"}},
    "main": {"env": {"A": "b"}, "argv": ["true"], "share": False},
}
OLD_COMMIT = {
    "job": "run",
    "outputs": {
        "data": {"dataset": "numbers"},
        "tree": {"volume": True},
        "text": {"string": True},
        "model": {"model": {"name": "m", "type": "Custom"}},
    },
    "event": {"url": {"parameter": "github-url"}, "ref": {"parameter": "github-ref"}},
    "lineage": {"runtime": "argo"},
}


def test_a_spec_without_a_version_is_read() -> None:
    inputs = load_spec(InputsSpec, {SPEC: json.dumps(OLD_INPUTS)})
    assert inputs.steps == {
        "/inputs/repo": CheckoutStep("clone", Parameter("github-url"), username=Variable("GIT_USERNAME")),
        "/inputs/data": DatasetStep("numbers"),
        "/inputs/text": Parameter("seed", "{{7}}"),
        "/inputs/tree": OutputStep("first", "tree"),
        "/inputs/s3": S3Step("s3://bucket/x"),
    }
    assert (inputs.folders, inputs.references) == (("/outputs/result",), ("numbers",))
    assert inputs.files == {"script": Variable("SCRIPT")}
    assert inputs.main == MainCommand(("true",), {"A": "b"})
    commit = load_spec(StoreSpec, {SPEC: json.dumps(OLD_COMMIT)})
    assert list(commit.outputs.values()) == [
        DatasetOutput("numbers"),
        VolumeOutput(),
        StringOutput(),
        ModelOutput("m", "Custom"),
    ]
    assert (commit.url, commit.ref) == (Parameter("github-url"), Parameter("github-ref"))
    assert commit.lineage == {"runtime": "argo"}


@pytest.mark.parametrize("version", [0, 3, "1", True, [1]])
@pytest.mark.parametrize("kind", [InputsSpec, StoreSpec, CommitSpec])
def test_another_version_says_which_image_it_needs(
    kind: type[InputsSpec | StoreSpec | CommitSpec], version: object
) -> None:
    document = {"version": version, "textgen": "0.9.0", "steps": "of another form"}
    with pytest.raises(
        InputError,
        match=r"has version .*, and this image reads version 1 and 2: run the workflow with "
        "the image textgen:0.9.0, or compile it again with the `textgen` of this image",
    ) as raised:
        load_spec(kind, {SPEC: json.dumps(document)})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "TEXTGEN_STEPS is not set: this command runs in a pod that `textgen compile` made"),
        ({SPEC: "{"}, "TEXTGEN_STEPS is not JSON"),
        ({SPEC: "[]"}, "TEXTGEN_STEPS: must be an object; compile the workflow again"),
        ({SPEC: "{}"}, "TEXTGEN_STEPS: job: must be a string"),
        ({SPEC: '{"job": "a", "into": {"/x": {}}}'}, "TEXTGEN_STEPS: into: /x: must be a step"),
        ({SPEC: '{"job": "a", "into": {"/x": {"output": ["a"]}}}'}, "output: must be a job and an output"),
        (
            {SPEC: '{"job": "a", "into": {"/x": {"checkout": {"job": "b"}}}}'},
            "checkout: url: must be a value",
        ),
    ],
)
def test_what_is_no_spec_is_one_line(environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_spec(InputsSpec, environ)


def test_values_are_texts_parameters_and_variables() -> None:
    encoded = base64.b64encode("{{é}}".encode()).decode()
    environ = {"SECRET_A": "a", "PARAMETER_seed": encoded, "PARAMETER_empty": ""}
    assert resolve_value("text", environ) == "text"
    assert resolve_value(None, environ) == ""
    assert resolve_value(Variable("SECRET_A"), environ, KEY_VARIABLES) == "a"
    assert resolve_value(Variable("SECRET_ABSENT"), environ, KEY_VARIABLES) == ""
    assert resolve_value(Parameter("seed"), environ) == "{{é}}"
    assert resolve_value(Parameter("empty", "{{own}}"), environ) == "{{own}}"
    with pytest.raises(InputError, match="PARAMETER_absent is not set"):
        resolve_value(Parameter("absent"), environ)


def test_the_protocol_imports_nothing_that_takes_time() -> None:
    code = "import sys, job.pod.spec; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    of_job = {name for name in modules.split() if name.startswith("job.")}
    names = ("json_reader", "outputs", "spec", "steps", "values")
    assert of_job == {"job.errors", "job.pod", *(f"job.pod.{name}" for name in names)}
    assert not {"boto3", "click", "hera", "yaml"} & set(modules.split())


@pytest.mark.parametrize("variables", [None, FILE_VARIABLES, KEY_VARIABLES, GIT_VARIABLES])
@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "HOME", "XSECRET_A", ""])
def test_a_value_is_never_another_variable_of_the_container(variables: str | None, name: str) -> None:
    with pytest.raises(InputError, match="is for something else"):
        resolve_value(Variable(name), {name: "secret"}, variables)


@pytest.mark.parametrize("variables", [None, FILE_VARIABLES, KEY_VARIABLES])
def test_the_linked_repositorys_password_is_for_git_alone(variables: str | None) -> None:
    with pytest.raises(InputError, match="GIT_PASSWORD is for something else"):
        resolve_value(Variable("GIT_PASSWORD"), {"GIT_PASSWORD": "secret"}, variables)
    assert resolve_value(Variable("GIT_PASSWORD"), {"GIT_PASSWORD": "secret"}, GIT_VARIABLES) == "secret"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"into": {"/home/textgen/.gitconfig": {"parameter": "a"}}}, "not below /inputs or /outputs"),
        ({"into": {"/inputs/../home/x": {"parameter": "a"}}}, "not below /inputs or /outputs"),
        ({"into": {"inputs/x": {"parameter": "a"}}}, "not below /inputs or /outputs"),
        ({"into": {"/inputs": {"parameter": "a"}}}, "not below /inputs or /outputs"),
        ({"folders": ["/opt/textgen/code/json"]}, "not below /inputs or /outputs"),
        (
            {"into": {"/inputs/a": {"output": ["b", "c"]}, "/inputs/a/link/x": {"parameter": "a"}}},
            "below another",
        ),
        ({"files": {"../../../home/textgen/.gitconfig": "x"}}, "not below /var/run/textgen"),
        ({"files": {"..": "x"}}, "not below /var/run/textgen"),
        ({"shard": {"output": "../opt/textgen/code"}}, "not below /outputs"),
        ({"shard": {"output": ".."}}, "not below /outputs"),
    ],
)
def test_inputs_are_nowhere_but_where_the_job_finds_them(spec: dict[str, Any], reason: str) -> None:
    document = {"version": 2, "job": "a", **spec}
    with pytest.raises(InputError, match=reason):
        load_spec(InputsSpec, {SPEC: json.dumps(document)})


@pytest.mark.parametrize("name", ["../proc/self/environ", "/proc/self/environ", "..", ".", ""])
def test_outputs_are_nowhere_but_where_the_job_writes_them(name: str) -> None:
    document = {"version": 2, "job": "a", "outputs": {name: {"string": True}}}
    with pytest.raises(InputError, match="an output that is not below /outputs"):
        load_spec(StoreSpec, {SPEC: json.dumps(document)})
