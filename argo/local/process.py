"""Child processes: their output line by line, and no way for them to outlive a run."""

import asyncio
import codecs
import contextlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from argo.local import supervisor

# A progress bar redraws its line many times a second; in a log it is a line now and then.
_REDRAW_SECONDS = 5.0
_LONGEST_LINE = 1 << 16
_END = re.compile(r"\r\n|\n|\r")


def on_leash(command: Sequence[str], release: Sequence[str] = ()) -> list[str]:
    """The command, ending when its standard input does; see argo.local.supervisor."""
    held = [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), str(len(release))]
    return [*held, *release, *command]


async def run(argv: Sequence[str], *, env: Mapping[str, str], line: Callable[[str], None]) -> int:
    """Run a command that holds a leash, and hand over each line it prints; its exit status.

    When this is cancelled the leash is let go, and this returns only when the process has ended.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
        start_new_session=True,  # a terminal's Ctrl-C is ours to pass on
    )
    assert process.stdin and process.stdout  # noqa: S101 - for the type checker
    reading = asyncio.create_task(_read(process.stdout, line))
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait([ended, reading], return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()  # a line that could not be handed over, to a full disk say, ends the job
        status = await ended
        # not for ever: where there is no sandbox, a daemon may have kept the pipe
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


async def _read(stream: asyncio.StreamReader, line: Callable[[str], None]) -> None:
    lines = Lines(line)
    while chunk := await stream.read(1 << 16):
        lines.feed(chunk)
    lines.end()


class Lines:
    """Cuts bytes into lines of text; a line drawn over with `\\r` is handed on now and then."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._drawn = time.monotonic()

    def feed(self, chunk: bytes) -> None:
        text = self._rest + self._decoder.decode(chunk)
        start = 0
        for end in _END.finditer(text):
            if end[0] == "\r" and end.end() == len(text):
                break  # perhaps half of \r\n
            self._hand_on(text[start : end.start()], redrawn=end[0] == "\r")
            start = end.end()
        self._rest = text[start:]
        if len(self._rest) > _LONGEST_LINE:
            self._line(self._rest)
            self._rest = ""

    def end(self) -> None:
        if rest := (self._rest + self._decoder.decode(b"", final=True)).rstrip("\r"):
            self._line(rest)

    def _hand_on(self, text: str, *, redrawn: bool) -> None:
        if redrawn and time.monotonic() < self._drawn + _REDRAW_SECONDS:
            return
        if redrawn:
            self._drawn = time.monotonic()
        self._line(text)
