"""Logs that a job's pod has left in the namespace's store, for runs whose pods are gone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from argo.cluster.api import Api
from argo.cluster.log_lines import ExecutorLines, Log, LogLine, merge_logs, parse_timestamp, read_times
from argo.cluster.namespace_store import ENDPOINT, open_datasets, read_url
from argo.kubernetes_names import STORE
from job.datasets import Datasets
from job.errors import ClusterError, InputError, StoreError
from job.log_lines import read_lines
from job.pod.logs import StoredLog, list_logs, read_parts


class KeptLog(NamedTuple):
    """The log of an attempt: its job, the Workflow's node, when it started, and what its lines begin with."""

    job: str
    node_id: str
    started: str
    prefix: str = ""


def read_stored_logs(api: Api, run_uid: str, kept: Sequence[KeptLog]) -> Iterator[LogLine]:
    """The lines of attempts, in the order of time.

    If the logs can't be read, each job has one line that says where they are.
    """
    url = ""
    try:
        url = read_url(api)
        if not url:
            raise InputError(f"no ConfigMap {STORE!r} with a `url` in namespace {api.namespace}")
        datasets = open_datasets(api, url)
        logs = [
            Log(
                parse_timestamp(attempts[log.node_id].started),
                _read_log(datasets, attempts[log.node_id], log),
            )
            for job, attempts in _group_by_job(kept).items()
            for log in list_logs(datasets, run_uid, job)
            if log.node_id in attempts
        ]
        yield from merge_logs(logs)
    except (ClusterError, InputError, StoreError) as error:
        text = (
            f"textgen: the pod is gone, and its log in the store {url} can't be read: {error}; if only the "
            f"cluster can reach it, forward a port and set {ENDPOINT}"
        )
        for job, attempts in _group_by_job(kept).items():
            started = min(attempt.started for attempt in attempts.values())
            yield LogLine(parse_timestamp(started), job, text)


def _group_by_job(kept: Sequence[KeptLog]) -> dict[str, dict[str, KeptLog]]:
    """The attempts of each job by their node's id."""
    jobs: dict[str, dict[str, KeptLog]] = {}
    for attempt in kept:
        jobs.setdefault(attempt.job, {})[attempt.node_id] = attempt
    return jobs


def _read_log(datasets: Datasets, attempt: KeptLog, log: StoredLog) -> Iterator[LogLine]:
    """The lines of one container."""
    executor = ExecutorLines()
    for line in read_times(read_lines(read_parts(datasets, log))):
        if (text := executor.remove(line.text)) is not None:
            yield LogLine(line.at, attempt.job, attempt.prefix + text)
