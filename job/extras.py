"""What textgen is installed with: its extras, which of their modules are there, and how to add one."""

import importlib.metadata
import importlib.util
import json
import shlex
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

# The modules that some commands and jobs can't do without, and the extra that brings each.
_EXTRAS = {
    "accelerate": "job",
    "gguf": "cpu",
    "huggingface_hub": "cpu",
    "jinja2": "cpu",
    "numpy": "cpu",
    "openvino": "cpu",
    "tokenizers": "cpu",
    "torch": "job",
    "transformers": "job",
}


def is_installed(*modules: str) -> bool:
    """Whether all of the modules are installed; none is imported."""
    return all(map(importlib.util.find_spec, modules))


def describe_missing(module: str) -> str | None:
    """That the module is not installed, and the command that installs it; None if no extra brings it."""
    extra = _EXTRAS.get(module.partition(".")[0])
    return extra and f"{module.partition('.')[0]} is not installed; run: {install_command(extra)}"


def install_command(extra: str) -> str:
    """The command that installs textgen's extra: make in a checkout of textgen, elsewhere pip."""
    checkout = _find_checkout()
    if checkout is None:
        return f"pip install 'argo-textgen[{extra}]'"
    folder = "" if checkout == Path.cwd() else f"-C {shlex.quote(str(checkout))} "
    return f"make {folder}setup EXTRA={extra}"


def _find_checkout() -> Path | None:
    """The checkout that textgen runs from, if it was set up in one.

    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    text = importlib.metadata.distribution("argo-textgen").read_text("direct_url.json")
    origin = json.loads(text or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))
