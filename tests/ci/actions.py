"""A composite action as a runner of GitHub runs it: each step's script by bash, its files and expressions.

Of actions that it uses, only the upload of artifacts is known, and it keeps the files in `artifacts`.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


@dataclass
class Runner:
    """Runs the steps of `action` in the folder `work`; `temporary` is for the runner's own files."""

    action: dict[str, Any]
    root: Path
    work: Path
    temporary: Path
    environment: dict[str, str]
    inputs: dict[str, str]
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    said: str = ""

    def run(self, *names: str) -> int:
        """Run the steps of these names; the exit status of the first that fails. `said` has all output."""
        steps = {step["name"]: step for step in self.action["runs"]["steps"]}
        return next((status for name in names if (status := self._step(steps[name]))), 0)

    @property
    def summary(self) -> str:
        return self._file("summary").read_text("utf-8")

    def _step(self, step: dict[str, Any]) -> int:
        if "uses" in step:
            self._upload(step)
            return 0
        assert step["shell"] == "bash"
        for name in ("output", "path"):
            self._file(name).write_text("", "utf-8")
        self._file("summary").touch()
        script = self._file("script")
        script.write_text(step["run"], "utf-8")
        done = subprocess.run(
            # what `shell: bash` stands for
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.work,
            env={
                **self.environment,
                "PATH": ":".join([*self.path, self.environment["PATH"]]),
                "RUNNER_TEMP": str(self.temporary),
                "GITHUB_OUTPUT": str(self._file("output")),
                "GITHUB_PATH": str(self._file("path")),
                "GITHUB_STEP_SUMMARY": str(self._file("summary")),
                **self._evaluate(step.get("env", {})),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        self.said += done.stdout
        lines = self._file("output").read_text("utf-8").splitlines()
        self.steps[step.get("id", step["name"])] = dict(line.split("=", 1) for line in lines)
        self.path += self._file("path").read_text("utf-8").split(os.linesep)[:-1]
        return done.returncode

    def _upload(self, step: dict[str, Any]) -> None:
        assert step["uses"].startswith("actions/upload-artifact@")
        values = self._evaluate(step["with"])
        files = sorted(Path(values["path"]).glob("*"))
        assert files or values["if-no-files-found"] == "ignore"
        if files:
            self.artifacts[values["name"]] = {file.name: file.read_text("utf-8") for file in files}

    def _evaluate(self, values: dict[str, Any]) -> dict[str, str]:
        return {key: _EXPRESSION.sub(self._value, str(value)) for key, value in values.items()}

    def _value(self, match: re.Match[str]) -> str:
        match match[1].split("."):
            case ["github", "action_path"]:
                return str(self.root)
            case ["runner", "temp"]:
                return str(self.temporary)
            case ["inputs", name]:
                return self.inputs.get(name, str(self.action["inputs"][name]["default"]))
            case ["steps", name, "outputs", output]:
                return self.steps[name][output]
        raise AssertionError(f"{match[0]}: not an expression that the tests know")

    def _file(self, name: str) -> Path:
        return self.temporary / f"github-{name}"
