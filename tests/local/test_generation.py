"""generate@v1 on this machine: its shards give one version, whatever stops them on the way."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from argo.local import generation as local_generation
from argo.local import gpus, run_folder
from argo.local.actions import run_task
from argo.local.containers import Containers
from argo.local.gpus import share_gpus
from argo.local.host import Host
from argo.runs import Progress
from job.datasets import DatasetRef
from job.errors import JobError
from tests.local.conftest import ROWS, Repository, script, workflow
from tests.local.generations import ECHO, FILE, INPUTS, generation, on_shard, read_log, shard_folder
from tests.local.test_interruption import LONG, eventually


def script_job(command: str) -> str:
    """A workflow whose script generates the same dataset."""
    outputs = "{texts: {type: dataset, with: {ref: answers}}}"
    text = workflow(write=script(command, inputs=INPUTS, outputs=outputs))
    return text + "inputs: {seed: {type: string, with: {value: '7'}}}\n"


def joined(repository: Repository, folder: Path, version: str = "answers") -> bytes:
    done = repository.textgen("dataset", "get", version, str(folder), "--join")
    assert done.returncode == 0, done.stderr
    return (folder / "outputs.jsonl").read_bytes()


def test_any_number_of_shards_gives_the_texts_of_a_script(questions: Repository, tmp_path: Path) -> None:
    command = (
        "python3 -m job generate --inputs /inputs --prompts /inputs/prompts --engine echo "
        "--max-new-tokens 2 --num-return-sequences 3 --output /outputs/texts"
    )
    questions.run(script_job(command))
    whole = joined(questions, tmp_path / "script")
    for shards, files in ((1, 1), (4, 4), (20, 15)):
        done = questions.run(generation(f"{ECHO}, shards: {shards}"))
        assert done.phases() == {"write": "Succeeded"}
        assert done.record.jobs["write"].progress == Progress(15, 15, shards, shards)
        names = [file.path for file in questions.manifest("answers").files]
        assert names == sorted(
            [*(f"outputs-{n:05d}-of-{shards:05d}.jsonl" for n in range(files)), "run.json"]
        )
        assert joined(questions, tmp_path / str(shards)) == whole


def test_a_run_says_how_many_texts_there_are_while_a_shard_makes_more(
    questions: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_generation, "_PROGRESS_SECONDS", 0.01)

    async def say(name: str, _: object) -> None:
        (folder,) = questions.root.glob(f".textgen/runs/*/jobs/write/shards/{name}/outputs/texts")
        progress = {"done": 2, "texts": 5, "new_tokens": 4, "seconds": 1.5}
        (folder / "progress.json").write_text(json.dumps(progress))
        expected = Progress(5 * int(name) + 2, 15, int(name), 3)
        async with asyncio.timeout(LONG):
            while run_folder.load(folder.parents[5]).jobs["write"].progress != expected:
                await asyncio.sleep(0.01)
        if name == "00001":
            (folder / "progress.json").write_text(json.dumps({**progress, "done": 4}))
            monkeypatch.setattr(local_generation, "_PROGRESS_SECONDS", 60)
            raise JobError("no luck")

    on_shard(monkeypatch, say)
    outcome = questions.run(generation(f"{ECHO}, shards: 3"))
    assert outcome.record.jobs["write"].progress == Progress(9, 15, 1, 3)


def test_a_row_that_only_the_tokenizer_refuses_has_one_row_in_all_its_shards(questions: Repository) -> None:
    settings = "prompt: One two three, engine: echo, max_length: 2, num_return_sequences: 3, on_error: skip"
    outcome = questions.run(generation(f"{settings}, shards: 2"))
    assert outcome.phases() == {"write": "Succeeded"}, outcome.log("write")
    files = questions.files("answers")
    assert sorted(files) == ["outputs-00000-of-00002.jsonl", "run.json"]
    assert json.loads(files["run.json"])["counts"]["errors"] == 1


def test_one_record_and_lineage_stand_for_all_shards(questions: Repository) -> None:
    outcome = questions.run(generation(f"{ECHO}, shards: 2"), parameters={"seed": "11"})
    record = json.loads(questions.files("answers")["run.json"])
    assert (record["rows"], record["prompts"], record["shards"]) == (15, 5, 2)
    assert record["counts"]["texts"] == 15
    lineage = questions.manifest("answers").lineage
    assert (lineage["run"], lineage["job"]) == (outcome.record.name, "write")
    assert str(lineage["image"]).startswith("textgen-job-cpu:")
    assert lineage["inputs"] == {"prompts": str(questions.datasets.resolve(DatasetRef("questions")))}
    assert lineage["generation"] == {**record["settings"], **record["run"]}
    assert record["settings"]["seed"] == 11
    assert [step.name for step in outcome.record.jobs["write"].steps] == ["inputs", "plan", "main", "commit"]
    assert not list(outcome.folder.glob("jobs/*/shards"))


def test_the_command_overrides_the_number_of_shards(questions: Repository) -> None:
    questions.write(FILE, generation(f"{ECHO}, shards: 2"))
    done = questions.textgen("run", FILE, "--shards=3")
    assert done.returncode == 0, done.stderr
    assert len(questions.manifest("answers").files) == 4
    assert "> word 0" in done.stdout  # the first texts end the summary


def test_a_file_without_shards_takes_no_number_of_them(repository: Repository) -> None:
    repository.write(FILE, workflow(a=script("true")))
    refused = repository.textgen("run", FILE, "--shards=3")
    assert refused.returncode == 2
    assert refused.stderr == f"textgen: --shards 3: no job of {FILE} uses generate@v1, and others have none\n"
    for number in ("0", "1001", "x"):
        assert repository.textgen("run", FILE, f"--shards={number}").returncode == 2


def test_a_bad_row_ends_the_job_before_any_shard(questions: Repository, make: Callable[..., Path]) -> None:
    questions.datasets.commit_version(DatasetRef("questions"), make({"p.jsonl": ROWS + "{\n"}), lineage={})
    outcome = questions.run(generation(f"{ECHO}, shards: 4"))
    assert outcome.record.jobs["write"].message == "exit status 2"
    assert "p.jsonl:6" in outcome.log("write")
    assert "shard" not in outcome.log("write")


def test_the_version_has_the_rows_in_the_format_of_the_settings(questions: Repository) -> None:
    questions.run(generation(f"{ECHO}, shards: 2, format: parquet"))
    names = [file.path for file in questions.manifest("answers").files]
    assert names == [*(f"outputs-0000{n}-of-00002.parquet" for n in range(2)), "run.json"]


@pytest.fixture
def failed(questions: Repository, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a run of four shards, of which the third has failed."""
    monkeypatch.setenv("TEXTGEN_TOP_K", "5")

    async def fail(name: str, _: object) -> None:
        if name == "00002":
            raise JobError("no luck")

    with monkeypatch.context() as patch:
        on_shard(patch, fail)
        outcome = questions.run(generation(f"{ECHO}, shards: 4"), env=["TEXTGEN_TOP_K"])
    assert outcome.record.jobs["write"].message == "shard 2: no luck"
    assert "shard 3" not in outcome.log("write")  # no other is started then
    return outcome.record.name


