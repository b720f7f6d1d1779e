"""generate@v1 on a cluster: a plan, a pod for each shard, and a join."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, Kind
from argo.compile.check import TEMPLATES
from argo.compile.lint import lint
from argo.language import load
from argo.language.diagnostics import WorkflowError
from job.pod.outputs import JoinOutput, PlanOutput, ShardOutput
from job.pod.spec import HANDOFF, SHARD, SPEC, VERDICT, CommitSpec, InputsSpec, StoreSpec, load_spec
from job.pod.steps import DatasetStep, OutputStep, ShardStep
from tests.compile.conftest import CompileSpec, Spec
from tests.compile.test_pod import ENDS
from tests.compile.test_snapshots import compare, compile_text

FLOW = """\
inputs:
  seed: {type: string, with: {value: "7"}}
jobs:
  write:
    resources: {instance-type: TYPE}
    inputs:
      prompts: {type: dataset, with: {ref: questions}}
      model: {type: dataset, with: {ref: weights}}
      seed: workflow.inputs.seed
    outputs:
      texts: {type: dataset, with: {ref: answers}}
    uses: generate@v1
    with:
      model: /inputs/model
      prompts: /inputs/prompts
      shards: 16
      parallelism: 8
      max_new_tokens: 256
      greedy: true
      stop: ["a b", "{{x"]
  count:
    inputs: {texts: write.outputs.texts}
    uses: script@v1
    with: {image: "bash:5", script: ls /inputs/texts}
