"""Child processes and threads that end with their run."""

import asyncio
import codecs
import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from argo.local import supervisor

WriteLine = Callable[[str], None]
Result = TypeVar("Result")

# A progress bar redraws its line many times a second; in a log it is a line now and then.
_REDRAW_SECONDS = 5.0
_LONGEST_LINE = 1 << 16
_END = re.compile(r"\r\n|\n|\r")


def supervised(command: Sequence[str], cleanup: Sequence[str] = ()) -> list[str]:
    """The command, ending when its standard input does; see argo.local.supervisor."""
    words = [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), str(len(cleanup))]
    return [*words, *cleanup, *command]


async def run_process(argv: Sequence[str], *, env: Mapping[str, str], write_line: WriteLine) -> int:
    """Run a supervised command and pass on each line that it prints; its exit status.

    When this is cancelled the supervisor stops the command, and this returns only when both have ended.
    """
    # not asyncio's own pipe: its Process.wait() would wait for all who hold that, too
    async with _open_pipe() as (output, end):
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=end,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,  # a terminal's Ctrl-C reaches this process only
            )
        finally:
            os.close(end)
        return await _wait(process, output, write_line)


@contextlib.asynccontextmanager
async def _open_pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe: what is read from it, and the end to write to, which the caller closes."""
    read_end, write_end = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb", buffering=0)
    )
    try:
        yield stream, write_end
    finally:
        transport.close()


async def _wait(
    process: asyncio.subprocess.Process, output: asyncio.StreamReader, write_line: WriteLine
) -> int:
    assert process.stdin  # noqa: S101 - for the type checker
    reading = asyncio.create_task(_read(output, write_line))
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait([ended, reading], return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()  # a line that could not be written, to a full disk say, ends the job
        status = await ended
        # not for ever: without a sandbox, a daemon may still hold the pipe
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reading, supervisor.GRACE)
        return status if status >= 0 else 128 - status
    except BaseException:  # cancelled, above all
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), supervisor.GRACE + 2)
        raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process.stdin.close()
        reading.cancel()


async def _read(stream: asyncio.StreamReader, write_line: WriteLine) -> None:
    lines = LineSplitter(write_line)
    while chunk := await stream.read(1 << 16):
        lines.feed(chunk)
    lines.end()


class LineSplitter:
    """Splits bytes into lines of text; a line that is redrawn with `\\r` is written now and then."""

    def __init__(self, write_line: WriteLine) -> None:
        self._write_line = write_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._drawn = time.monotonic()

    def feed(self, chunk: bytes) -> None:
        text = self._rest + self._decoder.decode(chunk)
        start = 0
        for end in _END.finditer(text):
            if end[0] == "\r" and end.end() == len(text):
                break  # perhaps half of \r\n
            self._write(text[start : end.start()], redrawn=end[0] == "\r")
            start = end.end()
        self._rest = text[start:]
        if len(self._rest) > _LONGEST_LINE:
            self._write_line(self._rest)
            self._rest = ""

    def end(self) -> None:
        if rest := (self._rest + self._decoder.decode(b"", final=True)).rstrip("\r"):
            self._write_line(rest)

    def _write(self, text: str, *, redrawn: bool) -> None:
        if redrawn and time.monotonic() < self._drawn + _REDRAW_SECONDS:
            return
        if redrawn:
            self._drawn = time.monotonic()
        self._write_line(text)


class _CancelledError(Exception):
    pass


async def run_in_thread(call: Callable[[Callable[[int], None]], Result]) -> Result:
    """The result of `call(progress)`, run in a thread.

    When this is cancelled, the next call of `progress` raises, and this returns when the thread has
    ended: nothing goes on after the run has ended.
    """
    stop = threading.Event()

    def progress(_bytes: int) -> None:
        if stop.is_set():
            raise _CancelledError

    thread = asyncio.ensure_future(asyncio.to_thread(call, progress))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(Exception):
            await thread
        raise
