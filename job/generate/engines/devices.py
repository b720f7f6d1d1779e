"""One model on several devices: a process for each, rows handed out as slots become free."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from job.command import print_notice
from job.errors import TextgenError
from job.generate.engines.engine import Completion, Completions, Engine, Generate, Row
from job.generate.models.tokenizer import Tokenizer
from job.generate.prompts.prompt import Prompt
from job.generate.stop_texts import StopTexts

if TYPE_CHECKING:
    from job.generate.matcher import Matcher


class DevicesEngine(Engine):
    """Engines of one model on several devices; what they have in common is the first one's.

    make: of each device what makes its engine there; it is called in the device's own process.
    """

    def __init__(self, engine: Engine, make: Mapping[str, Callable[[], Engine]]) -> None:
        self._engine, self._make = engine, make
        self.name, self.libraries = engine.name, engine.libraries
        self.files, self.dtype = engine.files, engine.dtype
        self.device = ", ".join(make)
        self.slots = engine.slots * len(make)
        self.context_length, self.vocabulary_size = engine.context_length, engine.vocabulary_size

    @property
    def tokenizer(self) -> Tokenizer:
        return self._engine.tokenizer

    def identity(self) -> dict[str, Any]:
        # Which rows are computed together is not known: batches are no part of it.
        identity = self._engine.identity()
        return {name: value for name, value in identity.items() if name != "batch_size"}

    def load(self, longest: int) -> Generate:
        workers = [_Worker(device, make, longest) for device, make in self._make.items()]
        return partial(_generate, workers, self._engine.slots)


class _Worker:
    """The process of a device. `rows` are those that it has and has not completed, by number."""

    def __init__(self, device: str, make: Callable[[], Engine], longest: int) -> None:
        self.device = device
        self.rows: dict[int, Row] = {}
        self._waits = False  # for more rows, before it goes on with those that it has
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, make, longest), name=device, daemon=True)
        self.process.start()
        theirs.close()

    def fill(self, count: int, rows: Iterator[Row]) -> None:
        """Give it rows until it has `count`; if there are no more, say so."""
        with suppress(OSError):  # its process has ended, which is seen when it is read from
            while len(self.rows) < count:
                row = next(rows, None)
                if row is not None:
                    self.rows[row.number] = row
                elif not self._waits:
                    return
                self._waits = row is not None
                self.connection.send(row and _pack(row))

    def receive(self) -> tuple[int, Completion]:
        """A row's number, and its completion. Raises TextgenError if the engine or its process failed."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise TextgenError(f"its process ended with status {self.process.exitcode}") from None
        if isinstance(message, TextgenError):
            raise message
        number, completion = message
        return number, completion


def _generate(workers: list[_Worker], slots: int, rows: Iterable[Row]) -> Completions:
    """Each row with its completion. A device that fails ends alone: its rows go to the others."""
    waiting = iter(rows)
    try:
        while True:
            for worker in workers:
                worker.fill(2 * slots, waiting)  # as many wait as run, so that none has to when one ends
            if not any(worker.rows for worker in workers):
                return
            for connection in wait([worker.connection for worker in workers]):
                worker = next(each for each in workers if each.connection is connection)
                try:
                    number, completion = worker.receive()
                except TextgenError as error:
                    workers.remove(worker)
                    if not workers:
                        raise type(error)(f"{worker.device}: {error}") from None
                    print_notice(f"{worker.device}: {error}; its rows go to the others")
                    waiting = chain(worker.rows.values(), waiting)
                else:
                    yield worker.rows.pop(number), completion
    finally:
        for worker in workers:
            worker.process.terminate()


def _work(connection: Connection, make: Callable[[], Engine], longest: int) -> None:
    """What a device's process does: rows come in, completions go out, until the other side is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all processes; the first one ends the others
    with suppress(EOFError, BrokenPipeError):
        try:
            engine = make()
            generate = engine.load(longest)
            while True:
                with closing(generate(_receive(connection, engine))) as completions:
                    for row, completion in completions:
                        connection.send((row.number, completion))
        except TextgenError as error:
            connection.send(error)


def _pack(row: Row) -> tuple[Row, tuple[str, ...], str]:
    """What a device needs of a row: neither all that came with it nor a copy of the tokenizer."""
    lean = replace(row, prompt=Prompt(row.prompt.id, row.prompt.text), stops=None, matcher=None)
    return lean, row.stops.texts if row.stops else (), row.matcher.grammar if row.matcher else ""


def _receive(connection: Connection, engine: Engine) -> Iterator[Row]:
    """Rows, until there are no more for now."""
    while (packed := connection.recv()) is not None:
        row, texts, grammar = packed
        stops = StopTexts(texts, engine.tokenizer, row.min_new_tokens) if texts else None
        yield replace(row, stops=stops, matcher=_make_matcher(grammar, engine))


def _make_matcher(grammar: str, engine: Engine) -> "Matcher | None":
    if not grammar:
        return None
    from job.generate.matcher import Matcher  # imports llguidance

    return Matcher(grammar, engine.tokenizer)
