"""What one container of a pod has printed, and goes on printing, each line once."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from argo.cluster import pods
from argo.cluster.api import Api, ApiError, Object, UnreachableError
from argo.cluster.backoff import Backoff
from job.errors import ClusterError

_SILENCE = 120  # seconds; then a new connection, in case that one was dead

# What Argo's executor prints into the log of the container that it starts.
EXECUTOR_LINE = re.compile(
    r"time=\S+ level=\w+ msg=.* argo=true\b.*|(Error: )?dependency \"\S+\" exited with .*"
)

Timestamp = tuple[datetime, str]  # a second, and the digits after it, which a datetime can't hold


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """A line of a job's log."""

    at: Timestamp
    job: str = field(compare=False)
    text: str = field(compare=False)


def parse_timestamp(stamp: str) -> Timestamp:
    """A time as the kubelet writes it, in whatever zone its node is; with nothing lost of it."""
    seconds, fraction, zone = stamp[:19], stamp[19:].rstrip("Z"), "+00:00"
    for sign in "+-":
        fraction, found, offset = fraction.partition(sign)
        zone = f"{sign}{offset}" if found else zone
    return datetime.fromisoformat(seconds + zone).astimezone(UTC), fraction.lstrip(".").ljust(9, "0")


@dataclass(slots=True)
class ContainerLogReader:
    """One container's log. Each call of `lines` goes on where the one before has stopped."""

    api: Api
    pod: Object
    container: str
    _stamp: str = ""  # of the last line that was read
    _repeated: int = 0  # how many lines so far had it
    _backoff: Backoff = field(default_factory=Backoff)

    @property
    def _name(self) -> str:
        return str(self.pod["metadata"]["name"])

    def lines(self, *, follow: bool) -> Iterator[LogLine]:
        """The lines that were not read yet; with `follow` until the container has ended.

        Raises ClusterError where the cluster refuses, or nobody has answered for ten minutes.
        """
        while True:
            try:
                ended = not follow or self._ended()
                for line in self._read(follow=not ended):
                    self._backoff.reset()
                    yield line
                if ended:
                    return
            except ClusterError as error:
                status = error.status if isinstance(error, ApiError) else None
                if status == 404:  # the pod is gone
                    return
                if status == 400:  # it has not started
                    if not follow:
                        return
                    error = UnreachableError(str(error))
                self._backoff.sleep(error)

    def _ended(self) -> bool:
        """Whether the log is whole. Raises ApiError with status 404 where the pod is gone."""
        pod = self.api.get(self.api.core_path("pods", self._name))
        if pod["metadata"]["uid"] != self.pod["metadata"]["uid"]:
            raise ApiError(f"{self._name}: made again", 404, {})
        phase = (pod.get("status") or {}).get("phase")
        return phase in {"Succeeded", "Failed"} or "terminated" in pods.container_states(pod).get(
            self.container, {}
        )

    def _read(self, *, follow: bool) -> Iterator[LogLine]:
        """One request. What the last one has read is left out: its answer goes back whole seconds."""
        job = pods.job_name(self.pod)
        since = parse_timestamp(self._stamp) if self._stamp else None
        known = self._repeated
        query = {
            "container": self.container,
            "timestamps": "true",
            "follow": "true" if follow else None,
            "sinceTime": self._stamp or None,
        }
        with self.api.stream(self.api.core_path("pods", self._name, "log"), _SILENCE, **query) as pieces:
            self._backoff.reset()  # a job that prints nothing is no cluster that does not answer
            for line in _whole(pieces):
                stamp, _, text = line.partition(" ")
                at = parse_timestamp(stamp)
                if since and at < since:
                    continue
                if since and at == since and known:
                    known -= 1
                    continue
                self._repeated = self._repeated + 1 if stamp == self._stamp else 1
                self._stamp = stamp
                if not EXECUTOR_LINE.fullmatch(text):
                    yield LogLine(at, job, text)


def _whole(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream; not a last one that was cut, which the next request brings whole."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
