"""A generation in shards, of whose pods there may be thousands, as the record of one job."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from argo.cluster.objects import Task, Template, WorkflowNode
from argo.cluster.workflow_nodes import FAILED, Nodes, Part, explain_retry, get_attempts, parse_part
from argo.runs import Phase, Progress
from job.text import counted

_TEXTS = "texts"  # the output parameter of the plan's template (argo.compile.generation)


def count_shards(template: Template | None) -> int:
    """How many shards a job's template has; 0 if it is no generation."""
    dag = template.get("dag") if template else None
    tasks: list[Task] = dag["tasks"] if dag else []
    counts = [task["withSequence"]["count"] for task in tasks if "withSequence" in task]
    return int(counts[0]) if len(counts) == 1 and counts[0].isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Generation:
    """The pods of a generation: the attempts of each part, first to last."""

    shards: int
    attempts: Mapping[Part, list[WorkflowNode]]

    @classmethod
    def read(cls, job: WorkflowNode, nodes: Nodes, shards: int) -> "Generation":
        """Those of a job's node."""
        attempts: dict[Part, list[WorkflowNode]] = {}
        for pod in get_attempts(job, nodes):
            if part := parse_part(pod.get("name", "")):
                attempts.setdefault(part, []).append(pod)
        return cls(shards, attempts)

    @property
    def has_begun(self) -> bool:
        """Whether a pod has started."""
        return any(pod.get("phase") != "Pending" for pods in self.attempts.values() for pod in pods)

    @property
    def texts(self) -> int:
        """How many texts there will be; 0 until the plan has said it."""
        plan = self.attempts.get(Part("plan"))
        parameters = ((plan[-1].get("outputs") or {}).get("parameters") if plan else None) or ()
        values = [each.get("value") or "" for each in parameters if each["name"] == _TEXTS]
        return int(values[0]) if values and values[0].isdecimal() else 0

    @property
    def done_shards(self) -> set[int]:
        """The numbers of the shards that have ended well."""
        return self._shards_in({"Succeeded"})

    @property
    def running_shards(self) -> set[int]:
        """The numbers of the shards of which a pod is at work."""
        return self._shards_in({"Running"})

    @property
    def first_failed(self) -> Part | None:
        """The part that failed first; None if none has."""
        failed = {part: pods[-1] for part, pods in self.attempts.items() if pods[-1].get("phase") in FAILED}
        return min(failed, key=lambda part: (failed[part].get("finishedAt") or "~", part), default=None)

    def add_up(self, done_of_shards: Mapping[int, int] = MappingProxyType({})) -> Progress:
        """How far it has come: as Argo has counted the texts, or of a shard what is known beside that."""
        count = sum(
            max(done_of_shards.get(part.shard, 0), *map(_read_done, pods))
            for part, pods in self.attempts.items()
            if part.shard is not None
        )
        texts = self.texts
        return Progress(min(count, texts), texts, len(self.done_shards), self.shards)

    def explain(self, phase: Phase, nodes: Nodes, causes: Mapping[str, str]) -> str:
        """Why parts have failed or are tried again: the first one, and how many more.

        causes: by the node's id, what its pod says.
        """
        if phase is Phase.SUCCEEDED:
            return ""
        if part := self.first_failed:
            pods = self.attempts[part]
            count = sum(pods[-1].get("phase") in FAILED for pods in self.attempts.values())
            return summarize(part, causes.get(pods[-1]["id"]) or explain_retry(pods, nodes), count, "failed")
        if phase.ended:
            return ""
        repeated = [part for part, pods in self.attempts.items() if _is_tried_again(pods)]
        if not repeated:
            return ""
        cause = explain_retry(self.attempts[repeated[0]], nodes)
        return summarize(repeated[0], cause, len(repeated), "tried again")

    def _shards_in(self, phases: set[str]) -> set[int]:
        return {
            part.shard
            for part, pods in self.attempts.items()
            if part.shard is not None and pods[-1].get("phase") in phases
        }


def summarize(part: Part, message: str, count: int, what: str) -> str:
    """One part's message, for `count` parts of which the same can be said."""
    more = f"; {counted(count - 1, 'more shard')} {what}" if count > 1 else ""
    return f"{part}: {message}{more}"


def _is_tried_again(pods: list[WorkflowNode]) -> bool:
    return len(pods) > 1 and pods[-1].get("phase") in {"Pending", "Running"}


def _read_done(pod: WorkflowNode) -> int:
    """The texts that a shard's pod has made, as its node's progress has them: DONE/ALL."""
    done = pod.get("progress", "").partition("/")[0]
    return int(done) if done.isdecimal() else 0
