"""`python -m job commit`: asks `store` for what it holds no credentials for, and gives its verdict.

The container `commit` runs it, or `main`, which then has `commit` run another command of textgen's before.

    /handoff/request    asks for the job's outputs to be stored; its time is that of the process's start
    /verdict/alive      touched by `store` as long as it works
    /verdict/log        what `store` prints while it stores them, for `commit` to print
    /verdict/versions/  the versions that it made
    /verdict/end.json   last: {"code": the exit status of `commit`, "message": why it failed}

`store` writes nothing that depends on the request's bytes. All files of /verdict outlive a restart of it.
"""

import json
import os
import stat
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from job.errors import StoreError
from job.files import write_atomically
from job.pod.spec import HANDOFF, VERDICT, CommitSpec, is_before_store, load_spec
from job.termination import report_message, report_termination

HEARTBEAT = 5.0  # seconds between two signs of life
_SILENCE = 600.0  # seconds without one: a store may be away for five minutes, and the kubelet waits as long
_PAUSE = 0.05  # seconds between two looks
_STEADY = 300.0  # seconds; later, Argo's looks may be at any time of a second
_ENDING = 0.1  # seconds that `commit` takes to end, and again Argo's `wait`


@dataclass(frozen=True, slots=True)
class End:
    """How storing ended."""

    code: int = 0
    message: str = ""


@click.command("commit", context_settings={"allow_interspersed_args": False})
@click.argument("step", metavar="[COMMAND]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@report_termination
def command(context: click.Context, step: tuple[str, ...]) -> None:
    """Have `store` store the job's outputs, and exit as it says.

    COMMAND is another of these commands, which is run before.
    """
    if step:
        _run_step(context, step)
    if is_before_store():
        from job.pod.commit import commit_with_credentials

        commit_with_credentials()
        return
    load_spec(CommitSpec)
    request_outputs(HANDOFF)
    end = wait_for_end(VERDICT, prints_at_end=bool(step))
    if end.code:
        report_message(end.message)
    if step:  # at once: an engine may take its time to end
        sys.stdout.flush()
        os._exit(end.code)
    context.exit(end.code)


def _run_step(context: click.Context, step: tuple[str, ...]) -> None:
    """Run another command of the group, in this process; end with its status if it fails."""
    group = context.find_root()
    if code := group.command.main(step, group.info_name, standalone_mode=False):
        context.exit(code)


def request_outputs(handoff: Path) -> None:
    """Ask for the job's outputs to be stored."""
    stat_fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
    since_boot = int(stat_fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime of proc(5)
    start = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
    request = handoff / "request"
    write_atomically(request, [b"commit\n"])
    os.utime(request, (start, start))


def wait_for_end(verdict: Path, *, prints_at_end: bool = False) -> End:
    """How storing ended; prints its log meanwhile, or at the end.

    `store` keeps these lines, and what the other containers have printed before the end. Raises StoreError if
    it gives no sign of life for ten minutes.
    """
    printed, beat, silent_since = 0, -1, time.monotonic()
    while True:
        end = read_end(verdict)  # before the log, so that no line is missed
        if end or not prints_at_end:
            printed += _print_log(verdict, printed)
        if end:
            return end
        last = _modified(verdict / "alive")
        if last != beat:
            beat, silent_since = last, time.monotonic()
        elif time.monotonic() - silent_since > _SILENCE:
            raise StoreError(
                f"the container store has not answered for {_SILENCE / 60:.0f} minutes: see its log, "
                "then textgen retry"
            )
        time.sleep(_PAUSE)


def is_requested(handoff: Path) -> bool:
    """Whether `commit` has asked. No byte of the file is read."""
    try:
        return stat.S_ISREG(os.lstat(handoff / "request").st_mode)
    except OSError:
        return False


def find_next_look(handoff: Path) -> float:
    """In how many seconds Argo sees that `commit` has ended, if it ends now.

    Argo's executor looks once a second, from the start of a container's process on, and a little later each
    time.
    """
    try:
        start = (handoff / "request").lstat().st_mtime
    except OSError:  # what runs as `commit` may not be ours
        return 1.0
    if abs(time.time() - start) > _STEADY:
        return 1 + 2 * _ENDING
    return _ENDING + 1 - (time.time() + _ENDING - start) % 1 + _ENDING


def read_end(verdict: Path) -> End | None:
    """How storing ended; None if it has not."""
    try:
        document: dict[str, Any] = json.loads((verdict / "end.json").read_bytes())
    except FileNotFoundError:
        return None
    return End(**document)


def write_end(verdict: Path, end: End) -> None:
    """Let `commit` end. The versions and the log are written before."""
    write_atomically(verdict / "end.json", [json.dumps(asdict(end)).encode()])


def _print_log(verdict: Path, start: int) -> int:
    """Print what the log holds from a position on; its length."""
    try:
        with (verdict / "log").open("rb") as file:
            file.seek(start)
            text = file.read()
    except FileNotFoundError:
        return 0
    if text:
        click.echo(text, nl=False)
    return len(text)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return -1
