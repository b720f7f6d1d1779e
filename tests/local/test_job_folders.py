"""What a job finds at /inputs and leaves at /outputs."""

from pathlib import Path

import pytest

from tests.local.conftest import Repository, script, workflow


def test_a_copy_into_an_output_nests_as_its_folder_is_there_before(repository: Repository) -> None:
    first = script(
        """
        mkdir /tmp/data && echo a > /tmp/data/a
        cp -R /tmp/data /outputs/nested
        cp -R /tmp/data /outputs
        """,
        outputs="{nested: {type: volume}, data: {type: volume}}",
    )
    second = script(
        "cd /inputs && find . -type f | sort > /outputs/found/list",
        needs="[first]",
        inputs="{one: first.outputs.nested, two: first.outputs.data}",
        outputs="{found: {type: dataset, with: {ref: found}}}",
    )
    repository.run(workflow(first=first, second=second))
    assert repository.files("found") == {"list": "./one/data/a\n./two/a\n"}


def test_a_string_is_a_file_and_its_bytes_stay(repository: Repository) -> None:
    first = script(r"printf ' two\nlines\n\n' > /outputs/text", outputs="{text: {type: string}}")
    second = script(
        "test -f /inputs/again && cat /inputs/again > /outputs/found/text",
        needs="[first]",
        inputs="{again: first.outputs.text}",
        outputs="{found: {type: dataset, with: {ref: found}}}",
    )
    outcome = repository.run(workflow(first=first, second=second))
    assert repository.files("found") == {"text": " two\nlines\n\n"}
    assert outcome.record.jobs["first"].outputs == {"text": " two\nlines\n\n"}


def test_a_volume_is_each_consumers_own_writable_copy(repository: Repository) -> None:
    first = script("echo original > /outputs/code/file", outputs="{code: {type: volume}}")
    writer = script(
        "echo changed > /inputs/code/file; mkdir /inputs/more; rm -rf /inputs/code/other",
        needs="[first]",
        inputs="{code: first.outputs.code}",
    )
    reader = script(
        "cp /inputs/code/file /outputs/found",
        needs="[first, writer]",
        inputs="{code: first.outputs.code}",
        outputs="{found: {type: dataset, with: {ref: found}}}",
    )
    outcome = repository.run(workflow(first=first, writer=writer, reader=reader))
    assert set(outcome.phases().values()) == {"Succeeded"}
    assert repository.files("found") == {"file": "original\n"}


def test_a_dataset_input_is_read_only_and_its_version_is_in_the_lineage(repository: Repository) -> None:
    make = script("echo 1 > /outputs/d/file", outputs="{d: {type: dataset, with: {ref: data}}}")
    repository.run(workflow(make=make))
    use = script(
        "cat /inputs/d/file; echo 2 > /inputs/d/file || cp /inputs/d/file /outputs/copy",
        inputs="{d: {type: dataset, with: {ref: data}}}",
        outputs="{copy: {type: dataset, with: {ref: copied}}}",
    )
    outcome = repository.run(workflow(use=use))
    assert "Read-only file system" in outcome.log("use")
    assert repository.files("copied") == {"file": "1\n"}
    made_from = str(repository.manifest("data").version)
    assert repository.manifest("copied").lineage["inputs"] == {"d": f"data:{made_from}"}


def test_a_workflows_dataset_input_is_the_version_before_the_run(repository: Repository) -> None:
    out = "{d: {type: dataset, with: {ref: data}}}"
    repository.run(workflow(make=script("echo old > /outputs/d/file", outputs=out)))
    make = script("echo new > /outputs/d/file", outputs=out)
    head = "inputs: {data: {type: dataset, with: {ref: data}}}\n"
    use = script("cat /inputs/d/file", needs="[make]", inputs="{d: workflow.inputs.data}")
    assert "old" in repository.run(head + workflow(make=make, use=use)).log("use").splitlines()


