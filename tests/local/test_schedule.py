"""When jobs start, and what becomes of a run when one fails."""

import re

from tests.local.conftest import Repository, script, workflow


def test_jobs_with_no_path_between_them_run_at_once(repository: Repository) -> None:
    # each waits for the other: one after the other they would wait for ever
    def meet(mine: str, other: str) -> str:
        wait = f"for i in $(seq 600); do test -e /storage/{other} && exit; sleep 0.1; done; exit 1"
        return script(f"touch /storage/{mine}; {wait}")

    outcome = repository.run(workflow(left=meet("left", "right"), right=meet("right", "left")))
    assert outcome.phases() == {"left": "Succeeded", "right": "Succeeded"}


def test_a_failed_job_stops_those_that_need_it_and_no_other(repository: Repository) -> None:
    out = "{d: {type: dataset, with: {ref: %s}}}"
    outcome = repository.run(
        workflow(
            bad=script("echo x > /outputs/d/x; exit 7", outputs=out % "bad"),
            after=script("echo x > /outputs/d/x", needs="[bad]", outputs=out % "after"),
            last=script("true", needs="[after]"),
            beside=script("echo x > /outputs/d/x", outputs=out % "beside"),
        )
    )
    assert outcome.phases() == {"bad": "Failed", "after": "Omitted", "last": "Omitted", "beside": "Succeeded"}
    assert outcome.record.phase == "Failed"
    assert outcome.record.message == "bad: exit status 7"
    assert [str(dataset) for dataset in repository.datasets.datasets()] == ["beside"]


def test_a_dataset_that_is_not_there_is_reported_before_any_job_starts(repository: Repository) -> None:
    repository.run(
        workflow(job=script("echo > /outputs/d/x", outputs="{d: {type: dataset, with: {ref: data}}}"))
    )
    job = script("true", inputs="{d: {type: dataset, with: {ref: dada}}}")
    repository.write(".gradient/workflows/work.yaml", workflow(job=job))
    done = repository.textgen("run", ".gradient/workflows/work.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    location = r"textgen: \.gradient/workflows/work\.yaml:\d+:\d+: jobs\.job\.inputs\.d: "
    assert re.match(location + "no dataset 'dada' in .*; did you mean 'data'", done.stderr)
    assert len(list((repository.root / ".textgen/runs").iterdir())) == 1


def test_a_job_of_two_datasets_commits_both_or_none(repository: Repository) -> None:
    outputs = "{a: {type: dataset, with: {ref: a}}, s: {type: string}}"
    outcome = repository.run(workflow(job=script("echo > /outputs/a/x", outputs=outputs)))
    assert outcome.phases() == {"job": "Failed"}
    assert repository.datasets.datasets() == []


def test_create_model_stores_a_version_and_gives_its_id(repository: Repository) -> None:
    make = script("echo w > /outputs/m/weights", outputs="{m: {type: dataset, with: {ref: weights}}}")
    model = """
        needs: [make]
        inputs: {model: make.outputs.m}
        outputs: {model-id: {type: string}}
        uses: create-model@v1
        with: {name: my-model, type: Custom}
        """
    show = script("cat /inputs/id", needs="[model]", inputs="{id: model.outputs.model-id}")
    outcome = repository.run(workflow(make=make, model=model, show=show))
    version = str(repository.manifest("my-model").version)
    assert f"my-model:{version}" in outcome.log("show")
    assert repository.manifest("my-model").lineage["model"] == {"name": "my-model", "type": "Custom"}
    assert repository.files("my-model") == {"weights": "w\n"}
    done = repository.textgen("run", ".gradient/workflows/work.yaml").stdout
    assert f"\nmy-model:{repository.manifest('my-model').version}  1 file, 2 B\n" in done


def test_a_dataset_left_empty_fails_only_a_job_that_reads_it(repository: Repository) -> None:
    outputs = "{d: {type: dataset, with: {ref: none}}, e: {type: dataset, with: {ref: team/some}}}"
    outcome = repository.run(
        workflow(
            make=script("echo > /outputs/e/x", outputs=outputs),
            after=script("test -e /inputs/e/x", needs="[make]", inputs="{e: make.outputs.e}"),
            reads=script("true", needs="[make]", inputs="{d: make.outputs.d}"),
            last=script("true", needs="[reads]"),
        )
    )
    assert outcome.phases() == {
        "make": "Succeeded",
        "after": "Succeeded",
        "reads": "Failed",
        "last": "Omitted",
    }
    warning = "textgen: warning: no version is made: /outputs/d: no file to commit to 'none'"
    assert warning in outcome.log("make")
    why = "input 'd': the job 'make' left its output 'd' empty, so there is no version of it"
    assert outcome.record.jobs["reads"].message == why
    assert [str(dataset) for dataset in repository.datasets.datasets()] == ["team/some"]
