"""A workflow file, from its text to the model: the top level, and every stage in turn."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from argo.language.actions.git_checkout import check_ref, check_url
from argo.language.compose import compose
from argo.language.defaults import Defaults, read_defaults
from argo.language.diagnostics import Diagnostic, Findings, TooManyErrors, WorkflowError
from argo.language.field import Field
from argo.language.inputs import read_workflow_inputs
from argo.language.jobs import read_jobs
from argo.language.model import Event, EventField, GitCheckout, Job, Position, Trigger, Workflow
from argo.language.not_a_workflow import report_not_a_workflow
from job.checkout.git import is_branch
from job.text import quoted

MAX_BYTES = 1024 * 1024

_START = Position(1, 1)
# A loader of YAML 1.1 reads the bare key `on` as the boolean, and writes it back as `true`.
_ON = ("on", "true", "True")
_INDENT = "indent it under its job"
_HINTS = {
    **dict.fromkeys(("uses", "with", "needs", "outputs", "resources"), _INDENT),
    "name": "remove it: the file's name is the workflow's",
    "env": "write defaults: {env: ...}",
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A file's diagnostics; `workflow` is None if one of them is an error. `trigger` is there even if the
    jobs have errors."""

    workflow: Workflow | None
    diagnostics: tuple[Diagnostic, ...]
    trigger: Trigger | None = None

    def require_workflow(self) -> Workflow:
        """The workflow. Raises WorkflowError with all diagnostics if the file has errors."""
        if self.workflow is None:
            raise WorkflowError(self.diagnostics)
        return self.workflow


def load(path: Path) -> Workflow:
    """The workflow in the file at `path` (`-`: standard input).

    Raises WorkflowError with all of the file's diagnostics if one of them is an error.
    """
    return check(path).require_workflow()


def check(path: Path, data: bytes | None = None) -> CheckResult:
    """Check the file at `path` (`-`: standard input); `data` is its content if it was read before."""
    findings = Findings(path)
    if data is None:
        data = _read(path, findings)
    text = _decode(data, findings) if data is not None else None
    root = _read_root(text, findings) if text is not None else None
    if text is None or root is None:
        return CheckResult(None, findings.in_order())
    trigger_findings = Findings(path)
    trigger = workflow = None
    with suppress(TooManyErrors):
        trigger = _read_trigger(root, trigger_findings)
    with suppress(TooManyErrors):
        if not report_not_a_workflow(root):
            findings.extend(trigger_findings)
            workflow = _read_workflow(root, path, text, trigger)
    return CheckResult(None if findings.errors else workflow, findings.in_order(), trigger)


def _read(path: Path, findings: Findings) -> bytes | None:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        findings.add("unreadable-file", _START, "", f"can't be read: {error.strerror}")
        return None


def _decode(data: bytes, findings: Findings) -> str | None:
    if len(data) > MAX_BYTES:
        findings.add("too-large", _START, "", f"the file is larger than {MAX_BYTES >> 20} MiB")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        at = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        findings.add("unreadable-file", at, "", message, "save the file as UTF-8")
        return None


def _read_root(text: str, findings: Findings) -> Field | None:
    node = compose(text, findings)
    if node is None:
        if not findings.errors:
            findings.add("not-a-workflow", _START, "", "the file is empty")
        return None
    return Field(node, "", _START, findings)


def _read_workflow(root: Field, path: Path, text: str, trigger: Trigger | None) -> Workflow:
    fields = root.fields(("jobs", "defaults", "inputs", "context", *_ON), _HINTS)
    event = _read_event(fields["context"]) if "context" in fields else Event()
    defaults = read_defaults(fields["defaults"]) if "defaults" in fields else Defaults()
    inputs = read_workflow_inputs(fields["inputs"]) if "inputs" in fields else {}
    jobs = read_jobs(fields["jobs"], inputs, defaults)
    if not {"context", *_ON} & fields.keys():
        _check_event(fields["jobs"], jobs)
    return Workflow(path, text, trigger, event, inputs, jobs, defaults.cluster_id)


def _read_trigger(root: Field, findings: Findings) -> Trigger | None:
    """`on: {github: {branches: {only: BRANCH}}}`; a list of branches is allowed too."""
    on = next((name for name in _ON if name in root.keys), None)
    if on is None:
        return None
    only = Field(root.node, root.key, root.key_at, findings).entries()[on]
    for name in ("github", "branches", "only"):
        if name not in only.keys:
            hint = "write on: {github: {branches: {only: main}}}"
            only.report("bad-trigger", f"{quoted(name)} is missing; no push starts the workflow", hint)
            return None
        only = only.fields((name,))[name]
    branches = only.strings() if only.is_list else (only.string(),)
    names = tuple(branch for branch in branches or () if branch)
    if any("," in name or not is_branch(name) for name in names):
        hint = "write the name of a branch, or a list of names"
        only.report("bad-trigger", "is not a branch name; no push starts the workflow", hint)
        return None
    return Trigger(names) if names else None


def _read_event(field: Field) -> Event:
    """`context.event.github`, which the platform wrote into the file after a push."""
    github = field
    for name in ("event", "github"):
        fields = github.fields((name,))
        if name not in fields:
            return Event()
        github = fields[name]
    fields = github.fields(("url", "ref"))
    url = fields["url"].string() if "url" in fields else None
    ref = fields["ref"].string() if "ref" in fields else None
    return Event(
        check_url(fields["url"], url) if url is not None else None,
        check_ref(fields["ref"], ref) if ref is not None else None,
    )


def _check_event(field: Field, jobs: Mapping[str, Job]) -> None:
    """Warn at the first job that uses the push's URL or commit in a file that no push starts."""
    for name, job in jobs.items():
        if isinstance(job.action, GitCheckout):
            fields = [value for value in (job.action.url, job.action.ref) if isinstance(value, EventField)]
            if fields:
                message = f"context.event.github.{fields[0]} is set only by a push or by a local repository"
                hint = "write on: {github: {branches: {only: main}}}, or the URL in full"
                field.findings.add("unset-event", job.at, f"jobs.{name}", message, hint)
                return
