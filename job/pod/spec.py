"""What a pod's own containers are told, as JSON in one environment variable.

    inputs   {"job", "into": {PATH: STEP, ...}, "folders": [PATH, ...], "resolve": [VALUE, ...],
              "files": {NAME: VALUE}, "main": {"env": {...}, "argv": [...], "share": BOOL}}
    commit   {"job", "outputs": {NAME: OUTPUT}, "event": {"url": VALUE, "ref": VALUE}, "lineage": {...}}

A STEP is one of
    {"checkout": {"job", "url": VALUE, "ref": VALUE, "username": VALUE, "password": VALUE}}
    {"dataset": VALUE}                      resolved once for the run
    {"parameter": NAME, "default": TEXT}    a text for a file
    {"output": [JOB, NAME]}                 what an earlier job left, whatever it is
    {"s3": {"url", "region", "endpoint", "access-key": VALUE, "secret-access-key": VALUE}}
An OUTPUT is one of {"dataset": REF}, {"volume": true}, {"string": true} and
{"model": {"name", "type"}}, which makes a version of the input `model`, and a string of its id.
A VALUE is a text; null; {"parameter": NAME, "default": TEXT}, a parameter of the workflow, which stands
for the default where it is empty; or {"variable": NAME}, a variable of the environment (a secret).
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from job.errors import InputError

INPUTS = Path("/inputs")
OUTPUTS = Path("/outputs")
# Written by the first container, read by the others; the job's own can't write there.
NOTES = Path("/var/run/textgen")
LINEAGE = NOTES / "lineage.json"
# One file an output, for Argo to show.
VERSIONS = Path("/var/run/versions")


def told(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The steps. Raises InputError where there are none."""
    try:
        steps = json.loads(environ["TEXTGEN_STEPS"])
    except (KeyError, ValueError):
        steps = None
    if not isinstance(steps, dict):
        raise InputError("TEXTGEN_STEPS holds no steps; this runs in a pod that `textgen compile` made")
    return steps


def value(given: Any, environ: Mapping[str, str]) -> str:
    """The text of a VALUE; empty for null.

    A parameter comes as base64, so that nothing on its way reads what is in it.
    """
    if isinstance(given, str):
        return given
    if not given:
        return ""
    if name := given.get("variable"):
        return environ.get(name, "")
    try:
        text = base64.b64decode(environ[f"PARAMETER_{given['parameter']}"], validate=True).decode("utf-8")
    except ValueError as error:
        raise InputError(f"the parameter {given['parameter']} is not UTF-8") from error
    return text or str(given.get("default", ""))
