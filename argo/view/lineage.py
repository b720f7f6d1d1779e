"""What made a version, in a person's order. Anybody may have written a manifest: any value may be missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from argo.view.rendering import build_url
from job.datasets import Manifest
from job.datasets.diff import Change, compare, flatten

_FIRST = ("model", "revision", "seed", "temperature", "top_k", "top_p", "repetition_penalty", "greedy")
# What differs in every run, and says nothing of the texts.
_PASSING = ("run", "made", "job", "repository.tree", "repository.changed_files", "workflow.sha256")


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value; `url` is the page about it, if there is one."""

    name: str
    value: str
    url: str = ""


def list_facts(manifest: Manifest) -> list[Fact]:
    """Which run, from which commit, of which inputs."""
    lineage = dict(flatten({name: value for name, value in manifest.lineage.items() if name != "generation"}))
    run = lineage.pop("run", "")
    facts = [
        Fact("run", run, build_url("runs", run)),
        Fact("job", lineage.pop("job", "")),
        Fact("file", lineage.pop("workflow.file", "")),
        Fact("repository", lineage.pop("repository.url", "")),
        Fact("commit", _describe_commit(lineage)),
    ]
    for name in [name for name in lineage if name.startswith("parameters.")]:
        facts.append(Fact(name.removeprefix("parameters."), lineage.pop(name)))
    for name in [name for name in lineage if name.startswith("inputs.")]:
        version = lineage.pop(name)
        facts.append(Fact(f"input {name.removeprefix('inputs.')}", version, build_url("datasets", version)))
    for name in ("repository.dirty", "repository.changed_files", "repository.tree", "workflow.name"):
        lineage.pop(name, None)
    facts += [Fact(name.replace("_", " "), value) for name, value in lineage.items()]
    return [fact for fact in facts if fact.value]


def list_settings(manifest: Manifest) -> list[Fact]:
    """The settings of a generation, those first that people change; empty if the version is of none."""
    settings = dict(flatten(_mapping(manifest.lineage.get("generation"))))
    names = sorted(settings, key=lambda name: (*_rank(name),))
    return [Fact(name, settings[name]) for name in names]


def list_changes(before: Manifest, after: Manifest) -> list[Change]:
    """What of the lineage differs, without what differs in every run."""
    first, second = (
        {name: value for name, value in flatten(manifest.lineage) if name not in _PASSING}
        for manifest in (before, after)
    )
    return _drop_repeated(compare(first, second))


def _drop_repeated(changes: Iterable[Change]) -> list[Change]:
    """Without a parameter that says what a setting of the same name says."""
    changes = list(changes)
    settings = {change.name.removeprefix("generation.") for change in changes if "generation." in change.name}
    return [
        Change(
            change.name.removeprefix("generation.").removeprefix("repository."), change.before, change.after
        )
        for change in changes
        if change.name.removeprefix("parameters.") not in settings or change.name.startswith("generation.")
    ]


def _describe_commit(lineage: dict[str, str]) -> str:
    commit = lineage.pop("repository.commit", "")
    changed = lineage.get("repository.changed_files", "0")
    return commit + (f", {changed} changed" if commit and changed != "0" else "")


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name), "") if name in _FIRST else (len(_FIRST) + name.startswith("versions."), name)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
