"""The project that a folder belongs to: its root, and its store; and the user's cache."""

import os
from collections.abc import Mapping
from pathlib import Path

STORE_VARIABLE = "TEXTGEN_STORE"


def find_project_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds `.textgen` or `.git`; `start` if there is none."""
    folder = start.resolve()
    parents = (folder, *folder.parents)
    return next((p for p in parents if any((p / name).exists() for name in (".textgen", ".git"))), folder)


def default_store_url(start: Path, environment: Mapping[str, str] = os.environ) -> str:
    """TEXTGEN_STORE, else `.textgen/datasets` of the project that holds `start`."""
    return environment.get(STORE_VARIABLE) or (find_project_root(start) / ".textgen" / "datasets").as_uri()


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what programs can make again: XDG_CACHE_HOME, else `~/.cache`.

    The base directory specification has a relative path ignored.
    """
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    return base if base.is_absolute() else Path.home() / ".cache"