"""


def templates(spec: Spec) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in spec["templates"]}


def environment(template: Mapping[str, Any], container: str) -> dict[str, str]:
    (found,) = [each for each in template["initContainers"] if each["name"] == container]
    return {each["name"]: each["value"] for each in found["env"] if "value" in each}


def main_image(template: Mapping[str, Any]) -> str:
    return str(template["container"]["image"])


def test_a_generation_compiles_to_its_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW.replace("TYPE", "A100"), "utf-8")
    compare("generation", compile_text(load(file), Kind.WORKFLOW, ClusterConfig()))


def test_the_job_is_a_dag_of_plan_shards_and_join(compile_spec: CompileSpec) -> None:
    found = templates(compile_spec(FLOW.replace("TYPE", "C5")))
    assert [task["template"] for task in found["workflow"]["dag"]["tasks"]] == ["write", "count"]
    plan, shard, join = found["write"]["dag"]["tasks"]
    assert found["write"]["parallelism"] == 8
    assert found["write"]["dag"]["failFast"] is False
    assert (plan["template"], shard["depends"], join["depends"]) == ("write-plan", "plan", "shard")
    assert shard["withSequence"] == {"count": "16"}
    assert all("retryStrategy" in found[f"write-{part}"] for part in ("plan", "shard", "join"))


def test_a_shard_is_tried_again_if_it_was_out_of_memory_too(compile_spec: CompileSpec) -> None:
    found = templates(compile_spec(FLOW.replace("TYPE", "C5")))
    strategies = {part: found[f"write-{part}"]["retryStrategy"] for part in ("plan", "shard", "join")}
    assert [strategy["limit"] for strategy in strategies.values()] == [4, 20, 4]
    shard = re.fullmatch(r"lastRetry.message matches '(.*)'", strategies["shard"]["expression"])
    assert shard
    for message, again in ENDS.items():
        is_out_of_memory = message.rstrip(": )").endswith("137")
        assert bool(re.search(shard[1], message)) is (again or is_out_of_memory), message


def test_argo_knows_how_many_texts_a_shard_has_before_it_begins(compile_spec: CompileSpec) -> None:
    found = templates(compile_spec(FLOW.replace("TYPE", "C5")))
    (texts,) = found["write-plan"]["outputs"]["parameters"]
    assert (texts["name"], texts["valueFrom"]["path"]) == ("texts", "/verdict/versions/plan")
    arguments = found["write"]["dag"]["tasks"][1]["arguments"]["parameters"]
    assert arguments[1] == {"name": "texts", "value": "{{tasks.plan.outputs.parameters.texts}}"}
    assert [each["name"] for each in found["write-shard"]["inputs"]["parameters"]] == ["index", "texts"]
    shares = "int((asInt(inputs.parameters.texts) + 15 - asInt(inputs.parameters.index)) / 16)"
    annotations = found["write-shard"]["metadata"]["annotations"]
    assert annotations["workflows.argoproj.io/progress"] == f"0/{{{{={shares}}}}}"


def test_a_shard_brings_its_rows_and_the_model_and_keeps_parts(compile_spec: CompileSpec) -> None:
    shard = templates(compile_spec(FLOW.replace("TYPE", "C5")))["write-shard"]
    inputs = environment(shard, "inputs")
    spec = load_spec(InputsSpec, inputs)
    assert spec.steps == {"/inputs/model": DatasetStep("weights:latest")}
    assert spec.shard == ShardStep("texts", "prompts", DatasetStep("questions:latest"))
    assert spec.references == ("questions:latest", "weights:latest")
    store = environment(shard, "store")
    assert load_spec(StoreSpec, store).outputs == {"texts": ShardOutput()}
    assert inputs[SHARD] == store[SHARD] == "{{inputs.parameters.index}}"


def test_a_shard_brings_the_prompts_dataset_if_that_has_the_model(compile_spec: CompileSpec) -> None:
    text = FLOW.replace("TYPE", "C5").replace("model: /inputs/model", "model: /inputs/prompts/smollm")
    shard = templates(compile_spec(text))["write-shard"]
    steps = load_spec(InputsSpec, environment(shard, "inputs")).steps
    assert steps["/inputs/prompts"] == DatasetStep("questions:latest")


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        ("", False),
        ("template: /inputs/model/chat.txt", True),
        ("json_schema: /inputs/model/schema.json", True),
    ],
)
def test_the_plan_names_the_version_of_a_model_that_it_does_not_read(
    change: str, is_read: bool, compile_spec: CompileSpec
) -> None:
    text = FLOW.replace("TYPE", "C5").replace("model: /inputs/model", f"model: /inputs/model\n      {change}")
    plan = templates(compile_spec(text))["write-plan"]
    spec = load_spec(InputsSpec, environment(plan, "inputs"))
    assert ("/inputs/model" in spec.steps) is is_read
    assert spec.unread == ({} if is_read else {"model": DatasetStep("weights:latest")})
    assert spec.references == ("questions:latest", "weights:latest")


def test_the_plan_has_the_settings_and_the_join_the_dataset(compile_spec: CompileSpec) -> None:
    found = templates(compile_spec(FLOW.replace("TYPE", "C5")))
    plan = load_spec(InputsSpec, environment(found["write-plan"], "inputs"))
    assert plan.main is not None
    assert plan.main.argv == (
        *("python3", "-P", "-m", "job", "commit", "plan", "--shards=16", "--inputs=/inputs"),
        *(
            "--model=/inputs/model",
            "--prompts=/inputs/prompts",
            "--max-new-tokens=256",
            "--greedy",
            "--stop=a b",
            "--stop={{x",
        ),
        "/outputs/plan",
    )
    outputs = {
        part: load_spec(StoreSpec, environment(found[f"write-{part}"], "store")).outputs
        for part in ("plan", "join")
    }
    join = load_spec(StoreSpec, environment(found["write-join"], "store"))
    assert join.lineage["image"] == "textgen-job-cpu:0.1.0"
    assert outputs == {"plan": {"plan": PlanOutput()}, "join": {"texts": JoinOutput("answers", 16)}}


def test_the_prompts_of_a_job_and_of_a_volume(compile_spec: CompileSpec) -> None:
    head = FLOW.replace("TYPE", "C5")
    job = "  ask:\n    outputs: {KIND}\n    uses: script@v1\n    with: {image: 'bash:5', script: 'true'}\n"
    source = "prompts: {type: dataset, with: {ref: questions}}"
    asked = head.replace(source, "prompts: ask.outputs.asked")
    dataset = job.replace("KIND", "asked: {type: dataset, with: {ref: questions}}")
    found = templates(compile_spec(asked + dataset))
    spec = load_spec(InputsSpec, environment(found["write-shard"], "inputs"))
    assert spec.shard == ShardStep("texts", "prompts", OutputStep("ask", "asked"))
    found = templates(compile_spec(asked + job.replace("KIND", "asked: {type: volume}")))
    spec = load_spec(InputsSpec, environment(found["write-shard"], "inputs"))
    assert spec.shard == ShardStep("texts")
    plan = load_spec(InputsSpec, environment(found["write-plan"], "inputs"))
    assert plan.main is not None
    assert "--copy-rows" in plan.main.argv


@pytest.mark.parametrize(
    ("instance", "image", "plan_image", "shard_image"),
    [
        ("C5", "", "textgen-job-cpu:0.1.0", "textgen-job-cpu:0.1.0"),
        ("A100", "", "textgen-job-cpu:0.1.0", "textgen-job:0.1.0"),
        ("A100", "      image: team/llm:1\n", "team/llm:1", "team/llm:1"),
    ],
)
def test_the_image_fits_the_instance_type(
    instance: str, image: str, plan_image: str, shard_image: str, compile_spec: CompileSpec
) -> None:
    text = FLOW.replace("TYPE", instance).replace("      shards", f"{image}      shards")
    found = templates(compile_spec(text))
    assert main_image(found["write-plan"]) == plan_image
    assert main_image(found["write-shard"]) == shard_image
    assert "nodeSelector" not in found["write-plan"]
    assert ("nodeSelector" in found["write-shard"]) is (instance == "A100")


def test_four_templates_of_a_generation_count_against_argos_limit(tmp_path: Path) -> None:
    job = (
        "  w{0}:\n    outputs: {{t: {{type: dataset, with: {{ref: a{0}}}}}}}\n"
        "    uses: generate@v1\n    with: {{}}\n"
    )
    most = (TEMPLATES - 1) // 4
    file = tmp_path / "flow.yaml"
    file.write_text("jobs:\n" + "".join(map(job.format, range(most))), "utf-8")
    assert lint(file) == []
    file.write_text("jobs:\n" + "".join(map(job.format, range(most + 1))), "utf-8")
    (diagnostic,) = lint(file)
    assert "200 templates for its jobs, and Argo takes 199" in diagnostic.message


def test_a_job_named_like_a_generations_part_is_refused(compile_spec: CompileSpec) -> None:
    other = "  write-shard:\n    uses: script@v1\n    with: {image: 'bash:5', script: 'true'}\n"
    with pytest.raises(WorkflowError, match="'write-shard' for Argo"):
        compile_spec(FLOW.replace("TYPE", "C5") + other)


@pytest.mark.parametrize("part", ["plan", "shard", "join"])
def test_main_asks_for_its_outputs_and_writes_no_verdict(compile_spec: CompileSpec, part: str) -> None:
    text = FLOW.replace("TYPE", "C5").replace(', "{{x"', "")
    main = templates(compile_spec(text))[f"write-{part}"]["container"]
    words = [*main["command"], *main.get("args", [])]
    assert words[words.index("job") + 1 :][:2] == (["commit"] if part == "join" else ["commit", part])
    read_only = {each["mountPath"]: bool(each.get("readOnly")) for each in main["volumeMounts"]}
    assert (read_only[str(HANDOFF)], read_only[str(VERDICT)]) == (False, True)
    (spec,) = [each["value"] for each in main["env"] if each["name"] == SPEC]
    assert load_spec(CommitSpec, {SPEC: spec}).job == "write"


def test_a_cluster_may_have_its_models_in_an_image(compile_spec: CompileSpec) -> None:
    cluster = ClusterConfig(registry="mirror.example", models="models/smollm2:1")
    shard = templates(compile_spec(FLOW.replace("TYPE", "C5"), cluster))["write-shard"]
    (volume,) = [each for each in shard["volumes"] if each["name"] == "models"]
    assert volume["image"] == {"reference": "mirror.example/models/smollm2:1", "pullPolicy": "IfNotPresent"}
    mount = {"name": "models", "mountPath": "/models", "readOnly": True}
    assert mount in shard["container"]["volumeMounts"]
