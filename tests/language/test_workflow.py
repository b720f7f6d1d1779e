"""The top level: trigger, defaults, context, environment; and files of other systems."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult, Severity, Workflow, WorkflowError, load
from argo.language.model import Event, Secret, Trigger

_JOBS = "jobs:\n  a:\n    uses: script@v1\n    with: {script: s, image: i}\n"


@pytest.mark.parametrize(
    ("on", "branches"),
    [
        ("{github: {branches: {only: main}}}", ("main",)),
        ("{github: {branches: {only: [main, release/1.0]}}}", ("main", "release/1.0")),
    ],
)
def test_a_push_to_these_branches_starts_it(
    on: str, branches: tuple[str, ...], read_text: Callable[[str], Workflow]
) -> None:
    trigger = read_text(f"on: {on}\n{_JOBS}").trigger
    assert trigger is not None
    assert trigger.branches == branches


@pytest.mark.parametrize(
    "on",
    [
        "push",
        "[push]",
        "{push: {branches: [main]}}",
        "",
        "{github: {branches: 'main, rest_fast_app'}}",
        "{github: {branches: {only: 'main, dev'}}}",
        "{github: {branches: {only: 'release/*'}}}",
    ],
)
def test_a_trigger_that_is_not_understood_is_warned_of(
    on: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(f"on: {on}\n{_JOBS}")
    assert result.workflow is not None
    assert result.workflow.trigger is None
    assert "bad-trigger" in {each.code for each in result.diagnostics}


def test_a_jobs_own_env_and_resources_win_key_by_key(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(
        "defaults:\n  clusterId: cl1\n  env: {A: default, B: 'secret:b'}\n"
        "  resources: {instance-type: C4, container-registries: [one]}\n"
        f"{_JOBS}    env: {{A: own, C: ''}}\n    resources: {{container-registries: [two]}}\n"
        "  b:\n    uses: script@v1\n    with: {script: s, image: i, containerRegistry: three}\n"
        "    resources: {instance-type: P4000}\n"
    )
    a, b = workflow.jobs["a"], workflow.jobs["b"]
    assert a.env == {"A": "own", "B": Secret("b"), "C": ""}
    assert (a.instance_type, a.registries) == ("C4", ("one", "two"))
    assert b.env == {"A": "default", "B": Secret("b")}
    assert (b.instance_type, b.registries) == ("P4000", ("one", "three"))
    assert workflow.cluster_id == "cl1"


def test_the_event_that_the_platform_wrote_is_kept(read_text: Callable[[str], Workflow]) -> None:
    github = "{ref: c0504e8, url: 'https://github.com/user/repo'}"
    workflow = read_text(f"{_JOBS}context: {{event: {{github: {github}}}}}\n")
    assert workflow.event == Event("https://github.com/user/repo", "c0504e8")


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ("{A: 'secret:'}", "bad-secret"),
        ("{A: 'secret: x'}", "bad-secret"),
        ("{A: 'secret:ephemeral:tok'}", "bad-secret"),
        ("{A: '${{ secrets.TOKEN }}'}", "literal-expression"),
        ("{A: '${secrets.TOKEN}'}", "literal-expression"),
        ("{A: context.event.github.ref}", "literal-expression"),
        ("{A: [x]}", "wrong-type"),
        ("[{name: A, value: x}]", "wrong-type"),
        ("{'A=B': x}", "bad-name"),
        ("{'': x}", "bad-name"),
        ("{.: x}", "bad-name"),
        ("{..a: x}", "bad-name"),
        ('{A: "x\\0y"}', "wrong-type"),
    ],
)
def test_an_environment_that_can_not_be_meant_is_one_finding(
    env: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    assert [each.code for each in check_text(f"{_JOBS}    env: {env}\n").diagnostics] == [code]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("hello", "a mapping with the key 'jobs'"),
        ("- a\n- b\n", "a mapping with the key 'jobs'"),
        ("jobs:\n", "has no jobs"),
        ("jobs: []\n", "must be a mapping from job names"),
        ("{}\n", "the key 'jobs' is missing; write jobs:"),
        ("inputs: {}\n", "the key 'jobs' is missing; the file has 'inputs'"),
        ("on: {}\ninputs: {}\n", "the key 'jobs' is missing; the file has 'on', 'inputs'"),
        ("outputs: {}\n", "indent it under jobs: NAME:"),
        ("Jobs: {}\n", "write jobs, not 'Jobs'"),
        ("job: {a: b}\n", "write jobs, not 'job'"),
        ("uses: script@v1\nwith: {}\n", "indent it under jobs: NAME:"),
        ("train: {uses: script@v1}\n", "indent them under jobs:"),
        ("jobs:\n  a: {env: {}}\n  uses: script@v1\n", "indent it under its job"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n", "a Kubernetes object"),
        ("jobs: {a: {runs-on: x, steps: [{run: y}], if: z}, b: {steps: []}}\n", "GitHub Actions"),
        ("version: 1\nstages: [{name: a}]\n", "the file has 'version', 'stages'"),
    ],
)
def test_a_file_of_another_kind_gets_one_answer(
    text: str, says: str, check_text: Callable[[str], CheckResult]
) -> None:
    (diagnostic,) = check_text(text).diagnostics
    assert diagnostic.code == "not-a-workflow"
    assert says in str(diagnostic)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("name: x", "the file's name is the workflow's"),
        ("env: {A: b}", "write defaults: {env: ...}"),
        ("default: {}", "did you mean 'defaults'?"),
    ],
)
def test_an_unknown_key_has_a_hint_of_what_to_write(
    line: str, hint: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(f"{line}\n{_JOBS}")
    (diagnostic,) = result.diagnostics
    assert result.workflow is not None
    assert (diagnostic.code, hint in diagnostic.hint) == ("unknown-key", True)


def test_all_errors_come_at_once_in_the_files_order(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(
        "inputs: {x: {type: integer}}\n"
        "jobs:\n"
        "  a b: {uses: script@v2, needs: [zzz]}\n"
        "  c: {uses: container@v1, with: {args: ls}, inputs: {y: workflow.inputs.z}}\n"
    )
    assert [(each.code, each.position.line) for each in result.diagnostics] == [
        ("unknown-type", 1),
        ("bad-name", 3),
        ("unknown-action", 3),
        ("unknown-job", 3),
        ("missing-key", 4),
        ("wrong-type", 4),
        ("unknown-input", 4),
    ]


def test_load_raises_one_line_and_keeps_every_diagnostic(
    check_text: Callable[[str], CheckResult],
) -> None:
    result = check_text("jobs: {a: {uses: x, timeout: 5}, b: {}}")
    with pytest.raises(WorkflowError) as caught:
        load(result.diagnostics[0].path)
    assert caught.value.exit_status == 2
    assert caught.value.diagnostics == result.diagnostics
    assert str(caught.value).endswith("(and 1 more: textgen lint shows all)")
    assert "\n" not in str(caught.value)


def test_the_check_ends_with_the_hundredth_error(check_text: Callable[[str], CheckResult]) -> None:
    jobs = "".join(f"  j{n}: {{uses: nothing}}\n" for n in range(500))
    errors = [each for each in check_text(f"jobs:\n{jobs}").diagnostics if each.severity is Severity.ERROR]
    assert len(errors) == 100


@pytest.mark.parametrize(
    "jobs",
    ["".join(f"  j{n}: {{uses: nothing}}\n" for n in range(500)), "  a: {steps: []}\n", "  []\n"],
    ids=["too many errors", "another system's", "no jobs"],
)
def test_a_file_with_errors_keeps_its_trigger(jobs: str, check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(f"on: {{github: {{branches: {{only: main}}}}}}\njobs:\n{jobs}")
    assert result.workflow is None
    assert result.trigger == Trigger(("main",))


@pytest.mark.parametrize("branch", ["a/.b", "a.lock/b", "a..b", "a b", ".a", "a/", "x" * 256])
def test_a_trigger_names_what_git_takes_for_a_branch(
    branch: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(f"on: {{github: {{branches: {{only: '{branch}'}}}}}}\n{_JOBS}")
    assert [each.code for each in result.diagnostics] == ["bad-trigger"]


@pytest.mark.parametrize("errors", [1, 99, 200])
def test_an_error_of_the_trigger_is_one_of_the_file(
    errors: int, check_text: Callable[[str], CheckResult]
) -> None:
    only = f"[{', '.join(['~'] * errors)}]"
    result = check_text(f"on: {{github: {{branches: {{only: {only}}}}}}}\njobs: {{a: {{}}, b: {{}}}}\n")
    assert [each.code for each in result.diagnostics].count("wrong-type") == min(errors, 100)
    assert len(result.diagnostics) <= 100 + 1
    assert result.workflow is None
