"""The values of a workflow's inputs for one run: its defaults and what `-p NAME=VALUE` gave."""

from collections.abc import Mapping

from argo.language.model import Type, Workflow
from job.datasets.reference import DatasetRef
from job.errors import InputError
from job.text import did_you_mean, listed, quoted


def bind(workflow: Workflow, values: Mapping[str, str]) -> Mapping[str, str | DatasetRef]:
    """The value of every input of `workflow`, by its name.

    Raises InputError for a name that is no input, a reference that can't be read, and an input that
    has neither a value nor a default.
    """
    for name in values:
        if name not in workflow.inputs:
            hint = did_you_mean(name, workflow.inputs, "it takes none")
            raise InputError(f"{workflow.path}: the workflow has no input {quoted(name)}; {hint}")
    bound: dict[str, str | DatasetRef] = {}
    missing: list[str] = []
    for name, given in workflow.inputs.items():
        if name in values:
            bound[name] = DatasetRef.parse(values[name]) if given.type is Type.DATASET else values[name]
        elif given.default is not None:
            bound[name] = given.default
        else:
            missing.append(name)
    if missing:
        hint = f"give it with -p {missing[0]}=VALUE"
        raise InputError(f"{workflow.path}: the workflow needs a value for {listed(missing)}; {hint}")
    return bound
