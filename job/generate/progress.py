"""How far a run has come: on stderr, and in files for programs."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import click

from job.files import write_atomically
from job.untrusted_json import parse_record

FILE = "progress.json"

_NUMBERS = ("done", "texts", "new_tokens", "seconds")  # of the file
_LINE_SECONDS = 5.0
_ARGO_FILE = (
    "ARGO_PROGRESS_FILE"  # the variable that names it: argo-workflows.readthedocs.io/en/latest/progress
)

Advance = Callable[[int, int], None]


@contextmanager
def report_progress(total: int, done: int = 0) -> Iterator[Advance]:
    """Yield `advance(texts, new_tokens)`: a bar on a terminal, elsewhere a line every few seconds."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()  # None: it is closed (2>&-)
    yield from _show_bar(total, done) if is_terminal else _print_lines(total, done)


def _show_bar(total: int, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("generating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    started, tokens = time.monotonic(), 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=done, speed="")

        def advance(texts: int, new_tokens: int) -> None:
            nonlocal tokens
            tokens += new_tokens
            bar.update(task, advance=texts, speed=format_speed(tokens, time.monotonic() - started))

        yield advance


def _print_lines(total: int, done: int) -> Iterator[Advance]:
    started = last = time.monotonic()
    tokens, done_before = 0, done

    def advance(texts: int, new_tokens: int) -> None:
        nonlocal done, last, tokens
        done, tokens = done + texts, tokens + new_tokens
        now = time.monotonic()
        if now - last >= _LINE_SECONDS and done_before < done < total:
            last = now
            seconds = now - started
            left = format_seconds(seconds / (done - done_before) * (total - done))
            share, speed = f"{done / total:.0%}", format_speed(tokens, seconds)
            click.echo(f"{done} of {total} texts ({share}), {speed}, {left} left", err=True)

    yield advance


def format_speed(tokens: int, seconds: float) -> str:
    """`37 tokens/s`; below 10, with a digit after the point."""
    speed = tokens / seconds if seconds else 0.0
    return f"{speed:.0f} tokens/s" if speed >= 10 else f"{speed:.1f} tokens/s"


def format_seconds(seconds: float) -> str:
    """`40 s`, `12 min` or `3 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class ProgressFiles:
    """Writes the file that Argo's variable names, and a shard's progress.json, at most every few seconds.

    As a context manager it counts the seconds within, and writes at the end. `new_tokens` and `seconds` are
    of this process. A file that can't be written is left out.
    """

    def __init__(self, folder: Path, total: int, done: int, is_shard: bool) -> None:
        self._total, self._done = total, done
        self._file = folder / FILE if is_shard else None
        self._argo_file = os.environ.get(_ARGO_FILE)
        self._started = self._written = 0.0
        self.new_tokens, self.seconds = 0, 0.0

    def __enter__(self) -> Self:
        self._started = self._written = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self.write()

    def advance(self, texts: int, new_tokens: int) -> None:
        self._done += texts
        self.new_tokens += new_tokens
        if (now := time.monotonic()) - self._written >= _LINE_SECONDS:
            self.seconds, self._written = now - self._started, now
            self.write()

    def write(self) -> None:
        values = {
            "done": self._done,
            "texts": self._total,
            "new_tokens": self.new_tokens,
            "seconds": round(self.seconds, 3),
        }
        with suppress(OSError):
            if self._file:
                write_atomically(self._file, [json.dumps(values).encode()])
        with suppress(OSError):
            if self._argo_file and self._total:
                Path(self._argo_file).write_text(f"{self._done}/{self._total}\n")


def parse_progress(body: bytes) -> dict[str, int | float]:
    """The numbers of a shard's progress.json, which any program may have written.

    Raises ValueError if it is none.
    """
    values = parse_record(body)
    try:
        numbers = {name: values[name] for name in _NUMBERS}
        if min(numbers.values()) >= 0:
            return numbers
    except (KeyError, TypeError):
        pass
    raise ValueError("not the progress of a shard")
