"""The log of one container of a pod: each line once, however often the connection breaks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from argo.cluster import pods
from argo.cluster.api import Api, ApiError, UnreachableError
from argo.cluster.backoff import Backoff
from argo.cluster.objects import Pod
from job.errors import ClusterError

_SILENCE = 120  # seconds; then a new connection, in case that one was dead

# What Argo's executor prints into the log of the container that it starts.
EXECUTOR_LINE = re.compile(
    r"time=\S+ level=\w+ msg=.* argo=true\b.*|(Error: )?dependency \"\S+\" exited with .*"
)

Timestamp = tuple[datetime, str]  # a second, and the digits after it, which a datetime can't hold


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """A line of a job's log. Lines compare by their time."""

    at: Timestamp
    job: str = field(compare=False)
    text: str = field(compare=False)


def parse_timestamp(text: str) -> Timestamp:
    """A time as the kubelet writes it, in whatever zone its node is, to the nanosecond."""
    seconds, fraction, zone = text[:19], text[19:].rstrip("Z"), "+00:00"
    for sign in "+-":
        fraction, separator, offset = fraction.partition(sign)
        zone = f"{sign}{offset}" if separator else zone
    return datetime.fromisoformat(seconds + zone).astimezone(UTC), fraction.lstrip(".").ljust(9, "0")


@dataclass(slots=True)
class ContainerLogReader:
    """Reads one container's log. Each call of `read_lines` continues where the last one stopped."""

    api: Api
    pod: Pod
    container: str
    _last_timestamp: str = ""  # of the last line that was read
    _repeated: int = 0  # how many lines so far had it
    _backoff: Backoff = field(default_factory=Backoff)

    def read_lines(self, *, follow: bool) -> Iterator[LogLine]:
        """The lines that were not read yet; with `follow`, until the container has ended.

        Raises ClusterError if the cluster refuses, or has not answered for ten minutes.
        """
        while True:
            try:
                ended = not follow or self._has_ended()
                for line in self._request_lines(follow=not ended):
                    self._backoff.reset()
                    yield line
                if ended:
                    return
            except ClusterError as error:
                status = error.status if isinstance(error, ApiError) else None
                if status == 404:  # the pod is gone
                    return
                if status == 400:  # the container has not started
                    if not follow:
                        return
                    error = UnreachableError(str(error))
                self._backoff.sleep(error)

    @property
    def _pod_name(self) -> str:
        return self.pod["metadata"]["name"]

    def _has_ended(self) -> bool:
        """Whether the log is complete. Raises ApiError with status 404 if the pod is gone."""
        pod: Pod = self.api.get(self.api.core_path("pods", self._pod_name))
        if pod["metadata"]["uid"] != self.pod["metadata"]["uid"]:
            raise ApiError(f"{self._pod_name}: another pod has the name now", 404, {})
        phase = (pod.get("status") or {}).get("phase")
        return phase in {"Succeeded", "Failed"} or "terminated" in pods.container_states(pod).get(
            self.container, {}
        )

    def _request_lines(self, *, follow: bool) -> Iterator[LogLine]:
        """One request. Lines read before are skipped: the kubelet answers from a whole second on."""
        job = pods.job_name(self.pod)
        since = parse_timestamp(self._last_timestamp) if self._last_timestamp else None
        read_before = self._repeated
        query = {
            "container": self.container,
            "timestamps": "true",
            "follow": "true" if follow else None,
            "sinceTime": self._last_timestamp or None,
        }
        path = self.api.core_path("pods", self._pod_name, "log")
        with self.api.stream(path, _SILENCE, **query) as chunks:
            self._backoff.reset()  # the cluster answers, even if the job prints nothing
            for line in _split_lines(chunks):
                timestamp, _, text = line.partition(" ")
                at = parse_timestamp(timestamp)
                if since and at < since:
                    continue
                if since and at == since and read_before:
                    read_before -= 1
                    continue
                self._repeated = self._repeated + 1 if timestamp == self._last_timestamp else 1
                self._last_timestamp = timestamp
                if not EXECUTOR_LINE.fullmatch(text):
                    yield LogLine(at, job, text)


def _split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream, without an incomplete last one: the next request brings it whole."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
