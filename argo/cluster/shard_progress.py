"""How far the shards of a run have come, from what their pods keep in the store.

Argo knows how many texts there are once a minute. Each shard's pod puts progress.json every few seconds, with
its speed.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from argo.cluster.api import Api
from argo.cluster.follow_run import RunSnapshot
from argo.cluster.generation_status import Generation
from argo.cluster.namespace_store import open_datasets, read_url
from argo.cluster.workflow_status import get_generations
from argo.kubernetes_names import STORE
from argo.runs import Progress, RunRecord
from job.errors import ClusterError, InputError, StoreError
from job.pod.shards.keys import ShardProgress, Shards
from job.storage.parallel import parallel_map

_INTERVAL = 10.0  # seconds between two looks into the store
_LOOKS = 6  # over which the speed is measured

Warn = Callable[[str], None]


@dataclass(frozen=True)
class _JobProgress:
    """What is known of one job: each shard's last word, and when there were how many texts."""

    shards: Mapping[int, ShardProgress] = field(default_factory=dict)
    looks: tuple[tuple[float, int], ...] = ()

    def add_up(self, generation: Generation) -> Progress:
        """How far the job has come, how fast it goes on, and how long that takes."""
        progress = generation.add_up({index: int(shard.done) for index, shard in self.shards.items()})
        running = [self.shards[index] for index in generation.running_shards & self.shards.keys()]
        speed = sum(shard.new_tokens / shard.seconds for shard in running if shard.seconds > 0)
        left = None
        if len(self.looks) > 1:
            (start, before), (end, after) = self.looks[0], self.looks[-1]
            if after > before and progress.done < progress.texts:
                left = (progress.texts - progress.done) * (end - start) / (after - before)
        return replace(progress, tokens_per_second=speed if running else None, seconds_left=left)

    def look(self, shards: Mapping[int, ShardProgress], generation: Generation) -> "_JobProgress":
        """What is known after one more look."""
        known = _JobProgress({**self.shards, **shards}, self.looks)
        looks = (*self.looks, (time.monotonic(), known.add_up(generation).done))
        return replace(known, looks=looks[-_LOOKS:])


class ShardProgressReader:
    """Adds the shards' own progress to a run that is followed.

    The store is read in a thread, at most every ten seconds. If it can't be read, `warn` is told so, once,
    and the run has what Argo knows.
    """

    def __init__(self, api: Api, warn: Warn) -> None:
        self._api = api
        self._warn = warn
        self._jobs: dict[str, _JobProgress] = {}
        self._due = 0.0
        self._reader: threading.Thread | None = None
        self._problem = ""
        self._has_warned = False

    def add_to(self, snapshot: RunSnapshot) -> RunRecord:
        """The run's record."""
        record = snapshot.record
        if not any(job.progress and not job.phase.ended for job in record.jobs.values()):
            return record
        generations = {
            name: generation
            for name, generation in get_generations(snapshot.workflow).items()
            if not record.jobs[name].phase.ended
        }
        self._start_reading(snapshot.workflow["metadata"]["uid"], generations)
        if self._problem and not self._has_warned:
            self._has_warned = True
            self._warn(f"progress is Argo's, once a minute: the store can't be read: {self._problem}")
        jobs = {
            name: replace(job, progress=self._jobs[name].add_up(generations[name]))
            if name in generations and name in self._jobs
            else job
            for name, job in record.jobs.items()
        }
        return replace(record, jobs=jobs)

    def _start_reading(self, run_uid: str, generations: Mapping[str, Generation]) -> None:
        running = {name: generation for name, generation in generations.items() if generation.running_shards}
        is_reading = self._reader is not None and self._reader.is_alive()
        if running and not is_reading and time.monotonic() >= self._due:
            self._due = time.monotonic() + _INTERVAL
            self._reader = threading.Thread(target=self._read, args=(run_uid, running), daemon=True)
            self._reader.start()

    def _read(self, run_uid: str, generations: Mapping[str, Generation]) -> None:
        try:
            url = read_url(self._api)
            if not url:
                raise InputError(f"no ConfigMap {STORE!r} with a `url` in namespace {self._api.namespace}")
            store = open_datasets(self._api, url).store
            for name, generation in generations.items():
                # Those that are done are left out: Argo knows how many texts they have.
                running = sorted(generation.running_shards)
                said = parallel_map(Shards(store, run_uid, name).read_progress, running)
                shards = {index: each for index, each in zip(running, said, strict=True) if each}
                self._jobs[name] = self._jobs.get(name, _JobProgress()).look(shards, generation)
        except (ClusterError, InputError, StoreError) as error:
            self._problem = str(error)
