"""Which job waits for which: needs that inputs imply, cycles, datasets written and read in one run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from argo.language.field import Field
from argo.language.model import FromJob, Input, Output
from job.datasets.reference import LATEST, DatasetRef
from job.text import quoted, shortened

Needs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class JobLinks:
    """What connects one job to others: its `needs` with the field of each, its inputs and outputs."""

    job: Field
    needs: Mapping[str, Field]
    inputs: Mapping[str, tuple[Input, Field]]
    outputs: Mapping[str, Output]


def complete_needs(jobs: Mapping[str, JobLinks]) -> Needs | None:
    """Every job's needs, the implied ones added with a warning; None if they form a cycle."""
    declared: Needs = {name: tuple(job.needs) for name, job in jobs.items()}
    needs = {name: _add_implied(job, declared[name]) for name, job in jobs.items()}
    try:
        in_order(needs)
    except _CycleError as cycle:
        first = jobs[cycle.chain[0]]
        need = first.needs.get(cycle.chain[1]) or first.job
        message = f"jobs wait for one another: {_join_chain(cycle.chain)}"
        first.job.report("needs-cycle", message, "remove one of these needs", need.key_at)
        return None
    upstream = upstream_jobs(declared)
    for name, job in jobs.items():
        for entry, field in job.inputs.values():
            if isinstance(entry.source, FromJob) and entry.source.job not in declared[name]:
                producer = entry.source.job
                early = "" if producer in upstream[name] else ", so the job might have started too early"
                message = f"uses an output of {quoted(producer)}, which is not in needs{early}"
                field.report("missing-need", message, f"write needs: [{producer}], which is assumed")
    return needs


def _join_chain(names: list[str]) -> str:
    parts = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
    return " → ".join(shortened(part) for part in parts)


def _add_implied(job: JobLinks, declared: tuple[str, ...]) -> tuple[str, ...]:
    sources = (entry.source for entry, _ in job.inputs.values())
    implied = (source.job for source in sources if isinstance(source, FromJob))
    return tuple(dict.fromkeys((*declared, *implied)))


class _CycleError(Exception):
    """Jobs wait for one another; `chain` has them in turn, the first again at its end."""

    def __init__(self, chain: list[str]) -> None:
        self.chain = chain
        super().__init__(chain)


def in_order(needs: Needs) -> list[str]:
    """The jobs with each after those it needs, or else in the file's order. Raises _CycleError."""
    order: dict[str, None] = {}
    for start in needs:
        path: dict[str, Iterator[str]] = {} if start in order else {start: iter(needs[start])}
        while path:
            last = next(reversed(path))
            need = next(path[last], None)
            if need is None:
                order[last] = None
                del path[last]
            elif need in path:
                names = list(path)
                raise _CycleError([*names[names.index(need) :], need])
            elif need not in order:
                path[need] = iter(needs[need])
    return list(order)


def upstream_jobs(needs: Needs) -> dict[str, frozenset[str]]:
    """For each job all those that have ended when it starts. Raises _CycleError."""
    upstream: dict[str, frozenset[str]] = {}
    for name in in_order(needs):
        upstream[name] = frozenset(needs[name]).union(*(upstream[need] for need in needs[name]))
    return upstream


def link_same_run_datasets(jobs: Mapping[str, JobLinks], needs: Needs) -> dict[str, dict[str, Input]]:
    """Every job's inputs; one that reads by reference what an earlier job of this run writes becomes
    that job's output, with a warning. Two jobs that may write one dataset at once get one too.
    """
    upstream = upstream_jobs(needs)
    writers: dict[DatasetRef, list[tuple[str, Output]]] = {}
    for name in in_order(needs):
        for output in jobs[name].outputs.values():
            if output.dataset is not None:
                for other, _ in writers.setdefault(output.dataset, []):
                    if other != name and other not in upstream[name]:
                        message = f"{quoted(other)} may write {output.dataset.name} at the same time"
                        hint = f"add {other} to needs, or name another dataset"
                        jobs[name].job.report("parallel-writes", message, hint, output.at)
                writers[output.dataset].append((name, output))
    return {
        name: {
            entry.name: _link_to_writer(entry, field, writers, upstream[name], name)
            for entry, field in job.inputs.values()
        }
        for name, job in jobs.items()
    }


def _link_to_writer(
    entry: Input,
    field: Field,
    writers: Mapping[DatasetRef, list[tuple[str, Output]]],
    upstream: frozenset[str],
    name: str,
) -> Input:
    if not isinstance(entry.source, DatasetRef) or entry.source.version != LATEST:
        return entry
    # a job that reads the version before and writes the next one means just that
    others = [(job, output) for job, output in writers.get(entry.source, []) if job != name]
    earlier = [(job, output.name) for job, output in others if job in upstream]
    if earlier:
        source = FromJob(*earlier[-1])
        alias = f"{source.job}.outputs.{source.output}"
        message = (
            f"the job {quoted(source.job)} writes this dataset before; the version that it makes is read"
        )
        field.report("same-run-dataset", message, f"write {entry.name}: {alias}")
        return replace(entry, source=source)
    if others:
        message = f"the job {quoted(others[0][0])} writes this dataset in the same run, maybe later"
        field.report("same-run-dataset", message, "the version before this run is read, if there is one")
    return entry
