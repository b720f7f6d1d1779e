"""The log of one container of a pod: each line once, however often the connection breaks."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from argo.cluster import pods
from argo.cluster.api import Api, ApiError, UnreachableError
from argo.cluster.backoff import Backoff
from argo.cluster.log_lines import EARLIEST, ExecutorLines, LogLine, parse_timestamp, read_times
from argo.cluster.objects import Pod
from argo.cluster.workflow_nodes import line_prefix
from job.errors import ClusterError
from job.log_lines import read_lines

_SILENCE = 120  # seconds; then a new connection, in case that one was dead
_PAUSE = 0.2  # seconds until the next request, if the pod does not say yet that its container has ended


@dataclass(slots=True)
class ContainerLogReader:
    """Reads one container's log. Each call of `read_lines` continues where the last one stopped."""

    api: Api
    pod: Pod
    container: str
    stopped: threading.Event = field(default_factory=threading.Event)  # ends `read_lines`, within two minutes
    _last_timestamp: str = ""  # of the last line that was read
    _repeated: int = 0  # how many lines so far had it
    _untimed: int = 0  # how many lines before the first with a time were read
    _executor: ExecutorLines = field(default_factory=ExecutorLines)
    _backoff: Backoff = field(default_factory=Backoff)

    def read_lines(self, *, follow: bool) -> Iterator[LogLine]:
        """The lines that were not read yet; with `follow`, until the container has ended.

        The last line of a container that has ended needs no end. Raises ClusterError if the cluster refuses,
        or has not answered for ten minutes.
        """
        while not self.stopped.is_set():
            try:
                ended = self._has_ended() if follow else _is_log_complete(self.pod, self.container)
                for line in self._request_lines(follow=follow and not ended, is_whole=ended):
                    self._backoff.reset()
                    yield line
                    if self.stopped.is_set():
                        return
                if ended or not follow:
                    return
                time.sleep(_PAUSE)
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
        """Whether the log is complete now. Raises ApiError with status 404 if the pod is gone."""
        pod: Pod = self.api.get(self.api.core_path("pods", self._pod_name))
        if pod["metadata"]["uid"] != self.pod["metadata"]["uid"]:
            raise ApiError(f"{self._pod_name}: another pod has the name now", 404, {})
        return _is_log_complete(pod, self.container)

    def _request_lines(self, *, follow: bool, is_whole: bool) -> Iterator[LogLine]:
        """One request. Lines read before are skipped: the kubelet answers from a whole second on.

        A last line without an end is left out if the log is not whole: a later request brings it whole.
        """
        job, prefix = pods.job_name(self.pod), line_prefix(pods.part(self.pod))
        since = parse_timestamp(self._last_timestamp) if self._last_timestamp else EARLIEST
        read_before, untimed = self._repeated, 0
        query = {
            "container": self.container,
            "timestamps": "true",
            "follow": "true" if follow else None,
            "sinceTime": self._last_timestamp or None,
        }
        path = self.api.core_path("pods", self._pod_name, "log")
        with self.api.stream(path, _SILENCE, **query) as chunks:
            self._backoff.reset()  # the cluster answers, even if the job prints nothing
            for line in read_times(read_lines(chunks, is_whole=is_whole)):
                if not line.time:  # the kubelet's own words, which it repeats in each answer
                    untimed += 1
                    if untimed <= self._untimed:
                        continue
                    self._untimed = untimed
                elif line.at < since:
                    continue
                elif line.at == since and read_before:
                    read_before -= 1
                    continue
                else:
                    self._repeated = self._repeated + 1 if line.time == self._last_timestamp else 1
                    self._last_timestamp = line.time
                text = self._executor.remove(line.text)
                if text is not None:
                    yield LogLine(max(line.at, since), job, prefix + text)


def _is_log_complete(pod: Pod, container: str) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in {"Succeeded", "Failed"} or "terminated" in pods.container_states(pod).get(container, {})
