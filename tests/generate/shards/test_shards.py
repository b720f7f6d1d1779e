"""A run in shards: what they leave, one after the other, is what a run alone leaves."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import Table
from pyarrow.parquet import write_table

from job.__main__ import main
from job.errors import InputError, PromptError, SettingsError, TextgenError
from job.generate import formats, generation, outputs
from job.generate.engines.choose import open_engine
from job.generate.outputs import read_record
from job.generate.prompts import files
from job.generate.prompts.files import RowFile
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.shards.plan import write_plan
from job.generate.shards.run import run_shard
from tests.generate.conftest import read_rows, slow_job

PIECE = {"name": "a.txt", "place": "", "path": "/a.txt", "line": 1, "start": 0, "end": 1, "sha256": ""}
ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=2, on_error="skip")


def run_alone(settings: Settings, folder: Path) -> bytes:
    run(settings, folder / "whole")
    return (folder / "whole" / outputs.ROWS).read_bytes()


def run_shards(settings: Settings, shards: int, folder: Path, copy_rows: bool = False) -> bytes:
    plan, texts = folder / "plan", folder / "texts"
    write_plan(settings, shards, plan, copy_rows)
    for number in range(shards):
        run_shard(plan / f"{number:05}", texts / str(number))
    return read_shards(folder, shards)


def count_rows(folder: Path) -> int:
    return (folder / outputs.ROWS).read_bytes().count(b"\n")


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return list(files.read_parquet(RowFile(path, path.name)))


def read_shards(folder: Path, shards: int) -> bytes:
    return b"".join((folder / "texts" / str(number) / outputs.ROWS).read_bytes() for number in range(shards))


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pulls the plug, so nothing has to reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def rows(tmp_path: Path) -> Settings:
    """Rows of two files: seven of them, and 13 texts."""
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfOne\r\nTwo three\n\n\xef\xbb\xbfFour")
    (folder / "b.jsonl").write_text(
        '{"prompt": "x", "n": 3}\n{"prompt": "y", "id": "a"}\n{"prompt": "z", "id": "a"}\n'
    )
    return replace(ECHO, prompts=str(folder))


@pytest.mark.parametrize("copy_rows", [False, True])
def test_a_file_s_name_may_be_no_utf_8(tmp_path: Path, copy_rows: bool) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / os.fsdecode(b"a\xff.txt")).write_text("One\nTwo")
    settings = replace(ECHO, prompts=str(tmp_path / "rows"))
    assert run_shards(settings, 3, tmp_path, copy_rows) == run_alone(settings, tmp_path)
    shard = json.loads((tmp_path / "plan" / "00000" / "shard.json").read_bytes())
    assert shard["pieces"][0]["path"].isascii() is copy_rows  # a store takes no other JSON


@pytest.mark.parametrize("copy_rows", [False, True])
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 13, 20])
def test_the_rows_of_all_shards_are_those_of_a_run_alone(
    rows: Settings, tmp_path: Path, shards: int, copy_rows: bool
) -> None:
    assert run_shards(rows, shards, tmp_path, copy_rows) == run_alone(rows, tmp_path)


def test_shards_differ_by_at_most_one_text(rows: Settings, tmp_path: Path) -> None:
    write_plan(rows, 5, tmp_path / "plan")
    plan = json.loads((tmp_path / "plan" / "plan.json").read_bytes())
    assert (plan["prompts"], plan["texts"], plan["texts_of_shards"]) == (7, 13, [3, 3, 3, 2, 2])


def test_a_prompt_of_the_settings_is_shared_out_by_its_texts(tmp_path: Path) -> None:
    settings = replace(ECHO, prompt="One two three", num_return_sequences=10)
    assert run_shards(settings, 4, tmp_path) == run_alone(settings, tmp_path)
    assert read_record(tmp_path / "texts" / "3")["rows"] == 2


def test_a_row_that_only_the_tokenizer_refuses_is_in_one_shard(tmp_path: Path) -> None:
    settings = replace(ECHO, prompt="One two three", num_return_sequences=3, max_new_tokens=0, max_length=2)
    assert run_shards(settings, 3, tmp_path) == run_alone(settings, tmp_path)
    assert [read_record(tmp_path / "texts" / str(number))["rows"] for number in range(3)] == [1, 0, 0]


def test_standard_input_is_copied(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_bytes(b"One\nTwo\n")
    arguments = ["--shards", "2", "--engine", "echo", "--prompts", "-", str(tmp_path / "plan")]
    with rows.open("rb") as stdin:
        subprocess.run([sys.executable, "-m", "job", "plan", *arguments], stdin=stdin, check=True)
    run_shard(tmp_path / "plan" / "00001", tmp_path / "texts")
    assert {row["id"] for row in read_rows(tmp_path / "texts")} == {"stdin.txt:2"}


def test_a_template_s_file_need_not_be_there_any_more(rows: Settings, tmp_path: Path) -> None:
    (tmp_path / "template").write_text("@{prompt}")
    settings = replace(rows, template=f"@{tmp_path / 'template'}")
    whole = run_alone(settings, tmp_path)
    write_plan(settings, 2, tmp_path / "plan")
    (tmp_path / "template").unlink()
    for number in range(2):
        run_shard(tmp_path / "plan" / f"{number:05}", tmp_path / "texts" / str(number))
    assert read_shards(tmp_path, 2) == whole


@pytest.mark.model
@pytest.mark.parametrize(
    "changed",
    [
        {"json_schema": '{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}'},
        {"choices": ("a, b", "[c]", "d")},
        {"regex": "[a-e]{2,9}"},
        {"bad_words": ("[e", "o"), "min_new_tokens": 3, "logprobs": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_shards_have_the_run_s_structure_and_bans(
    llama: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    settings = Settings(model=str(llama), engine="openvino", max_new_tokens=12, **changed)
    assert run_shards(settings, 3, tmp_path) == run_alone(settings, tmp_path)


def test_a_line_of_openai_s_results_has_all_texts_of_its_prompt(rows: Settings, tmp_path: Path) -> None:
    settings = replace(rows, format="openai")
    assert run_shards(settings, 5, tmp_path) == run_alone(settings, tmp_path)
    parts = sorted((tmp_path / "texts").glob(f"*/{formats.OPENAI}"))
    whole = (tmp_path / "whole" / formats.OPENAI).read_bytes()
    assert b"".join(part.read_bytes() for part in parts) == whole


def test_parquet_files_of_the_shards_have_the_rows(rows: Settings, tmp_path: Path) -> None:
    settings = replace(rows, format="parquet")
    run_shards(settings, 20, tmp_path)
    run_alone(settings, tmp_path)
    parts = sorted((tmp_path / "texts").glob(f"*/{formats.PARQUET}"), key=lambda path: int(path.parent.name))
    assert len(parts) == 13  # none for a shard without texts
    ids = [row["id"] for part in parts for row in read_parquet(part)]
    assert ids == [row["id"] for row in read_parquet(tmp_path / "whole" / formats.PARQUET)]


def test_a_shard_without_texts_needs_no_model(tmp_path: Path) -> None:
    write_plan(replace(ECHO, engine="auto", model="./none", num_return_sequences=1), 2, tmp_path / "plan")
    run_shard(tmp_path / "plan" / "00001", tmp_path / "texts")
    record = read_record(tmp_path / "texts")
    assert (record["state"], record["rows"], record["counts"]["texts"]) == ("completed", 0, 0)
    assert (tmp_path / "texts" / outputs.ROWS).read_bytes() == b""
    run_shard(tmp_path / "plan" / "00001", tmp_path / "texts")


def test_all_shards_have_one_identity(rows: Settings, tmp_path: Path) -> None:
    run_shards(rows, 3, tmp_path)
    run_alone(rows, tmp_path)
    folders = [*(tmp_path / "texts").iterdir(), tmp_path / "whole"]
    first, *others = [read_record(folder)["run"] for folder in folders]
    assert others == [first] * 3


def test_a_shard_says_how_far_it_is(rows: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "argo"))
    run_shards(rows, 13, tmp_path)
    assert (tmp_path / "argo").read_text() == "1/1\n"
    progress = json.loads((tmp_path / "texts" / "0" / "progress.json").read_bytes())
    assert {**progress, "seconds": None} == {"done": 1, "texts": 1, "new_tokens": 2, "seconds": None}
    run_shard(tmp_path / "plan" / "00000", tmp_path / "texts" / "0")
    progress = json.loads((tmp_path / "texts" / "0" / "progress.json").read_bytes())
    assert progress == {"done": 1, "texts": 1, "new_tokens": 0, "seconds": 0.0}


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_a_shard_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path, blow: signal.Signals) -> None:
    settings = replace(ECHO, prompt="One two three", num_return_sequences=20_000)
    write_plan(settings, 2, tmp_path / "plan")
    folders = [str(tmp_path / "plan" / "00001"), "--output", str(tmp_path / "cut")]
    command = [*slow_job(50), "shard", *folders]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "cut" / outputs.ROWS).exists() or count_rows(tmp_path / "cut") < 50:
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(blow)
    assert 50 <= count_rows(tmp_path / "cut") < 10_000
    for name in ("cut", "whole"):
        run_shard(tmp_path / "plan" / "00001", tmp_path / name)
    assert read_record(tmp_path / "cut")["resumed_at"] >= 50
    assert (tmp_path / "cut" / outputs.ROWS).read_bytes() == (tmp_path / "whole" / outputs.ROWS).read_bytes()


def test_a_file_that_changed_since_the_plan_is_refused(rows: Settings, tmp_path: Path) -> None:
    write_plan(rows, 2, tmp_path / "plan")
    path = Path(rows.prompts) / "a.txt"
    path.write_bytes(path.read_bytes().replace(b"One", b"Our"))
    with pytest.raises(PromptError, match=r"rows/a\.txt: changed since the shards were planned; start"):
        run_shard(tmp_path / "plan" / "00000", tmp_path / "texts")
    path.unlink()
    with pytest.raises(PromptError, match=r"rows/a\.txt: can't be read: No such file or directory"):
        run_shard(tmp_path / "plan" / "00000", tmp_path / "texts")
    assert not (tmp_path / "texts").exists()


def test_another_shard_s_texts_are_not_mixed_in(rows: Settings, tmp_path: Path) -> None:
    run_shards(rows, 2, tmp_path)
    write_plan(replace(rows, seed=7), 2, tmp_path / "other")
    with pytest.raises(InputError, match=r"another run \(seed 42, not 7\); start the run anew"):
        run_shard(tmp_path / "other" / "00000", tmp_path / "texts" / "0")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"on_error": "fail"}, PromptError, "2 of 7 rows are wrong; correct them, or give --on-error skip"),
        ({"max_errors": 1}, TextgenError, "2 of 7 rows are wrong, and max_errors is 1"),
        ({"prompts": "/none"}, PromptError, "/none: no such file or folder of prompts"),
        ({"template": "no field"}, SettingsError, "template: it has no field"),
    ],
)
def test_a_plan_says_of_bad_rows_what_a_run_says(
    rows: Settings, tmp_path: Path, changes: dict[str, Any], error: type[TextgenError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(replace(rows, **changes), tmp_path / "whole")
    with pytest.raises(error, match=message):
        write_plan(replace(rows, **changes), 2, tmp_path / "plan")
    assert not (tmp_path / "plan").exists()


def test_a_plan_overwrites_nothing(tmp_path: Path) -> None:
    write_plan(ECHO, 1, tmp_path / "plan")
    with pytest.raises(InputError, match="plan: not empty; give another folder, or delete it"):
        write_plan(ECHO, 1, tmp_path / "plan")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("One\n" * 5000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, limits[1]))
    try:
        with pytest.raises(TextgenError, match=r"plan: File too large$"):
            write_plan(
                replace(ECHO, prompts=str(tmp_path / "rows.txt")), 1, tmp_path / "plan", copy_rows=True
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "plan" / "plan.json").exists()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"format": 2}'])
def test_a_folder_that_is_no_shard_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "shard.json").write_text(content)
    with pytest.raises(InputError, match=r"shard\.json: (can't be read|not written by this version)"):
        run_shard(tmp_path, tmp_path / "texts")


@pytest.mark.parametrize(
    "change",
    [
        {"texts": "3"},
        {"first_sequence": None},
        {"template": 5},
        *({"pieces": [{**PIECE, **change}]} for change in ({"start": "x"}, {"name": 3}, {"path": None})),
    ],
    ids=str,
)
def test_a_shard_with_values_of_other_types_is_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    write_plan(ECHO, 1, tmp_path / "plan")
    path = tmp_path / "plan" / "00000" / "shard.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(InputError, match=r"shard\.json: not written by this version"):
        run_shard(path.parent, tmp_path / "texts")


def test_a_shard_of_unknown_settings_is_one_line(tmp_path: Path) -> None:
    write_plan(ECHO, 1, tmp_path / "plan")
    path = tmp_path / "plan" / "00000" / "shard.json"
    path.write_text(path.read_text().replace('"seed"', '"sead"'))
    with pytest.raises(
        InputError, match=r"shard\.json: settings: unknown setting 'sead'; did you mean 'seed'"
    ):
        run_shard(path.parent, tmp_path / "texts")


@pytest.mark.parametrize("shards", ["0", "1001", "x"])
def test_there_are_1_to_1000_shards(shards: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--shards", shards, str(tmp_path / "plan")])
    assert ended.value.code == 2
    assert "Invalid value for '--shards'" in capsys.readouterr().err


@pytest.mark.model
def test_the_embedded_model_s_texts_are_the_same_in_any_number_of_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"prompt": f"Once upon a time there were {number} animals"} for number in range(10, 74)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    settings = Settings(model="smollm2-135m", engine="openvino", device="cpu", num_return_sequences=1)
    settings = replace(settings, prompts=str(tmp_path / "rows.jsonl"), max_new_tokens=4)
    engine = open_engine(settings)
    monkeypatch.setattr(engine, "load", cache(engine.load))  # it takes longer than the texts
    monkeypatch.setattr(generation, "open_engine", lambda *_: engine)
    one, four, sixteen = (run_shards(settings, shards, tmp_path / str(shards)) for shards in (1, 4, 16))
    assert one == four == sixteen


WORDS = st.text("ab é\u2028\x0c", max_size=6)
ROWS = st.one_of(
    st.fixed_dictionaries(
        {"prompt": WORDS},
        optional={"n": st.integers(1, 5), "id": st.sampled_from(["a", "b", 1, "f0.jsonl:1"]), "x": st.none()},
    ),
    st.builds(lambda text: {"messages": [{"role": "user", "content": text}]}, WORDS),
    st.just({"custom_id": "c", "url": "/v1/completions", "body": {"prompt": "a", "n": 2}}),
)
LINES = st.one_of(
    ROWS.map(lambda row: json.dumps(row, ensure_ascii=False).encode()),
    WORDS.map(str.encode),
    st.sampled_from([b"", b"[]", b"\xff", b"\0", b"a\r", b" ", b"\xef\xbb\xbfa"]),
)
COLUMNS = st.fixed_dictionaries(
    {"prompt": st.one_of(WORDS, st.none())},
    optional={"id": WORDS, "n": st.integers(1, 3), "day": st.dates(), "bytes": st.just(b"x")},
)
COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}


@st.composite
def row_files(draw: st.DrawFn) -> tuple[str, bytes | list[dict[str, Any]]]:
    """A file's name without its number, and its bytes or the rows of a .parquet one."""
    kind = draw(st.sampled_from([".jsonl", ".txt", ".parquet"]))
    if kind == ".parquet":
        return kind, draw(st.lists(COLUMNS, max_size=4))
    lines = draw(st.lists(LINES, max_size=5))
    content = draw(st.sampled_from([b"\n", b"\r\n"])).join(lines) + draw(st.sampled_from([b"", b"\n"]))
    suffix = draw(st.sampled_from(list(COMPRESS)))
    return kind + suffix, COMPRESS[suffix](draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + content)