def test_workflow_inputs_arrive_byte_for_byte(repository: Repository) -> None:
    text = "a 'quoted' \"text\" $(touch /oops) {{workflow.name}}\n\x1b🙂 "
    head = "inputs: {prompt: {type: string, with: {value: none}}}\n"
    job = script(
        "cp /inputs/p /outputs/d",
        inputs="{p: workflow.inputs.prompt}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    )
    repository.run(head + workflow(job=job), parameters={"prompt": text})
    assert repository.files("d") == {"p": text}


def test_a_shared_volume_of_the_legacy_dialect_is_one_folder_for_the_run(repository: Repository) -> None:
    first = script("echo here > /inputs/shared/file", inputs="{shared: {type: volume}}")
    second = script("cat /inputs/shared/file", needs="[first]", inputs="{shared: {type: volume}}")
    outcome = repository.run(workflow(first=first, second=second))
    assert "here" in outcome.log("second")


def test_a_checkout_into_a_shared_volume_never_writes_through_a_link(
    repository: Repository, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(300):
        repository.write(f"deep/{number}", "code")
    repository.commit()
    swap = script(
        f"""
        cd /inputs/shared
        for i in $(seq 300); do
          mkdir -p deep; mv -T deep aside.$i; ln -s {outside} deep; ls deep > /dev/null; rm -rf deep
        done
        """,
        inputs="{shared: {type: volume}}",
    )
    checkout = (
        "uses: git-checkout@v1\ninputs: {shared: {type: volume}}\nwith:\n  url: context.event.github.url\n"
    )
    jobs = {f"checkout{number}": checkout + "  path: /inputs/shared\n" for number in range(3)}
    repository.run(workflow(swap=swap, **jobs))
    assert not list(outside.iterdir())


@pytest.mark.parametrize("url", ["context.event.github.url", "ROOT"])
def test_a_checkout_below_a_link_of_a_shared_volume_is_refused(
    repository: Repository, tmp_path: Path, url: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    repository.write("file", "code")
    commit = repository.commit()
    link = script(f"ln -s {outside} /inputs/shared/link", inputs="{shared: {type: volume}}")
    other = f"{repository.root.as_uri()}\n  ref: {commit}" if url == "ROOT" else url
    checkout = (
        "needs: [link]\nuses: git-checkout@v1\ninputs: {shared: {type: volume}}\n"
        f"with:\n  url: {other}\n  path: /inputs/shared/link/code\n"
    )
    outcome = repository.run(workflow(link=link, checkout=checkout))
    assert outcome.phases() == {"link": "Succeeded", "checkout": "Failed"}
    message = "/inputs/shared/link/code: a part of the path is not a folder"
    assert outcome.record.jobs["checkout"].message == message
    assert not list(outside.iterdir())


def test_a_tree_that_is_too_deep_fails_the_job_and_is_removed(repository: Repository) -> None:
    deep = script(
        "cd /outputs/d; for i in $(seq 1200); do mkdir d; cd d; done",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    )
    outcome = repository.run(workflow(deep=deep))
    assert "folders in one another" in outcome.record.jobs["deep"].message
    assert not list(outcome.folder.glob("jobs/*/outputs"))


def test_storage_stays_from_run_to_run_and_undeclared_outputs_do_not(repository: Repository) -> None:
    write = script("echo kept > /storage/file; mkdir /outputs/none; echo lost > /outputs/none/file")
    repository.run(workflow(job=write))
    assert "kept" in repository.run(workflow(job=script("cat /storage/file; ls /outputs"))).log("job")
    assert not list(repository.root.glob(".textgen/runs/*/jobs/*/outputs"))


@pytest.mark.parametrize(
    ("text", "output", "message"),
    [
        ("true", "s: {type: string}", "/outputs/s: no such file; the job must write its string there"),
        ("mkdir /outputs/s", "s: {type: string}", "/outputs/s: not a regular file"),
        ("ln -s /etc/passwd /outputs/s", "s: {type: string}", "/outputs/s: a link, which is not followed"),
        ("mkfifo /outputs/s", "s: {type: string}", "/outputs/s: not a regular file"),
        ("truncate -s 1T /outputs/s", "s: {type: string}", "over 256 KiB"),
        ("printf '\\xff' > /outputs/s", "s: {type: string}", "not UTF-8"),
        ("head -c 300000 /dev/zero > /outputs/s", "s: {type: string}", "over 256 KiB"),
        ("rmdir /outputs/v; ln -s /etc /outputs/v", "v: {type: volume}", "replaced the folder"),
        ("exit 3", "d: {type: dataset, with: {ref: d}}", "exit status 3"),
        ("kill -9 $$", "d: {type: dataset, with: {ref: d}}", "out of memory?"),
    ],
)
def test_an_output_that_is_not_one_fails_the_job(
    repository: Repository, text: str, output: str, message: str
) -> None:
    outcome = repository.run(workflow(job=script(text, outputs=f"{{{output}}}")))
    assert outcome.phases() == {"job": "Failed"}
    assert message in outcome.record.jobs["job"].message
    assert repository.datasets.datasets() == []
