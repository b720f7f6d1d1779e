"""`python -m job store`: runs beside a job from the start to the end, and holds the store's credentials.

It keeps the job's log in the store, the texts of a shard in parts as they come (parts.py), and stores the
outputs when `commit` asks for it (handoff.py). Of what the job can write, it reads /outputs alone, which is
mounted read-only; it never reads Argo's /var/run/argo.
Every step can be repeated: if this process is killed, the kubelet starts it again.

SIGTERM comes when all other containers have ended. A process that has stored the outputs does not wait for
it: the pod ends 2 s sooner if the kubelet, which looks once a second, sees that all have ended at once.
"""

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from job.errors import StoreError, TextgenError
from job.pod import spec as pod_spec
from job.pod.commit import list_parameters, store_job
from job.pod.handoff import HEARTBEAT, End, find_next_look, is_requested, read_end, write_end
from job.pod.log_follower import ApiServerError, LogFollower, PodLogs, follow_in_turn
from job.pod.logs import LogWriter, log_prefix, name_attempt
from job.pod.outputs import ShardOutput
from job.pod.shards.keys import Shards, read_index
from job.pod.shards.parts import POSITION, PartSender, Position, read_position
from job.pod.spec import HANDOFF, NOTES, OUTPUTS, VERDICT, StoreSpec, load_spec
from job.pod.store_outage import retry_while_unavailable
from job.pod.values import read_variable
from job.project import STORE_VARIABLE
from job.storage.open import open_store
from job.storage.store import UnavailableError
from job.untrusted_files import UntrustedPath

_FLUSH = 20.0  # seconds between two writes of a log that grows
_GRACE = 20.0  # seconds to store the rest after SIGTERM; the kubelet waits for 30
_AGAIN = 5.0  # seconds that a process stays which has nothing left to store
_LOOK = 1.0  # seconds between two looks at a shard's texts
_PAUSE = 0.05  # seconds between two looks at the request
_STARTS = 4  # how often storing the outputs may be started


@click.command("store")
def command() -> None:
    """Keep a job's log, and store its outputs when commit asks for it, as TEXTGEN_STEPS says."""
    # first: as the first process of its container, this one would not get a signal without a handler
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    try:
        spec = load_spec(StoreSpec)
        Sidecar(spec, KeptLogs.of_this_pod(spec), ending, open_sender(spec)).run()
    except TextgenError as error:  # nothing that another start would change: `commit` says it
        write_end(VERDICT, End(error.exit_status, str(error)))
        click.echo(f"textgen: {error}", err=True)
        ending.wait()
    sys.stdout.flush()
    os._exit(0)  # at once, whatever a thread still does: the pod ends with this process