def write_files(folder: Path, contents: Sequence[tuple[str, bytes | list[dict[str, Any]]]]) -> None:
    folder.mkdir()
    # One row at least, so that the run is one.
    for number, (suffix, content) in enumerate([*contents, (".txt", b"end")]):
        path = folder / f"f{number}{suffix}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            names = dict.fromkeys(name for row in content for name in row)
            write_table(Table.from_pylist([{name: row.get(name) for name in names} for row in content]), path)


def kill(folder: Path, share: float) -> None:
    """Leave of a shard's outputs what a killed process leaves: a part of the rows, and perhaps of one."""
    rows = folder / outputs.ROWS
    os.truncate(rows, round(rows.stat().st_size * share))
    record = json.loads((folder / outputs.RECORD).read_bytes())
    (folder / outputs.RECORD).write_text(json.dumps({**record, "state": "running"}))


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(row_files(), max_size=3),
    shards=st.integers(1, 6),
    texts=st.integers(1, 4),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "max_length": st.integers(2, 4),  # with which some rows are too long
            "system": st.just("Be brief."),
            "format": st.just("openai"),
            "template": st.just("Say {prompt}"),
        },
    ),
    copy_rows=st.booleans(),
    killed=st.floats(0, 1),
)
def test_any_rows_in_any_number_of_shards_come_back_as_from_a_run_alone(
    contents: Sequence[tuple[str, bytes | list[dict[str, Any]]]],
    shards: int,
    texts: int,
    changes: Mapping[str, Any],
    copy_rows: bool,
    killed: float,
) -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(folder / "rows", contents)
        settings = Settings(engine="echo", on_error="skip", num_return_sequences=texts, max_length=5)
        settings = replace(settings, prompts=str(folder / "rows"), **changes)
        whole = run_alone(settings, folder)
        assert run_shards(settings, shards, folder, copy_rows) == whole
        number = round(killed * (shards - 1))
        kill(folder / "texts" / str(number), killed)
        run_shard(folder / "plan" / f"{number:05}", folder / "texts" / str(number))
        assert read_shards(folder, shards) == whole
