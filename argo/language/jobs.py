"""`jobs`: from their mappings to the model's Jobs, without those that have an error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from argo.language.actions import ACTIONS, ActionKind, Call
from argo.language.defaults import Defaults, Resources, read_resources
from argo.language.field import Field
from argo.language.graph import JobLinks, complete_needs, link_same_run_datasets
from argo.language.inputs import read_job_inputs, read_job_outputs
from argo.language.model import Action, Container, Input, Job, Output, Script, Value, WorkflowInput
from argo.language.nodes import Scalar
from argo.language.scripts import check_script
from argo.language.values import read_env
from job.text import did_you_mean, quoted

MAX_JOBS = 1000

_KEYS = ("uses", "with", "needs", "inputs", "outputs", "env", "resources")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_UNSUPPORTED = "Gradient workflows do not have it; remove it"
_HINTS = {
    **dict.fromkeys(("image", "script", "command", "args", "url", "ref"), "move it under `with`"),
    **dict.fromkeys(("if", "when", "condition", "strategy", "matrix", "retry"), _UNSUPPORTED),
    **dict.fromkeys(("timeout", "timeout-minutes", "continue-on-error"), _UNSUPPORTED),
    "name": "the key of the job is its name",
    "steps": "a job is one action; write a job for each step",
    "runs-on": "write resources: {instance-type: C5}",
    "working-directory": "write cd DIRECTORY in the script",
    "instance-type": "write resources: {instance-type: ...}",
}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A job whose own mapping was read, before it is checked together with the others."""

    field: Field
    fields: dict[str, Field]
    outputs: dict[str, Output]


def read_jobs(
    field: Field, workflow_inputs: Mapping[str, WorkflowInput], defaults: Defaults
) -> dict[str, Job]:
    """All jobs under `jobs` that have no error."""
    drafts = {name: _read_draft(name, entry) for name, entry in field.entries().items()}
    if len(drafts) > MAX_JOBS:
        field.report("too-large", f"more than {MAX_JOBS:,} jobs")
        return {}
    outputs = {name: draft.outputs for name, draft in drafts.items()}
    links = {
        name: JobLinks(
            draft.field,
            _read_needs(draft.fields["needs"], drafts) if "needs" in draft.fields else {},
            read_job_inputs(draft.fields["inputs"], workflow_inputs, outputs)
            if "inputs" in draft.fields
            else {},
            draft.outputs,
        )
        for name, draft in drafts.items()
    }
    needs = complete_needs(links)
    inputs = link_same_run_datasets(links, needs) if needs is not None else None
    jobs: dict[str, Job] = {}
    for name, draft in drafts.items():
        fields = draft.fields
        job_inputs = (
            inputs[name] if inputs else {entry.name: entry for entry, _ in links[name].inputs.values()}
        )
        env = {**defaults.env, **read_env(fields["env"])} if "env" in fields else defaults.env
        resources = read_resources(fields["resources"]) if "resources" in fields else Resources()
        action, registries = _read_action(draft, job_inputs, env)
        if action is None:
            continue
        jobs[name] = Job(
            name=name,
            action=action,
            needs=needs[name] if needs else (),
            inputs=job_inputs,
            outputs=draft.outputs,
            env=env,
            instance_type=resources.instance_type or defaults.resources.instance_type,
            registries=tuple(
                dict.fromkeys((*defaults.resources.registries, *resources.registries, *registries))
            ),
            at=draft.field.key_at,
            instance_at=resources.instance_at or defaults.resources.instance_at,
        )
    return jobs


def _read_draft(name: str, field: Field) -> _Draft:
    if not _NAME.fullmatch(name):
        hint = "use letters, digits, '_' and '-', at most 63"
        field.report("bad-name", f"{quoted(name)} is not a valid job name", hint, field.key_at)
    fields = field.fields(_KEYS, _HINTS)
    outputs = read_job_outputs(fields["outputs"]) if "outputs" in fields else {}
    return _Draft(field, fields, outputs)


def _read_needs(field: Field, jobs: Mapping[str, object]) -> dict[str, Field]:
    """The jobs named in `needs`, each with its field."""
    if field.null:
        return {}
    if isinstance(field.node, Scalar):
        names = re.split(r"[\s,]+", field.node.text.strip())
        hint = f"write [{', '.join(names) if all(name in jobs for name in names) else 'JOB'}]"
        field.report("wrong-type", "must be a list of jobs, not a string", hint)
        return {}
    needs: dict[str, Field] = {}
    for item in field.items():
        name = item.string()
        if name is not None and name not in jobs:
            item.report("unknown-job", f"there is no job {quoted(name)}", did_you_mean(name, jobs))
        elif name is not None:
            needs[name] = item
    return needs


def _read_action(
    draft: _Draft, inputs: Mapping[str, Input], env: Mapping[str, Value]
) -> tuple[Action | None, tuple[str, ...]]:
    """The job's action, and the registry beside its image (`containerRegistry`)."""
    kind = _read_kind(draft)
    if kind is None:
        return None, ()
    arguments_field = draft.fields.get("with")
    if arguments_field is None:
        required = [name for name, argument in kind.arguments.items() if argument.required]
        hint = f"write with: and under it {', '.join(required) or 'its settings'}"
        draft.field.report("missing-key", "'with' is missing", hint, draft.field.key_at)
        return None, ()
    arguments = kind.read_arguments(arguments_field)
    names = draft.fields["inputs"].keys if "inputs" in draft.fields else ()
    action = kind.build_action(Call(draft.field, arguments, inputs, names, draft.outputs, env))
    match action:
        case Script():
            check_script(arguments["script"], names, draft.outputs)
        case Container():
            for item in arguments["args"].items() if "args" in arguments else []:
                check_script(item, names, draft.outputs)
    registry = (
        arguments["containerRegistry"].string() if action and "containerRegistry" in arguments else None
    )
    return action, (registry,) if registry else ()


def _read_kind(draft: _Draft) -> ActionKind | None:
    uses = draft.field.require(draft.fields, "uses", f"write uses: {', '.join(list(ACTIONS)[:-1])} or ...")
    name = uses.string() if uses else None
    if uses is None or name is None:
        return None
    if name not in ACTIONS:
        # Gradient's page on create-model@v1 has this heading
        alike = "create-model@v1" if name == "model-create@v1" else name
        uses.report("unknown-action", f"there is no action {quoted(name)}", did_you_mean(alike, ACTIONS))
        return None
    return ACTIONS[name]
