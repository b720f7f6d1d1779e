"""The language of Gradient workflow files: a text in, a checked model or located errors out.

text → nodes with positions (nodes) → checks (workflow, jobs, inputs, actions, graph) → model
"""

from argo.language.diagnostics import CODES, Diagnostic, Severity, WorkflowError
from argo.language.model import Workflow
from argo.language.parameters import bind
from argo.language.workflow import Checked, check, load

__all__ = ["CODES", "Checked", "Diagnostic", "Severity", "Workflow", "WorkflowError", "bind", "check", "load"]
