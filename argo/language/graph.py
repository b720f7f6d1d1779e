"""Which job waits for which: needs that inputs imply, cycles, datasets written and read in one run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from argo.language.field import Field
from argo.language.model import FromJob, Input, Output
from job.datasets.reference import LATEST, DatasetRef
from job.text import quoted, shortened

Needs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one job declares that makes it wait: `needs` with where each stands, and its inputs."""

    job: Field
    needs: Mapping[str, Field]
    inputs: Mapping[str, tuple[Input, Field]]
    outputs: Mapping[str, Output]


def complete_needs(jobs: Mapping[str, Waiting]) -> Needs | None:
    """Every job's needs, the implied ones added with a warning; None where they form a cycle."""
    declared: Needs = {name: tuple(job.needs) for name, job in jobs.items()}
    needs = {name: _with_implied(job, declared[name]) for name, job in jobs.items()}
    cycle = _cycle(needs)
    if cycle:
        first = jobs[cycle[0]]
        where = first.needs.get(cycle[1]) or first.job
        message = f"jobs wait for one another: {_chain(cycle)}"
        first.job.report("needs-cycle", message, "remove one of these needs", where.name_at)
        return None
    before = ancestors(declared) if not _cycle(declared) else {}
    for name, job in jobs.items():
        for given, entry in job.inputs.values():
            if isinstance(given.source, FromJob) and given.source.job not in declared[name]:
                producer = given.source.job
                late = "" if producer in before.get(name, ()) else ", so it might have started too early"
                message = f"uses an output of {quoted(producer)}, which is not in needs{late}"
                entry.report(
                    "missing-need", message, f"write needs: [{producer}]; it is taken as if it stood there"
                )
    return needs


def _chain(names: list[str]) -> str:
    shown = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
    return " → ".join(shortened(name) for name in shown)


def _with_implied(job: Waiting, declared: tuple[str, ...]) -> tuple[str, ...]:
    sources = (given.source for given, _ in job.inputs.values())
    implied = (source.job for source in sources if isinstance(source, FromJob))
    return tuple(dict.fromkeys((*declared, *implied)))


def _cycle(needs: Needs) -> list[str]:
    """The jobs of one cycle, the first again at the end; [] where there is none."""
    done: set[str] = set()
    for start in needs:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(needs[start])}
        while path:
            last = next(reversed(path))
            following = next(path[last], None)
            if following is None:
                done.add(last)
                del path[last]
            elif following in path:
                names = list(path)
                return [*names[names.index(following) :], following]
            elif following not in done:
                path[following] = iter(needs[following])
    return []


def in_order(needs: Needs) -> list[str]:
    """The jobs with each after those it needs, else in the file's order. No cycle may be there."""
    order: dict[str, None] = {}
    for start in needs:
        stack = [start]
        while stack:
            waiting = [name for name in needs[stack[-1]] if name not in order]
            if waiting:
                stack.append(waiting[0])
            else:
                order[stack.pop()] = None
    return list(order)


def ancestors(needs: Needs) -> dict[str, frozenset[str]]:
    """For each job all those that have ended when it starts."""
    found: dict[str, frozenset[str]] = {}
    for name in in_order(needs):
        found[name] = frozenset(needs[name]).union(*(found[each] for each in needs[name]))
    return found


def same_run_datasets(jobs: Mapping[str, Waiting], needs: Needs) -> dict[str, dict[str, Input]]:
    """Every job's inputs; one that reads by reference what an earlier job of this run writes becomes
    that job's output, with a warning. Two jobs that may write one dataset at once get one too.
    """
    before = ancestors(needs)
    writers: dict[DatasetRef, list[tuple[str, Output]]] = {}
    for name in in_order(needs):
        for output in jobs[name].outputs.values():
            if output.dataset is not None:
                for other, _ in writers.setdefault(output.dataset, []):
                    if other != name and other not in before[name]:
                        message = f"{quoted(other)} may write {output.dataset.name} at the same time"
                        hint = f"add {other} to needs, or name another dataset"
                        jobs[name].job.report("parallel-writes", message, hint, output.at)
                writers[output.dataset].append((name, output))
    return {
        name: {
            given.name: _from_this_run(given, entry, writers, before[name], name)
            for given, entry in job.inputs.values()
        }
        for name, job in jobs.items()
    }


def _from_this_run(
    given: Input,
    entry: Field,
    writers: Mapping[DatasetRef, list[tuple[str, Output]]],
    before: frozenset[str],
    name: str,
) -> Input:
    if not isinstance(given.source, DatasetRef) or given.source.version != LATEST:
        return given
    written = writers.get(given.source, [])
    # a job that reads the version before and writes the next one means just that
    written = [each for each in written if each[0] != name]
    earlier = [(job, output.name) for job, output in written if job in before]
    if earlier:
        source = FromJob(*earlier[-1])
        alias = f"{source.job}.outputs.{source.output}"
        message = f"the job {quoted(source.job)} writes this dataset before; its version is taken"
        entry.report("same-run-dataset", message, f"write {given.name}: {alias}")
        return replace(given, source=source)
    if written:
        message = f"the job {quoted(written[0][0])} writes this dataset in the same run, maybe later"
        entry.report("same-run-dataset", message, "the version before this run is read, if there is one")
    return given
