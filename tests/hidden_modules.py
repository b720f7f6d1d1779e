"""Modules that are there, as if they were not installed."""

from pathlib import Path

# Python imports it when it starts.
_SITE = """
import sys
from importlib.machinery import PathFinder
class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {names!r} else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def hide_modules(folder: Path, *names: str) -> Path:
    """Make a folder: where PYTHONPATH names it, Python does not find the modules."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE.format(names=names))
    return folder
