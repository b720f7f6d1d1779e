"""generate@v1: the settings that it takes, where its prompts are, and what it refuses."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult, Workflow
from argo.language.generation import make_plan_action
from argo.language.model import Generate
from job.generate.run import command

FLOW = """\
jobs:
  write:
    inputs:
      questions: {{type: dataset, with: {{ref: questions}}}}
{inputs}    outputs:
      texts: {{type: {output}}}
    uses: generate@v1
    with: {{{arguments}}}
"""
DATASET = "dataset, with: {ref: answers}"


def flow(arguments: str, inputs: str = "", output: str = DATASET) -> str:
    return FLOW.format(arguments=arguments, inputs=inputs, output=output)


def test_numbers_booleans_and_lists_need_no_quotes(read_text: Callable[[str], Workflow]) -> None:
    result = read_text(
        flow("prompts: /inputs/questions/a.txt, seed: 7, top_p: 0.5, greedy: yes, stop: ['1', b], shards: 16")
    )
    assert result.jobs["write"].action == Generate(
        {"prompts": "/inputs/questions/a.txt", "seed": 7, "top_p": 0.5, "greedy": True, "stop": ("1", "b")},
        prompts_input="questions",
        model_input="",
        output="texts",
        shards=16,
        parallelism=None,
        image=None,
    )


def test_a_folder_named_prompts_is_the_prompts(read_text: Callable[[str], Workflow]) -> None:
    inputs = "      prompts: {type: dataset, with: {ref: other}}\n"
    for arguments, name, prompts in (("seed: 7", "prompts", "/inputs/prompts"), ("prompt: Hello", "", None)):
        action = read_text(flow(arguments, inputs)).jobs["write"].action
        assert isinstance(action, Generate)
        assert (action.prompts_input, action.settings.get("prompts")) == (name, prompts)


def test_a_list_that_may_be_one_text_is_one(read_text: Callable[[str], Workflow]) -> None:
    action = read_text(flow("prompt: A, choices: ['a, b'], stop: [c, d]")).jobs["write"].action
    assert isinstance(action, Generate)
    plan = make_plan_action(action, "1", "/outputs", copy_rows=False)
    flags = [each for each in plan.args if each.startswith(("--choices", "--stop"))]
    assert flags == ['--choices=["a, b"]', "--stop=c", "--stop=d"]


@pytest.mark.parametrize("value", ["true", "false"])
def test_what_is_true_or_false_is_a_flag_of_the_plan(
    read_text: Callable[[str], Workflow], value: str
) -> None:
    action = read_text(flow(f"prompt: A, ignore_eos: {value}")).jobs["write"].action
    assert isinstance(action, Generate)
    flag = "--ignore-eos" if value == "true" else "--no-ignore-eos"
    assert make_plan_action(action, "1", "/outputs", copy_rows=False).args[-2] == flag
    assert command.make_context("plan", [flag]).params["ignore_eos"] == (value == "true")


def test_a_job_without_prompts_continues_the_setting_prompt(read_text: Callable[[str], Workflow]) -> None:
    action = read_text(flow("prompt: Hello, parallelism: 2, image: 'team/llm:1'")).jobs["write"].action
    assert action == Generate({"prompt": "Hello"}, "", "", "texts", 1, 2, "team/llm:1")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ("seeed: 1", "unknown-setting", "did you mean 'seed'?"),
        ("seed: -1", "bad-setting", "seed must be at least 0, not -1"),
        ("seed: x", "bad-setting", "seed must be an integer, not 'x'"),
        ("top_p: 1.5", "bad-setting", "top_p must be at most 1"),
        ("greedy: maybe", "bad-setting", "greedy must be true or false"),
        ("stop: ['']", "bad-setting", "a list of strings that are not empty"),
        (
            "engine: gpt",
            "bad-setting",
            "engine must be auto, openvino, transformers, vllm or echo, not 'gpt'",
        ),
        ("seed: ~", "wrong-type", "must be a value"),
        ("seed: {a: b}", "wrong-type", "must be a value"),
        ('prompt: "a\\0b"', "wrong-type", "the character NUL is not allowed here"),
        ("seed: [~]", "wrong-type", "must be a string, not null"),
        ("seed: workflow.inputs.seed", "bad-expression", "inputs: {seed: workflow.inputs.seed}"),
        ("prompt: a, prompts: /inputs/questions", "bad-setting", "give prompt or prompts, not both"),
        *(
            (f"shards: {count}", "bad-setting", "from 1 to 1,000")
            for count in ("0", "1001", "-1", "4.0", "x")
        ),
        ("parallelism: 0", "bad-setting", "from 1 to 1,000"),
        ("image: a b", "bad-image", "is not a valid image name"),
        *(
            (f"prompts: {path}", "bad-path", "write a path under /inputs/questions")
            for path in ("questions", "/inputs/other", "/inputs/questions/../../x", "'-'", "/inputs")
        ),
        *(
            (setting, "bad-path", "write a path under /inputs/questions")
            for setting in (
                "model: /inputs/modle",
                "model: /inputs/questions/../modle",
                "template: '@/inputs/forms/a.txt'",
                "json_schema: /inputs/schema.json",
                "json_schema: schema.json",
                "template: '@form.txt'",
            )
        ),
    ],
)
def test_a_wrong_setting_is_said_where_it_stands(
    arguments: str, code: str, text: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(flow(arguments))
    (diagnostic,) = result.diagnostics
    assert result.workflow is None
    assert diagnostic.code == code
    assert text in f"{diagnostic.message}; {diagnostic.hint}"
    assert diagnostic.position.line == 8


def test_files_are_those_of_inputs_or_of_the_image(read_text: Callable[[str], Workflow]) -> None:
    for setting in (
        "model: /inputs/questions/model",
        "model: /models/smollm2",
        "template: '@/inputs/questions/a.txt'",
        "template: '/inputs/{path}'",
        "json_schema: ' {}'",
        "json_schema: /schemas/a.json, image: my/image",
        "template: '@/forms/a.txt', image: my/image",
    ):
        assert read_text(flow(setting))


def test_an_output_with_an_error_is_told_once(check_text: Callable[[str], CheckResult]) -> None:
    (diagnostic,) = check_text(flow("prompt: a", output="dataset")).diagnostics
    assert diagnostic.code == "missing-key"


@pytest.mark.parametrize("output", ["volume", "string"])
def test_the_output_is_a_dataset(output: str, check_text: Callable[[str], CheckResult]) -> None:
    (diagnostic,) = check_text(flow("prompt: a", output=output)).diagnostics
    assert (diagnostic.code, diagnostic.key) == ("bad-target", "jobs.write")


def test_string_inputs_are_settings(
    read_text: Callable[[str], Workflow], check_text: Callable[[str], CheckResult]
) -> None:
    workflow_inputs = "inputs: {word: {type: string, with: {value: '7'}}}\n"
    assert read_text(workflow_inputs + flow("top_k: 1", "      seed: workflow.inputs.word\n"))
    (diagnostic,) = check_text(
        workflow_inputs + flow("top_k: 1", "      sede: workflow.inputs.word\n")
    ).diagnostics
    assert (diagnostic.code, diagnostic.position.line) == ("unknown-setting", 6)
    (diagnostic,) = check_text(
        workflow_inputs + flow("seed: 1", "      seed: workflow.inputs.word\n")
    ).diagnostics
    assert (diagnostic.code, diagnostic.position.line) == ("bad-setting", 6)


def test_with_may_be_empty(read_text: Callable[[str], Workflow]) -> None:
    job = "    outputs:\n      texts: {type: dataset, with: {ref: answers}}\n    uses: generate@v1\n"
    assert read_text(f"jobs:\n  write:\n{job}    with: {{}}\n").jobs["write"]