def test_a_retry_generates_what_is_missing_and_nothing_else(
    questions: Repository, failed: str, tmp_path: Path
) -> None:
    shard = shard_folder(questions, failed, 1)
    rows = shard / "outputs/texts/outputs.jsonl"
    (shard / "done").unlink()  # as if it had been killed in the middle of its third row
    rows.write_bytes(rows.read_bytes()[:-9])
    done = questions.textgen("retry", failed, "--env=TEXTGEN_TOP_K")
    assert done.returncode == 0, done.stdout + done.stderr
    log = read_log(questions, failed).splitlines()
    assert log[0] == "textgen: 1 of 4 shards are done already"
    assert "shard 1: 3 texts are done already" in log
    assert not [line for line in log if line.startswith("shard 0") or "texts in 4 shards" in line]
    questions.run(generation(f"{ECHO}, shards: 1"), env=["TEXTGEN_TOP_K"])
    retried, again = (
        str(version) for version in reversed(questions.datasets.versions(DatasetRef("answers")))
    )
    assert joined(questions, tmp_path / "retried", retried) == joined(questions, tmp_path / "again", again)
    assert not shard.parent.exists()


def test_a_retry_with_other_settings_is_refused_with_their_names_until_the_file_is_run_anew(
    questions: Repository, failed: str
) -> None:
    done = questions.textgen("retry", failed, "--env=TEXTGEN_TOP_K", env={"TEXTGEN_TOP_K": "6"})
    assert done.returncode == 1
    assert "TEXTGEN_TOP_K: not as when the shards began" in done.stdout
    assert shard_folder(questions, failed, 1).exists()
    questions.run(generation(f"{ECHO}, shards: 1"))  # run anew, after which nobody retries it
    assert not shard_folder(questions, failed, 1).exists()