class KeptLogs:
    """The logs of the job's containers, and of `commit`, whose lines are made here."""

    def __init__(self, followers: list[LogFollower], commit: LogWriter) -> None:
        self.followers = followers
        self.commit = commit
        self._stopped = threading.Event()
        self._finishing = threading.Lock()
        self._finished = False
        self._resuming = threading.Lock()
        self._unresumed: list[LogFollower] = []

    @classmethod
    def of_this_pod(cls, spec: StoreSpec) -> "KeptLogs":
        """Those that the spec names. Raises InputError."""
        store = open_store(read_variable(STORE_VARIABLE))
        run = read_variable(pod_spec.RUN)
        attempt = name_attempt(read_variable(pod_spec.NODE_ID), read_variable(pod_spec.POD_UID))
        pod_logs = PodLogs.of_this_pod(
            pod_spec.API, read_variable(pod_spec.POD_NAMESPACE), read_variable(pod_spec.POD)
        )

        def open_writer(container: str) -> LogWriter:
            return LogWriter(store, log_prefix(run, spec.job, attempt, container))

        followers = [LogFollower(pod_logs, name, open_writer(name)) for name in spec.logs]
        return cls(followers, open_writer("commit"))

    def start(self, *, resumed: bool) -> None:
        """Copy the logs as they grow; `resumed` after what an earlier process has stored of them."""
        self._unresumed = list(self.followers) if resumed else []
        for target in (self._follow, self._flush_repeatedly):
            threading.Thread(target=target, daemon=True).start()

    def finish(self) -> None:
        """Store the rest of all logs. Raises StoreError.

        If the API server does not answer, it is asked again for as long as one waits for a store.
        """
        with self._finishing:
            self._stopped.set()
            if not self._finished:
                self._resume()
                for follower in self.followers:
                    self._finish_follower(follower)
                self._finished = True
            self._flush()

    def _flush(self) -> None:
        for writer in (*(each.writer for each in self.followers), self.commit):
            writer.flush()

    def _finish_follower(self, follower: LogFollower) -> None:
        def read() -> None:
            try:
                follower.finish()
            except ApiServerError as error:
                if not error.is_final:
                    with suppress(StoreError):
                        self._flush()  # what there is, in case that time runs out
                    raise UnavailableError(str(error)) from error
                if error.status not in {400, 404}:  # it never ran, or the pod is gone
                    _warn(follower, error)

        try:
            retry_while_unavailable(read)
        except UnavailableError as error:
            _warn(follower, error)

    def _resume(self) -> None:
        with self._resuming:
            while self._unresumed:
                retry_while_unavailable(self._unresumed[0].resume)
                del self._unresumed[0]

    def _follow(self) -> None:
        self._resume()
        follow_in_turn(self.followers, self._stopped)

    def _flush_repeatedly(self) -> None:
        while not self._stopped.wait(_FLUSH):
            try:
                self._flush()
            except UnavailableError:
                pass  # the next one stores it
            except StoreError as error:
                click.echo(f"textgen: the job's log can't be stored: {error}", err=True)


def _warn(follower: LogFollower, error: Exception) -> None:
    click.echo(f"textgen: the end of the log of {follower.container} is not kept: {error}", err=True)


def open_sender(
    spec: StoreSpec, *, outputs: Path = OUTPUTS, notes: Path = NOTES, verdict: Path = VERDICT
) -> PartSender | None:
    """What sends the texts of this pod's shard; None in any other pod. Raises InputError."""
    names = [name for name, output in spec.outputs.items() if isinstance(output, ShardOutput)]
    if not names:
        return None
    shards = Shards(open_store(read_variable(STORE_VARIABLE)), read_variable(pod_spec.RUN), spec.job)
    return PartSender(
        shards.store,
        shards.shard_prefix(read_index()),
        UntrustedPath.at(outputs / names[0]),
        verdict / POSITION,
        read_position(notes / POSITION) or Position(),
    )


