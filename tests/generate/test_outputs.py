"""What the output folder holds, also after a kill or on a full disk."""

import json
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import InputError, TextgenError
from job.generate import outputs
from tests.cluster.kubernetes import until

TUTORIAL = "---\nOutput 1 of 2\n---\n\nHello, a\n\n---\nOutput 2 of 2\n---\n\nHello, b\n"


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: writes come back short and then fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def row(number: int, text: str = "x") -> dict[str, object]:
    return {"id": "prompt", "sequence": number, "text": text}


def test_the_texts_are_written_as_the_tutorial_does() -> None:
    rows = [row(1, "Hello, a"), row(2, "Hello, b")]
    others = [{**each, "id": "other"} for each in rows]
    assert "".join(outputs.format_texts(rows)) == TUTORIAL
    assert "".join(outputs.format_texts([*rows, *others])) == TUTORIAL + "\n" + TUTORIAL


def test_a_torn_row_is_overwritten_by_the_next_one(tmp_path: Path) -> None:
    with outputs.open_outputs(tmp_path) as out:
        out.add(0, row(1))
    with (tmp_path / outputs.ROWS).open("a") as file:
        file.write('{"id": "prompt", "sequ')
    with outputs.open_outputs(tmp_path) as out:
        assert (out.done, list(out.read_rows())) == (1, [row(1)])
        out.add(1, row(2, "é\n\u2028"))
    lines = (tmp_path / outputs.ROWS).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [row(1), row(2, "é\n\u2028")]


def test_rows_are_on_the_disk_soon_after_they_are_added(
    tmp_path: Path, disk_calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_SYNC_SECONDS", 0.3)
    file = tmp_path / outputs.ROWS
    with outputs.open_outputs(tmp_path) as out:
        disk_calls.clear()
        out.add(0, row(1))
        assert disk_calls == [f"sync {file} {file.stat().st_size}"]
        for number in (1, 2):
            out.add(number, row(number))
        whole = f"sync {file} {file.stat().st_size}"
        until(lambda: whole in disk_calls, "the last row on the disk", 60)


def test_rows_are_written_in_their_order_whenever_they_end(tmp_path: Path) -> None:
    whole = [row(number) for number in range(6)]
    with outputs.open_outputs(tmp_path) as out:
        for number in (3, 1, 0, 2, 5):
            assert not out.has(number)
            out.add(number, whole[number])
            assert out.has(number)
        assert (out.in_order, out.done, out.has(4)) == (4, 5, False)
        assert list(out.read_rows()) == whole[:4]
        out.add(4, whole[4])
        assert list(out.read_rows()) == whole
    assert {path.name for path in tmp_path.iterdir()} == {outputs.ROWS}


@given(order=st.permutations(range(8)), kills=st.sets(st.integers(0, 7)))
def test_rows_that_were_put_aside_outlive_a_kill(order: list[int], kills: set[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, copy = Path(name) / "run", Path(name) / "copy"
        with ExitStack() as stack:
            out = stack.enter_context(outputs.open_outputs(folder))
            for place, number in enumerate(order):
                out.add(number, row(number))
                if place in kills:  # what another process finds
                    shutil.copytree(folder, copy)
                    with outputs.open_outputs(copy) as after:
                        assert all(map(after.has, order[: place + 1]))
                        assert after.done == place + 1
                        for missing in order[place + 1 :]:
                            after.add(missing, row(missing))
                        assert list(after.read_rows()) == [row(number) for number in range(8)]
                    shutil.rmtree(copy)


def test_a_row_that_was_written_and_is_still_put_aside_is_there_once(tmp_path: Path) -> None:
    with outputs.open_outputs(tmp_path) as out:
        out.add(1, row(1))
        early = (tmp_path / outputs.EARLY).read_bytes()
        out.add(0, row(0))
    (tmp_path / outputs.EARLY).write_bytes(early + b'2 {"id": ')
    with outputs.open_outputs(tmp_path) as out:
        assert (out.done, list(out.read_rows())) == (2, [row(0), row(1)])
    assert not (tmp_path / outputs.EARLY).exists()


def test_a_full_disk_tears_nothing_and_the_run_goes_on(tmp_path: Path) -> None:
    with outputs.open_outputs(tmp_path) as out:
        out.add(0, row(1))
        whole = (tmp_path / outputs.ROWS).read_bytes()
        with full_at(len(whole) + 30), pytest.raises(TextgenError, match="run the same command again"):
            out.add(1, row(2, "y" * 100))
        assert (tmp_path / outputs.ROWS).read_bytes() == whole
        out.add(1, row(2))
        assert list(out.read_rows()) == [row(1), row(2)]


def test_a_full_disk_keeps_the_record_that_was_there(tmp_path: Path) -> None:
    with outputs.open_outputs(tmp_path) as out:
        out.write_record({"state": "running"})
        with full_at(4), pytest.raises(TextgenError, match=r"run\.json"):
            out.write_record({"state": "completed"})
        assert outputs.read_record(tmp_path) == {"state": "running"}
    assert {path.name for path in tmp_path.iterdir()} == {outputs.ROWS, outputs.RECORD}


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        outputs.open_outputs(tmp_path),
        pytest.raises(InputError, match="another run is writing there"),
        outputs.open_outputs(tmp_path),
    ):
        pass


def test_overwriting_leaves_nothing_of_the_earlier_run(tmp_path: Path) -> None:
    with outputs.open_outputs(tmp_path) as out:
        out.add(0, row(1))
        out.write_record({})
        out.write_texts()
    (tmp_path / "notes").write_text("kept")
    with outputs.open_outputs(tmp_path, overwrite=True) as out:
        assert (out.done, outputs.read_record(tmp_path)) == (0, {})
    assert {path.name for path in tmp_path.iterdir()} == {"notes"}


@pytest.mark.parametrize(
    ("name", "content"),
    [(outputs.ROWS, b"a\nb"), (outputs.ROWS, b"[1]\n"), (outputs.RECORD, b"[]"), (outputs.EARLY, b"x\n")],
)
def test_somebody_else_s_files_are_left_alone(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not written by textgen"), outputs.open_outputs(tmp_path):
        outputs.read_record(tmp_path)
    assert (tmp_path / name).read_bytes() == content


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="can't be written to"), outputs.open_outputs(path):
            pass


def test_a_place_where_no_folder_can_be_is_one_line() -> None:
    message = "^/proc/foo: can't be written to: No such file or directory; use another --output$"
    with pytest.raises(InputError, match=message), outputs.open_outputs(Path("/proc/foo")):
        pass