def test_a_plan_that_failed_is_made_anew(questions: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTGEN_TOP_K", "many")
    run = questions.run(generation(f"{ECHO}, shards: 1"), env=["TEXTGEN_TOP_K"]).record.name
    assert "TEXTGEN_TOP_K: top_k must be an integer" in read_log(questions, run)
    done = questions.textgen("retry", run, "--env=TEXTGEN_TOP_K", env={"TEXTGEN_TOP_K": "5"})
    assert done.returncode == 0, done.stdout
    assert json.loads(questions.files("answers")["run.json"])["settings"]["top_k"] == 5


def test_a_retry_has_the_number_of_shards_that_the_command_gave(
    questions: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions.write(FILE, generation(f"{ECHO}, shards: 2, model: none").replace("echo", "openvino"))
    run = questions.textgen("run", FILE, "--shards=3", "--quiet").stdout.strip()
    done = questions.textgen("retry", run)
    assert done.returncode == 1
    folders = sorted(path.name for path in shard_folder(questions, run, 0).parent.glob("planned/plan/0*"))
    assert folders == ["00000", "00001", "00002"]
    assert "shard 0: exit status 2" in done.stdout


def test_a_killed_run_goes_on(questions: Repository, tmp_path: Path) -> None:
    settings = (
        "model: smollm2-135m, engine: openvino, device: cpu, max_new_tokens: 4, num_return_sequences: 1"
    )
    command = "python3 -m job generate --inputs /inputs --prompts /inputs/prompts --output /outputs/texts "
    command += " ".join(f"--{word.replace('_', '-').replace(': ', '=')}" for word in settings.split(", "))
    questions.write(FILE, generation(f"{settings}, shards: 2"))
    words = [sys.executable, "-m", "argo", "run", FILE]
    with subprocess.Popen(words, cwd=questions.root, stdout=subprocess.DEVNULL) as run:
        eventually(lambda: any(questions.root.glob(".textgen/runs/*/jobs/write/shards/00001/outputs")))
        run.send_signal(signal.SIGKILL)
    (folder,) = questions.root.glob(".textgen/runs/*")
    assert questions.textgen("retry", folder.name).returncode == 0
    assert read_log(questions, folder.name).startswith("textgen: 1 of 2 shards are done already\n")
    killed = joined(questions, tmp_path / "killed")
    questions.run(script_job(command))
    assert joined(questions, tmp_path / "whole") == killed
    assert killed.count(b"\n") == 5


def test_several_gpus_have_a_shard_each_at_a_time(
    questions: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_generation, "share_gpus", lambda *_: ["0", "1", "2"])
    together, seen = asyncio.Barrier(2), set()

    async def meet(_: str, variables: dict[str, str]) -> None:
        seen.add(variables["CUDA_VISIBLE_DEVICES"])
        await asyncio.wait_for(together.wait(), LONG)

    on_shard(monkeypatch, meet)
    outcome = questions.run(generation(f"{ECHO}, shards: 4, parallelism: 2"))
    assert outcome.phases() == {"write": "Succeeded"}
    assert seen == {"0", "1"}


@pytest.mark.parametrize(
    ("settings", "gpus", "shares"),
    [
        ({}, "", [None]),
        ({}, "0", [None]),
        ({}, "0 1 2", ["0", "1", "2"]),
        ({"device": "cuda"}, "0 1", ["0", "1"]),
        ({"device": "cuda:0,1"}, "0 1", [None]),
        ({"device": "cpu"}, "0 1", [None]),
        ({"engine": "openvino"}, "0 1", [None]),
        ({"engine": "vllm", "tensor_parallel_size": 2}, "0 1 2 3 4", ["0,1", "2,3"]),
        ({"engine": "vllm", "tensor_parallel_size": 2}, "0 1", [None]),
        ({"tensor_parallel_size": 0}, "0 1", [None]),
        ({"tensor_parallel_size": "2"}, "0 1 2 3", [None]),
    ],
)
def test_a_shard_gets_the_gpus_that_share_its_model(
    settings: dict[str, object], gpus: str, shares: list[str | None]
) -> None:
    defaults = {"device": "auto", "engine": "auto", "tensor_parallel_size": 1}
    assert share_gpus({**defaults, **settings}, gpus.split()) == shares


def test_gpus_are_those_that_the_variable_names_or_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "_DEVICES", tmp_path)
    assert gpus.list_gpus({}) == ["0", "1"]
    assert gpus.list_gpus({"CUDA_VISIBLE_DEVICES": "1, GPU-5,"}) == ["1", "GPU-5"]
    assert gpus.list_gpus({"CUDA_VISIBLE_DEVICES": "1,-1,0"}) == ["1"]  # as CUDA has it
    assert (
        gpus.list_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == gpus.list_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    )


# Runs what it is called for on this machine, with the mounts' sources in place of their targets.
DOCKER = f"""#!{sys.executable}
import json, os, subprocess, sys
words = sys.argv[1:]
if words[0] != "run": sys.exit(0)
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps(words), file=file)
mounts = [dict(part.split("=", 1) for part in w.split(",") if "=" in part) for w in words if "type=bind" in w]
mounts.sort(key=lambda mount: -len(mount["target"]))
at = words.index("--entrypoint")
arguments = words[at + 3 :]
for mount in mounts:
    arguments = [word.replace(mount["target"], mount["source"]) for word in arguments]
sys.exit(subprocess.run([sys.executable, "-P", *arguments]).returncode)
"""


@pytest.mark.parametrize(
    ("settings", "keys", "images"),
    [
        ("", {"resources": "{instance-type: A100}"}, ["textgen-job-cpu", "textgen-job"]),
        (", image: 'own:1'", {"resources": "{instance-type: A100}"}, ["own:1", "own:1"]),
    ],
)
def test_docker_runs_the_images_of_a_cluster(
    questions: Repository, calls: Path, settings: str, keys: dict[str, str], images: list[str]
) -> None:
    (calls.parent / "bin/docker").write_text(DOCKER)
    text = generation(
        f"{ECHO}, shards: 1{settings}", "{prompts: {type: dataset, with: {ref: questions}}}", **keys
    )
    outcome = questions.run(text, runtime=Containers("docker"))
    assert outcome.phases() == {"write": "Succeeded"}, outcome.log("write")
    words = [json.loads(line) for line in calls.read_text().splitlines()]
    names = [call[call.index("--name") + 1] for call in words]
    assert names == [f"{outcome.record.name}-write.plan", f"{outcome.record.name}-write.00000"]
    versions = version("argo-textgen")
    expected = [image if ":" in image else f"{image}:{versions}" for image in images]
    assert [call[call.index("--entrypoint") + 2] for call in words] == expected
    assert questions.manifest("answers").lineage["image"] == expected[-1]


def test_on_the_host_it_is_textgen_s_own_job_that_runs(
    questions: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()

    async def run(state: Any, job: Any, action: Any, *arguments: Any, **named: Any) -> None:
        folders = re.compile(r"(?<=[=])/(?=inputs|outputs)|^/(?=outputs)")
        args = tuple(folders.sub(f"{root}/", word) for word in action.args)
        await run_task(state, job, replace(action, args=args), *arguments, **named)

    monkeypatch.setattr(local_generation, "run_task", run)
    questions.write("job/__init__.py", "raise SystemExit(9)")
    monkeypatch.chdir(questions.root)
    outcome = questions.run(generation(f"{ECHO}, shards: 2"), runtime=Host(root))
    assert outcome.phases() == {"write": "Succeeded"}, outcome.log("write")
    assert len(questions.manifest("answers").files) == 3


def test_links_in_the_place_of_a_shard_s_folders_are_not_followed(
    questions: Repository, failed: str, tmp_path: Path
) -> None:
    """An image of the file's own may leave them; what they lead to would be mounted, or opened to all."""
    (tmp_path / "private").mkdir(mode=0o700)
    texts = shard_folder(questions, failed, 1) / "outputs/texts"
    shutil.rmtree(texts)
    texts.symlink_to(tmp_path / "private")
    (shard_folder(questions, failed, 1) / "done").unlink()
    done = questions.textgen("retry", failed, "--env=TEXTGEN_TOP_K")
    assert "shard 1: the job replaced the folder /outputs/texts" in done.stdout
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    plan = shard_folder(questions, failed, 1).parent / "planned/plan"
    texts.unlink()
    shutil.rmtree(plan / "00001")
    (plan / "00001").symlink_to(tmp_path / "private")
    done = questions.textgen("retry", failed, "--env=TEXTGEN_TOP_K")
    assert "shard 1: /outputs/plan/00001: no such folder in the plan" in done.stdout
