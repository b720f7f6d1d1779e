"""A module that a job's programs did not find, and what installs it."""

from argo.local.process import WriteLine
from argo.local.runtime import Runtime
from job.extras import describe_missing, find_missing_module


class MissingModule:
    """Passes a job's lines on, and remembers the module that the last of them says is missing."""

    def __init__(self, write_line: WriteLine, runtime: Runtime, image: str) -> None:
        self._write_line = write_line
        self._runtime, self._image = runtime, image
        self._module: str | None = None

    def write_line(self, text: str) -> None:
        self._module = find_missing_module(text) or self._module
        self._write_line(text)

    def explain(self) -> None:
        """Write what installs the module, where the job has failed or made nothing."""
        if self._module is None:
            return
        in_image = f"the image {self._image} has no {self._module}"
        has_image = self._runtime.uses_images
        self._write_line(f"textgen: {in_image if has_image else describe_missing(self._module)}")
