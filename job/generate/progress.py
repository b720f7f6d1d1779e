"""How far a run has come, on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_LINE_SECONDS = 5.0

Advance = Callable[[int, int], None]


@contextmanager
def report_progress(total: int, done: int = 0) -> Iterator[Advance]:
    """Yield `advance(texts, new_tokens)`: a bar on a terminal, elsewhere a line every few seconds."""
    yield from _show_bar(total, done) if sys.stderr.isatty() else _print_lines(total, done)


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
            speed = f"{tokens / (time.monotonic() - started):.0f} tokens/s"
            bar.update(task, advance=texts, speed=speed)

        yield advance


def _print_lines(total: int, done: int) -> Iterator[Advance]:
    started = last = time.monotonic()
    tokens = 0

    def advance(texts: int, new_tokens: int) -> None:
        nonlocal done, last, tokens
        done, tokens = done + texts, tokens + new_tokens
        now = time.monotonic()
        if now - last >= _LINE_SECONDS and done < total:
            last = now
            click.echo(f"{done} of {total} texts, {tokens / (now - started):.0f} tokens/s", err=True)

    yield advance
