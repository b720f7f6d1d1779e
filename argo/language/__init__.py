"""The language of Gradient workflow files: a text in, a checked model or located errors out.

text → nodes with positions (compose) → checks (workflow, jobs, inputs, actions, graph) → model
"""

from argo.language.diagnostics import CODES, Diagnostic, Severity, WorkflowError
from argo.language.inputs import bind_given_inputs, bind_inputs
from argo.language.model import Workflow
from argo.language.workflow import CheckResult, check, load

__all__ = [
    "CODES",
    "CheckResult",
    "Diagnostic",
    "Severity",
    "Workflow",
    "WorkflowError",
    "bind_given_inputs",
    "bind_inputs",
    "check",
    "load",
]
