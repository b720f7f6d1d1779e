"""A workflow's inputs, and the push it runs for, as parameters of Argo."""

from collections.abc import Mapping
from dataclasses import dataclass

from hera.workflows import models as m

from argo.compile import names, text
from argo.language import bind_inputs
from argo.language.model import Workflow
from argo.object_names import GITHUB_REF, GITHUB_URL
from job.errors import InputError


@dataclass(frozen=True, slots=True)
class Parameters:
    """`arguments` as the object lists them; `defaults` are values that Argo would have read in, and so
    stay away from it: an empty parameter stands for them."""

    arguments: list[m.Parameter]
    defaults: Mapping[str, str]

    def value(self, name: str) -> dict[str, str]:
        """A VALUE of job.pod.spec."""
        found = {"parameter": name}
        return found | ({"default": self.defaults[name]} if name in self.defaults else {})


def of(workflow: Workflow, values: Mapping[str, str], url: str, ref: str) -> Parameters:
    """The parameters with the file's defaults, `values` over them; `url` and `ref` of the push.

    An input without a value stays without one: Argo asks for it. Raises InputError for a name that is
    no input, and for two inputs that are one to Argo.
    """
    event = {GITHUB_URL: url, GITHUB_REF: ref} | {
        name: values[name] for name in (GITHUB_URL, GITHUB_REF) if name in values
    }
    known = {name: value for name, value in values.items() if name not in event}
    missing = {name: "-" for name, each in workflow.inputs.items() if each.default is None}
    bound = bind_inputs(workflow, missing | known)
    found = {
        names.parameter(name): None if name in missing and name not in known else str(value)
        for name, value in bound.items()
    }
    where = [
        (name, names.parameter(name), f"{workflow.path}:{each.at.line}")
        for name, each in workflow.inputs.items()
    ]
    names.unique([*((name, name, "") for name in event), *where], "the inputs")
    texts = {**found, **event}
    hidden = {name: value for name, value in texts.items() if value is not None and not text.is_plain(value)}
    arguments = [
        m.Parameter.model_validate({"name": name, "value": "" if name in hidden else value})
        for name, value in texts.items()
    ]
    return Parameters(arguments, hidden)


def given(values: Mapping[str, str]) -> list[m.Parameter]:
    """Only `values`, for an object that refers to a template. Raises InputError."""
    for name, value in values.items():
        if not text.is_plain(value):
            raise InputError(f"-p {name}: Argo would read in this text; give it to the template instead")
    return [
        m.Parameter.model_validate({"name": names.parameter(n), "value": value})
        for n, value in values.items()
    ]
