"""Logs that a job's pod has left in the namespace's store, for runs whose pods are gone."""

import heapq
from collections.abc import Collection, Iterator

from argo.cluster.api import Api
from argo.cluster.log_lines import ExecutorLines, LogLine, parse_timestamp, read_times
from argo.cluster.namespace_store import ENDPOINT, open_datasets, read_url
from argo.kubernetes_names import STORE
from job.datasets import Datasets
from job.errors import ClusterError, InputError, StoreError
from job.log_lines import read_lines
from job.pod.logs import StoredLog, list_logs, read_parts


def read_stored_logs(api: Api, run_uid: str, nodes: Collection[tuple[str, str, str]]) -> Iterator[LogLine]:
    """The lines of attempts, in the order of time; each of `nodes` is a job, a node's id and its start.

    If the logs can't be read, each attempt has one line that says where they are.
    """
    url = ""
    try:
        url = read_url(api)
        if not url:
            raise InputError(f"no ConfigMap {STORE!r} with a `url` in namespace {api.namespace}")
        datasets = open_datasets(api, url)
        logs = [
            _read_log(datasets, job, log)
            for job, node_ids in _group_by_job(nodes).items()
            for log in list_logs(datasets, run_uid, job)
            if log.node_id in node_ids
        ]
        yield from heapq.merge(*logs)
    except (ClusterError, InputError, StoreError) as error:
        text = (
            f"textgen: the pod is gone, and its log in the store {url} can't be read: {error}; if only the "
            f"cluster can reach it, forward a port and set {ENDPOINT}"
        )
        for job, _, started in nodes:
            yield LogLine(parse_timestamp(started), job, text)


def _group_by_job(nodes: Collection[tuple[str, str, str]]) -> dict[str, set[str]]:
    node_ids: dict[str, set[str]] = {}
    for job, node_id, _ in nodes:
        node_ids.setdefault(job, set()).add(node_id)
    return node_ids


def _read_log(datasets: Datasets, job: str, log: StoredLog) -> Iterator[LogLine]:
    """The lines of one container."""
    executor = ExecutorLines()
    for line in read_times(read_lines(read_parts(datasets, log))):
        if (text := executor.remove(line.text)) is not None:
            yield LogLine(line.at, job, text)
