import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from argo.cli.dataset import COMMANDS, command
from argo.cli.tables import align_columns
from argo.units import format_age, format_bytes
from job.datasets import DatasetRef, Datasets
from job.errors import InputError, StoreError, TextgenError

Make = Callable[..., Path]
Run = Callable[..., str]


@pytest.fixture
def run(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a dataset command on a store in a folder and gives what it prints."""
    monkeypatch.setenv("TEXTGEN_STORE", folder)
    monkeypatch.chdir(tmp_path)

    def ran(*words: str) -> str:
        result = CliRunner().invoke(command, words)
        if isinstance(result.exception, TextgenError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return ran


def test_a_dataset_s_life(run: Run, make: Make, tmp_path: Path) -> None:
    assert "no datasets in file:///" in run("list")
    assert run("create", "demo", "-m", "mine") == "Created dataset: demo\n"
    assert "demo has no version yet" in run("versions", "demo")
    first = run("commit", "demo", str(make({"a.txt": "1"})), "-m", "the first").split()[3]
    second = run("put", "demo", str(make({"b.txt": "22"})) + "/", "--path", "sub").split()[3]
    assert run("tag", first, "prod") == f"Set dataset tag: demo:prod is {first}\n"

    header, newest, oldest = run("versions", "demo").splitlines()
    assert header.split() == ["VERSION", "TAGS", "FILES", "SIZE", "AGE", "MESSAGE"]
    assert newest.split()[:5] == [second, "latest", "2", "3", "B"]
    assert oldest.split()[:5] == [first, "prod", "1", "1", "B"]
    assert oldest.endswith("the first")
    assert run("list").split()[:6] == ["NAME", "LATEST", "VERSIONS", "AGE", "demo", second.partition(":")[2]]
    assert run("files", "demo").split() == ["NAME", "SIZE", "a.txt", "1", "B", "sub/b.txt", "2", "B"]

    assert "2 files" in run("get", "demo", "out")
    assert (tmp_path / "out/sub/b.txt").read_text() == "22"
    run("get", "demo:prod")
    assert (tmp_path / "demo/a.txt").read_text() == "1"

    assert run("delete", second) == f"Deleted dataset version: {second}\n"
    assert run("untag", "demo:prod") == "Deleted dataset tag: demo:prod\n"
    assert run("verify") == "1 version verified\n"
    assert second in run("gc", "--older-than", "0s")
    with pytest.raises(InputError, match="has 1 version; --all deletes all versions, too"):
        run("delete", "demo")
    assert run("delete", "demo", "--all") == "Deleted dataset: demo\n"
    assert "no datasets" in run("list")


@pytest.mark.parametrize("output", ["json", "yaml"])
@pytest.mark.parametrize("words", [["list"], ["versions", "demo"], ["files", "demo"], ["show", "demo"]])
def test_objects_for_programs(
    run: Run, folder: str, demo: DatasetRef, make: Make, output: str, words: list[str]
) -> None:
    lineage = {"commit": "abc", "parameters": {"seed": "7"}, "inputs": {}}
    version = Datasets.at(folder).commit_version(demo, make(), lineage=lineage)
    text = run(*words, "-o", output)
    value: Any = json.loads(text) if output == "json" else YAML(typ="safe").load(text)
    first = value if words[0] == "show" else value[0]
    key, expected = {
        "list": ("latest", version.id),
        "versions": ("version", str(version)),
        "files": ("path", "a.txt"),
        "show": ("lineage", lineage),
    }[words[0]]
    assert first[key] == expected


def test_show_says_what_made_a_version(run: Run, folder: str, demo: DatasetRef, make: Make) -> None:
    record = {"settings": {"seed": 42, "model": "gpt2"}, "run": {"model": "gpt2", "revision": "e7da7f2"}}
    source = make({"outputs.txt": "x", "run.json": json.dumps(record)})
    Datasets.at(folder).commit_version(demo, source, lineage={"repository": {"commit": "abc123"}})
    shown = dict(line.split(maxsplit=1) for line in run("show", "demo").splitlines())
    assert shown["lineage.repository.commit:"] == "abc123"
    assert shown["lineage.generation.seed:"] == "42"
    assert shown["lineage.generation.revision:"] == "e7da7f2"


def test_diff_shows_settings_and_files(run: Run, folder: str, demo: DatasetRef, make: Make) -> None:
    datasets = Datasets.at(folder)
    for seed in (42, 43):
        datasets.commit_version(
            demo, make({"seed": str(seed), "same": "s"}), lineage={"parameters": {"seed": seed}}
        )
    old, new = (str(version) for version in reversed(datasets.versions(demo)))
    lines = [line.split() for line in run("diff", old, new).splitlines()]
    assert ["parameters.seed", "42", "->", "43"] in lines
    assert [line[0] for line in lines if line and line[0] in {"same", "seed"}] == ["seed"]
    assert "no difference" in run("diff", old, old)
    assert json.loads(run("diff", old, new, "-o", "json"))["made_by"][0]["after"] == "43"


def test_verify_names_what_is_damaged(run: Run, folder: str, demo: DatasetRef, make: Make) -> None:
    datasets = Datasets.at(folder)
    version = datasets.commit_version(demo, make(), lineage={})
    datasets.store.put(f"default/demo/data/{version.id}/a.txt", b"b")
    with pytest.raises(StoreError, match="1 problem in 1 version"):
        run("verify", "demo:latest")


@pytest.mark.parametrize("name", ["a b", "", "a:b", "a/b"])
def test_a_tag_that_is_no_name_is_shown_as_it_was_typed(
    run: Run, folder: str, demo: DatasetRef, make: Make, name: str
) -> None:
    Datasets.at(folder).commit_version(demo, make(), lineage={})
    with pytest.raises(InputError, match=f"^'{name}' can't be a tag; write letters, digits, "):
        run("tag", "demo:latest", name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["versions", "a/b/c"], "not a dataset reference"),
        (["list", "--store", "ftp://x"], "not a dataset store: 'ftp://x'"),
        (["list", "--store", "s3://b?endpont=x"], "unknown option 'endpont'; did you mean 'endpoint'"),
        (["list", "--store", "s3://[b"], "not a bucket's URL"),
        (
            ["list", "--store", "s3://b?endpoint=http://minio:9000x"],
            "the endpoint must be like http://host:9000",
        ),
        (["list", "--store", "s3://b?endpoint=host:9000"], "the endpoint must be like http"),
        (["list", "--store", "s3:///x"], "not a bucket's URL"),
        (["list", "--store", "file://host/x"], "not a folder's URL"),
        (["gc", "--older-than", "soon"], "not a duration"),
        (["gc", "--older-than", "999999d"], "not a duration"),
        (["create", "runs/x"], "'runs' is reserved for the store"),
    ],
)
def test_what_is_typed_wrong_is_reported(run: Run, words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(*words)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert align_columns([["a\x1b[31m", "b"]]) == "a�[31m   b"
    assert [format_bytes(n) for n in (0, 1023, 1024, 3 << 30)] == ["0 B", "1023 B", "1.0 KiB", "3.0 GiB"]
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    ages = [format_age(now - timedelta(seconds=seconds), now) for seconds in (5, 600, 7300, 90000, 300000)]
    assert ages == ["5s", "10m", "2h", "25h", "3d"]


def test_looking_needs_neither_boto3_nor_torch(folder: str) -> None:
    code = (
        "import sys; from argo.cli import textgen; textgen.main(['dataset', 'list'], standalone_mode=False);"
        "print([name for name in ('boto3', 'obstore', 'torch', 'rich', 'rapidfuzz') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"TEXTGEN_STORE": folder, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"


def test_every_command_is_in_the_page() -> None:
    page = Path(__file__).parents[2].joinpath("docs/datasets.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"textgen dataset {name}" not in page] == []
