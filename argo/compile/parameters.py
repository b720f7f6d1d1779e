"""A workflow's inputs, and the push it runs for, as parameters of Argo."""

from collections.abc import Mapping
from dataclasses import dataclass

from argo.compile.escaping import is_plain
from argo.compile.names import parameter_name
from argo.kubernetes_names import GITHUB_REF, GITHUB_URL
from argo.language import bind_given_inputs
from argo.language.model import Workflow
from job.checkout.git import is_ref, is_url, redact_url
from job.errors import InputError
from job.pod.values import Parameter
from job.text import quoted

# A parameter reaches a pod as base64 in one variable, which Linux limits to 128 KiB with its name.
LONGEST_STRING = 95 << 10  # bytes

LENGTH_HINT = "use a volume or dataset"


@dataclass(frozen=True, slots=True)
class Parameters:
    """`arguments` are the object's; None has no value yet. `defaults` are values that Argo would expand,
    and so stay away from it: an empty parameter stands for them."""

    arguments: Mapping[str, str | None]
    defaults: Mapping[str, str]

    def parameter(self, name: str) -> Parameter:
        """The parameter as a pod's own container reads it."""
        return Parameter(name, self.defaults.get(name))


def build_parameters(workflow: Workflow, values: Mapping[str, str], url: str, ref: str) -> Parameters:
    """The parameters with the file's defaults, `values` over them; `url` and `ref` of the push.

    An input without a value stays without one: Argo asks for it. Raises InputError for a name that is
    no input, and for a value that is not valid or too long.
    """
    _check_event(values)
    event = {GITHUB_URL: values.get(GITHUB_URL, url), GITHUB_REF: values.get(GITHUB_REF, ref)}
    known = {name: value for name, value in values.items() if name not in event}
    bound = bind_given_inputs(workflow, known)
    texts: dict[str, str | None] = {
        parameter_name(name): str(bound[name]) if name in bound else None for name in workflow.inputs
    }
    texts |= event
    _check_lengths(values)
    hidden = {name: text for name, text in texts.items() if text is not None and not is_plain(text)}
    return Parameters({name: "" if name in hidden else text for name, text in texts.items()}, hidden)


def template_arguments(values: Mapping[str, str]) -> dict[str, str]:
    """`values` alone, for an object that refers to a template.

    Raises InputError for a text that Argo would expand, and for one that is too long.
    """
    _check_lengths(values)
    for name, value in values.items():
        if not is_plain(value):
            raise InputError(f"-p {name}: Argo would expand this text; give it to the template instead")
    return {parameter_name(name): value for name, value in values.items()}


def _check_event(values: Mapping[str, str]) -> None:
    """Raise InputError for a URL or ref that the job would refuse. Without one, the run has to give it."""
    url, ref = values.get(GITHUB_URL), values.get(GITHUB_REF)
    if url and not is_url(url):
        raise InputError(f"-p {GITHUB_URL}: {quoted(redact_url(url))} is not an https, ssh, git or file URL")
    if ref and not is_ref(ref):
        raise InputError(f"-p {GITHUB_REF}: {quoted(ref)} is not the name of a branch, tag or commit")


def _check_lengths(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        if problem := describe_length(text):
            raise InputError(f"input {quoted(name)}: {problem}; {LENGTH_HINT}")


def describe_length(text: str) -> str:
    """What is wrong with the length of a string input; empty if nothing is."""
    size = len(text.encode("utf-8", "surrogateescape"))
    return (
        f"{size} bytes, over the {LONGEST_STRING >> 10} KiB of a string input"
        if size > LONGEST_STRING
        else ""
    )
