"""Files and jobs written for another system: one clear answer in place of fifty."""

from argo.language.field import Field
from argo.language.model import Position
from argo.language.nodes import Mapping, Node, Scalar
from job.text import listed, quoted

_ACTIONS_KEYS = ("steps", "runs-on")
_START = "write jobs: {NAME: {uses: script@v1, with: {image: ..., script: ...}}}"


# What is wrong, what to do, where and at which key.
_Problem = tuple[str, str, Position, str]


def is_foreign(root: Field) -> bool:
    """Note, once, why the file is no Gradient workflow at all."""
    problem = _problem(root.node)
    if problem is not None:
        message, hint, at, key = problem
        root.findings.add("not-a-workflow", at, key, message, hint)
    return problem is not None


def _problem(root: Node) -> _Problem | None:
    if isinstance(root, Scalar) and not root.text.strip():
        return "the file is empty", _START, root.at, ""
    if not isinstance(root, Mapping):
        return "a workflow is a map with the key 'jobs'", _START, root.at, ""
    if "jobs" not in root.values:
        return _without_jobs(root)
    return _unusable_jobs(root.values["jobs"], root.names["jobs"].at)


def _unusable_jobs(jobs: Node, at: Position) -> _Problem | None:
    if not isinstance(jobs, Mapping) or not jobs.values:
        empty = isinstance(jobs, Mapping) or (isinstance(jobs, Scalar) and jobs.null)
        what = "has no jobs in it" if empty else "must be a map from each job's name to the job"
        return what, _START, at, "jobs"
    if isinstance(jobs.values.get("uses"), Scalar):
        return (
            "'uses' stands beside the jobs, not in one",
            "indent it under its job",
            jobs.names["uses"].at,
            "jobs",
        )
    for name, job in jobs.values.items():
        if isinstance(job, Mapping) and "uses" not in job.values:
            for key in _ACTIONS_KEYS:
                if key in job.values:
                    hint = "a job here is one action: uses: script@v1, with: {image: ..., script: ...}"
                    message = f"{quoted(key)} is GitHub Actions, not Gradient"
                    return message, hint, job.names[key].at, f"jobs.{name}"
    return None


def _without_jobs(root: Mapping) -> _Problem:
    names = list(root.values)
    at = root.names[names[0]].at if names else root.at
    if "uses" in names or {"inputs", "outputs"} >= set(names):
        return "this is one job, without its 'jobs'", "indent it under jobs: NAME:", at, ""
    if "kind" in names and "apiVersion" in names:
        hint = "give it to kubectl or argo as it is"
        return "this is a Kubernetes object, not a Gradient workflow", hint, at, ""
    if any(isinstance(value, Mapping) and "uses" in value.values for value in root.values.values()):
        return "these are jobs, without the 'jobs' above them", "indent them under jobs:", at, ""
    alike = next((name for name in names if name.casefold() in ("job", "jobs")), None)
    hint = f"write jobs for {quoted(alike)}" if alike else _START
    return f"there is no 'jobs'; the file has {listed(quoted(name) for name in names)}", hint, at, ""
