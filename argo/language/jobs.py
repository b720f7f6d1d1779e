"""`jobs`: from their maps to the model's Jobs, the ones that an error spoils left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from argo.language import scripts
from argo.language.actions import ACTIONS, ActionKind, Call
from argo.language.defaults import Defaults, Resources, resources
from argo.language.field import Field
from argo.language.graph import JobLinks, complete_needs, link_same_run_datasets
from argo.language.inputs import job_inputs, job_outputs
from argo.language.model import Action, Container, Input, Job, Output, Script, Value, WorkflowInput
from argo.language.values import environment
from job.text import did_you_mean, quoted

MAX_JOBS = 1000

_KEYS = ("uses", "with", "needs", "inputs", "outputs", "env", "resources")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_NOT_IN_THE_LANGUAGE = "the language has none; remove it"
_INSTEAD = {
    **dict.fromkeys(("image", "script", "command", "args", "url", "ref"), "move it under `with`"),
    **dict.fromkeys(("if", "when", "condition", "strategy", "matrix", "retry"), _NOT_IN_THE_LANGUAGE),
    **dict.fromkeys(("timeout", "timeout-minutes", "continue-on-error"), _NOT_IN_THE_LANGUAGE),
    "name": "the key of the job is its name",
    "steps": "a job is one action; write a job for each step",
    "runs-on": "write resources: {instance-type: C5}",
    "working-directory": "write cd DIRECTORY in the script",
    "instance-type": "write resources: {instance-type: ...}",
}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A job whose own map was read, before it is looked at beside the others."""

    field: Field
    fields: dict[str, Field]
    outputs: dict[str, Output]


def read_jobs(field: Field, given: Mapping[str, WorkflowInput], defaults: Defaults) -> dict[str, Job]:
    """All jobs under `jobs` that have no error."""
    drafts = {name: _draft(name, entry) for name, entry in field.entries().items()}
    if len(drafts) > MAX_JOBS:
        field.report("too-large", f"more than {MAX_JOBS:,} jobs")
        return {}
    outputs = {name: draft.outputs for name, draft in drafts.items()}
    links = {
        name: JobLinks(
            draft.field,
            _needs(draft.fields["needs"], drafts) if "needs" in draft.fields else {},
            job_inputs(draft.fields["inputs"], given, outputs) if "inputs" in draft.fields else {},
            draft.outputs,
        )
        for name, draft in drafts.items()
    }
    needs = complete_needs(links)
    inputs = link_same_run_datasets(links, needs) if needs is not None else None
    jobs: dict[str, Job] = {}
    for name, draft in drafts.items():
        own = inputs[name] if inputs else {given.name: given for given, _ in links[name].inputs.values()}
        env = {**defaults.env, **environment(draft.fields["env"])} if "env" in draft.fields else defaults.env
        own_resources = resources(draft.fields["resources"]) if "resources" in draft.fields else Resources()
        action, registry = _action(draft, own, env)
        if action is None:
            continue
        jobs[name] = Job(
            name=name,
            action=action,
            needs=needs[name] if needs else (),
            inputs=own,
            outputs=draft.outputs,
            env=env,
            instance_type=own_resources.instance_type or defaults.resources.instance_type,
            registries=tuple(
                dict.fromkeys((*defaults.resources.registries, *own_resources.registries, *registry))
            ),
            at=draft.field.name_at,
        )
    return jobs


def _draft(name: str, field: Field) -> _Draft:
    if not _NAME.fullmatch(name):
        hint = "use letters, digits, '_' and '-', at most 63"
        field.report("bad-name", f"{quoted(name)} can't name a job", hint, field.name_at)
    fields = field.fields(_KEYS, _INSTEAD)
    outputs = job_outputs(fields["outputs"]) if "outputs" in fields else {}
    return _Draft(field, fields, outputs)


def _needs(field: Field, jobs: Mapping[str, object]) -> dict[str, Field]:
    """The jobs named in `needs`, with where each stands."""
    if field.null:
        return {}
    if field.is_text:
        field.report("wrong-type", "must be a list of jobs", "write [JOB]")
        return {}
    found: dict[str, Field] = {}
    for item in field.items():
        name = item.text()
        if name is not None and name not in jobs:
            item.report("unknown-job", f"there is no job {quoted(name)}", did_you_mean(name, jobs))
        elif name is not None:
            found[name] = item
    return found


def _action(
    draft: _Draft, inputs: Mapping[str, Input], env: Mapping[str, Value]
) -> tuple[Action | None, tuple[str, ...]]:
    """What the job does, and the registry that stands beside its image (`containerRegistry`)."""
    kind = _kind(draft)
    if kind is None:
        return None, ()
    given = draft.fields.get("with")
    if given is None:
        required = [name for name, argument in kind.arguments.items() if argument.required]
        hint = f"write with: and under it {', '.join(required)}"
        draft.field.report("missing-key", "'with' is missing", hint, draft.field.name_at)
        return None, ()
    arguments = kind.read(given)
    names = draft.fields["inputs"].names if "inputs" in draft.fields else ()
    action = kind.make(Call(draft.field, arguments, inputs, names, draft.outputs, env))
    match action:
        case Script():
            scripts.check(arguments["script"], names, draft.outputs)
        case Container():
            for item in arguments["args"].items() if "args" in arguments else []:
                scripts.check(item, names, draft.outputs)
    registry = arguments["containerRegistry"].text() if action and "containerRegistry" in arguments else None
    return action, (registry,) if registry else ()


def _kind(draft: _Draft) -> ActionKind | None:
    uses = draft.field.require(draft.fields, "uses", f"write uses: {', '.join(list(ACTIONS)[:-1])} or ...")
    name = uses.text() if uses else None
    if uses is None or name is None:
        return None
    if name not in ACTIONS:
        # the heading of create-model's own page
        meant = "create-model@v1" if name == "model-create@v1" else name
        uses.report("unknown-action", f"there is no action {quoted(name)}", did_you_mean(meant, ACTIONS))
        return None
    return ACTIONS[name]
