"""Rows on several devices: here processes of the echo engine, which is quick, or waits for ever."""

import os
import pickle
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from job.errors import ModelError, TextgenError
from job.generate.engines.devices import DevicesEngine
from job.generate.engines.echo import EchoEngine
from job.generate.engines.engine import Completion, Completions, Generate, Row
from job.generate.models.find import ModelFiles
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts
from tests.cluster.kubernetes import until

FILES = ModelFiles("echo", "", Path())


class NotingEcho(EchoEngine):
    """Writes its process' number and each row's into a file."""

    slots = 4

    def __init__(self, notes: Path) -> None:
        super().__init__(FILES, Settings())
        self.notes = notes

    def load(self, longest: int) -> Generate:
        return self._generate

    def _generate(self, rows: Iterable[Row]) -> Completions:
        for row, completion in super().load(0)(rows):
            with self.notes.open("a") as notes:
                notes.write(f"{os.getpid()} {row.number}\n")
            time.sleep(0.02)
            yield row, completion


class BrokenEcho(EchoEngine):
    """Fails at its second row."""

    def load(self, longest: int) -> Generate:
        return self._fail

    def _fail(self, rows: Iterable[Row]) -> Completions:
        yield from list(super().load(0)([next(iter(rows))]))
        raise TextgenError("out of memory")


class SizingEcho(EchoEngine):
    """Ends each row after as many tokens as the row has bytes."""

    def __init__(self) -> None:
        super().__init__(FILES, Settings())

    def load(self, longest: int) -> Generate:
        return lambda rows: ((row, Completion((len(pickle.dumps(row)),), "length")) for row in rows)


class AbsentEcho(EchoEngine):
    def load(self, longest: int) -> Generate:
        raise ModelError("no such device")


def make_rows(count: int) -> list[Row]:
    echo = EchoEngine(FILES, Settings())
    return [Row(Prompt(str(n), f"row {n}"), echo.tokenizer.encode(f"row {n}"), 1, 3, n) for n in range(count)]


def expected(rows: list[Row]) -> dict[Row, Completion]:
    return dict(EchoEngine(FILES, Settings()).load(0)(rows))


def on_devices(*engines: object) -> Generate:
    first = EchoEngine(FILES, Settings())
    first.slots = 4
    make = {f"cpu:{number}": engine for number, engine in enumerate(engines)}
    return DevicesEngine(first, make).load(10)  # type: ignore[arg-type]


def test_stop_texts_end_rows_there_too() -> None:
    rows = [replace(row, stops=StopTexts(("w 1",), EchoEngine.tokenizer)) for row in make_rows(3)]
    completions = on_devices(partial(EchoEngine, FILES, Settings()))(rows)
    assert {row.number: completion.finish_reason for row, completion in completions} == {
        0: "length",
        1: "stop",
        2: "length",
    }


class GrammarEcho(EchoEngine):
    """It says which grammar a row has."""

    def load(self, longest: int) -> Generate:
        return lambda rows: (
            (row, Completion((), row.matcher.grammar if row.matcher else "")) for row in rows
        )


def test_structures_get_there_too() -> None:
    from job.generate.matcher import Matcher

    first, second = make_rows(2)
    rows = [replace(first, matcher=Matcher("a grammar", EchoEngine.tokenizer)), second]
    completions = on_devices(partial(GrammarEcho, FILES, Settings()))(rows)
    assert {row.number: completion.finish_reason for row, completion in completions} == {
        0: "a grammar",
        1: "",
    }


def test_what_came_with_a_row_stays_here() -> None:
    (row,) = make_rows(1)
    row.prompt.row = {"book": "x" * 1_000_000}
    ((_, completion),) = on_devices(SizingEcho)([row])
    assert completion.token_ids[0] < 1000


def test_each_row_is_computed_once_and_every_device_has_some(tmp_path: Path) -> None:
    rows, notes = make_rows(60), tmp_path / "notes"
    noting = partial(NotingEcho, notes)
    assert dict(on_devices(noting, noting)(rows)) == expected(rows)
    lines = [line.split() for line in notes.read_text().splitlines()]
    assert sorted(int(number) for _, number in lines) == list(range(60))
    assert len({process for process, _ in lines}) == 2


def test_a_device_that_is_killed_gives_its_rows_to_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, notes = make_rows(60), tmp_path / "notes"
    noting = partial(NotingEcho, notes)
    done = {}
    for row, completion in on_devices(noting, noting)(rows):
        done[row] = completion
        if len(done) == 10:
            os.kill(int(notes.read_text().split()[0]), signal.SIGKILL)
    assert done == expected(rows)
    assert "its process ended with status -9; its rows go to the others" in capsys.readouterr().err


def test_a_device_that_fails_at_the_end_leaves_no_row_out(capsys: pytest.CaptureFixture[str]) -> None:
    rows = make_rows(8)
    engines = (partial(BrokenEcho, FILES, Settings()), partial(EchoEngine, FILES, Settings()))
    assert dict(on_devices(*engines)(rows)) == expected(rows)
    assert capsys.readouterr().err == "cpu:0: out of memory; its rows go to the others\n"


def test_the_error_of_the_last_device_is_that_of_the_run() -> None:
    absent = partial(AbsentEcho, FILES, Settings())
    with pytest.raises(ModelError, match=r"^cpu:\d: no such device$"):
        list(on_devices(absent, absent)(make_rows(3)))


def has_ended(process: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_generation_that_is_left_leaves_no_process(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    generate = on_devices(partial(NotingEcho, notes))
    texts = generate(make_rows(50))
    next(texts)
    process = int(notes.read_text().split()[0])
    texts.close()
    until(lambda: has_ended(process), "the end of the process", 60)