class Sidecar:
    """One process of `store`: what it does until the pod ends."""

    def __init__(
        self,
        spec: StoreSpec,
        logs: KeptLogs,
        ending: threading.Event,
        parts: PartSender | None = None,
        *,
        handoff: Path = HANDOFF,
        verdict: Path = VERDICT,
    ) -> None:
        self.spec = spec
        self.logs = logs
        self.parts = parts
        self.handoff = handoff
        self.verdict = verdict
        self._ending = ending

    def run(self) -> None:
        """Work until SIGTERM, or until the outputs are stored and the other containers should have ended.

        If one has not, the kubelet starts another process. SIGTERM may come before that one can take it, so
        it does not wait for long.
        """
        alive = self.verdict / "alive"
        self.logs.start(resumed=alive.exists())
        alive.touch()
        threading.Thread(target=self._send_parts, daemon=True).start()
        beat = 0.0
        is_open = bool(self.spec.outputs)
        if read_end(self.verdict):  # of an earlier process
            is_open = False
            threading.Thread(target=self._end_after, args=[_AGAIN], daemon=True).start()
        while not self._ending.wait(_PAUSE):
            beat += _PAUSE
            if beat >= HEARTBEAT:
                alive.touch()
                beat = 0.0
            if is_open and is_requested(self.handoff):
                is_open = False
                threading.Thread(target=self._store_outputs_and_end, daemon=True).start()
        rest = threading.Thread(target=self._store_rest, daemon=True)
        rest.start()
        rest.join(_GRACE)

    def _send_parts(self) -> None:
        """Send a shard's texts as they come; what could not be sent is sent with the next ones."""
        problem = ""
        while self.parts and not self._ending.wait(_LOOK):
            try:
                self.parts.send_due()
            except UnavailableError:
                pass
            except TextgenError as error:
                if str(error) != problem:
                    click.echo(f"textgen: texts can't be stored yet: {error}", err=True)
                problem = str(error)

    def _store_rest(self) -> None:
        if self.parts:
            try:
                retry_while_unavailable(self.parts.send_rest)
            except TextgenError as error:
                click.echo(f"textgen: the last texts are not kept: {error}", err=True)
        try:
            retry_while_unavailable(self.logs.finish)
        except StoreError as error:
            click.echo(f"textgen: the end of the job's log is not kept: {error}", err=True)

    def _store_outputs_and_end(self) -> None:
        self.store_outputs()
        self._end_after(find_next_look(self.handoff))

    def _end_after(self, seconds: float) -> None:
        self._ending.wait(seconds)
        self._ending.set()

    def store_outputs(self) -> None:
        """Store the outputs and the log, and tell `commit` how that ended."""
        with (self.verdict / "log").open("a+", encoding="utf-8") as file, self._printed_to(file):
            try:
                self._count_start()
                if self.parts:  # a pod that is made after this one has nothing left to do
                    retry_while_unavailable(self.parts.send_rest)
                results = store_job(self.spec)
                versions = self.verdict / pod_spec.VERSIONS.name
                versions.mkdir(exist_ok=True)
                for name, value in list_parameters(self.spec.outputs, results).items():
                    (versions / name).write_text(value, "utf-8")
                end = End()
            except TextgenError as error:
                click.echo(f"textgen: {error}", err=True)
                end = End(error.exit_status, str(error))
            except Exception as error:
                traceback.print_exc()
                end = End(1, f"{type(error).__name__}: {error}")
            self._finish_logs(end)
        write_end(self.verdict, end)

    def _finish_logs(self, end: End) -> None:
        """Store the logs before the pod may end; a job that succeeded waits for that."""
        try:
            retry_while_unavailable(self.logs.finish) if end.code == 0 else self.logs.finish()
        except StoreError as error:
            click.echo(f"textgen: the end of the job's log is not kept: {error}", err=True)

    def _count_start(self) -> None:
        """Raises StoreError if storing the outputs has killed this container again and again."""
        file = self.verdict / "starts"
        starts = int(file.read_text("ascii") or "0") + 1 if file.exists() else 1
        file.write_text(str(starts), "ascii")
        if starts > _STARTS:
            raise StoreError(
                f"the container store was killed {_STARTS} times while it stored the outputs: see its last "
                "state with kubectl describe pod"
            )

    @contextmanager
    def _printed_to(self, file: TextIO) -> Iterator[None]:
        """What is printed goes to the file, for `commit`, and to the log that is kept of it."""
        file.seek(0)
        for line in file.read().splitlines():  # of a process that was killed
            self.logs.commit.append(_stamp(line))
        printer = _Printer(file, self.logs.commit)
        with redirect_stdout(printer), redirect_stderr(printer):
            yield


class _Printer(io.TextIOBase):
    """Writes to a file, and each line to a log."""

    def __init__(self, file: TextIO, log: LogWriter) -> None:
        self._file = file
        self._log = log
        self._rest = ""
        self._writing = threading.Lock()

    def write(self, text: str) -> int:
        with self._writing:
            self._file.write(text)
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._log.append(_stamp(line))
        return len(text)

    def flush(self) -> None:
        self._file.flush()


def _stamp(line: str) -> bytes:
    """A line as the kubelet gives it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n".encode()
