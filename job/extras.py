"""What textgen is installed with: its extras, which of their modules are there, and how to add one."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

# The modules that some commands and jobs can't do without, and the extra that brings each.
EXTRAS = {
    "accelerate": "job",
    "gguf": "cpu",
    "huggingface_hub": "cpu",
    "jinja2": "cpu",
    "llguidance": "cpu",
    "numpy": "cpu",
    "openvino": "cpu",
    "pyarrow": "parquet",
    "tokenizers": "cpu",
    "torch": "job",
    "transformers": "job",
}

# Python's words, and transformers', which is imported without torch but runs nothing
_NO_MODULE = re.compile(r"No module named '?(?P<module>\w+)|(?P<torch>PyTorch was not found)")


def is_installed(*modules: str) -> bool:
    """Whether all of the modules are installed; none is imported."""
    return all(map(importlib.util.find_spec, modules))


def describe_missing(module: str) -> str | None:
    """That the module is not installed, and the command that installs it; None if no extra brings it."""
    extra = EXTRAS.get(module.partition(".")[0])
    return extra and f"{module.partition('.')[0]} is not installed; run: {install_command(extra)}"


def find_missing_module(line: str) -> str | None:
    """The module that a line says Python has not found; None if it says nothing, or no extra brings it."""
    match = _NO_MODULE.search(line)
    module = match and ("torch" if match["torch"] else match["module"])
    return module if module in EXTRAS else None


def install_command(extra: str) -> str:
    """The command that installs textgen's extra: make in a checkout of textgen, elsewhere pip.

    Where textgen is from: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    # Every command imports this module: what only this line needs would take 50 ms of each.
    from importlib.metadata import distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    text = distribution("argo-textgen").read_text("direct_url.json")
    origin = json.loads(text or "{}")
    if origin.get("dir_info", {}).get("editable"):
        checkout = Path(url2pathname(urlsplit(origin["url"]).path))
        folder = "" if checkout == Path.cwd() else f"-C {shlex.quote(str(checkout))} "
        return f"make {folder}setup EXTRA={extra}"
    vcs = origin.get("vcs_info")
    url = f" @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else ""
    return f"pip install 'argo-textgen[{extra}]{url}'"
