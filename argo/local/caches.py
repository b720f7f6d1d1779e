"""Models: read from the user's caches, downloaded and converted into the project's own."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from argo.local.task import Access, Mount

_HUB = "/run/textgen/cache/huggingface"
_MODELS = "/run/textgen/cache/textgen"
ENV = {"HF_HOME": _HUB, "TEXTGEN_CACHE": _MODELS}


def mounts(cache: Path, environ: Mapping[str, str] = os.environ) -> list[Mount]:
    """The project's `cache` for a job to write to, and in it, each model that only the user has."""
    return [
        *_shared(cache / "huggingface", "hub", _HUB, _hub(environ), "models--*"),
        *_shared(cache / "textgen", "models", _MODELS, _converted(environ), "*"),
    ]


def _shared(own: Path, folder: str, target: str, users: Path, pattern: str) -> Iterator[Mount]:
    (own / folder).mkdir(parents=True, exist_ok=True)
    yield Mount(own, target, Access.WRITE)
    there = {path.name: path for path in _listed(users, pattern) if path.is_dir()}
    # an empty folder is a mount point that an earlier job has left
    empty = {
        path.name for path in _listed(own / folder, pattern) if path.is_dir() and not any(path.iterdir())
    }
    for name in empty - there.keys():
        (own / folder / name).rmdir()
    for name, model in there.items():
        if name in empty or not (own / folder / name).exists():
            yield Mount(model, f"{target}/{folder}/{name}", Access.PRIVATE)


def _listed(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if os.access(folder, os.R_OK | os.X_OK) else []


def _hub(environ: Mapping[str, str]) -> Path:
    if hub := environ.get("HF_HUB_CACHE"):
        return Path(hub).expanduser()
    home = environ.get("HF_HOME")
    return (Path(home).expanduser() if home else _user_cache(environ) / "huggingface") / "hub"


def _converted(environ: Mapping[str, str]) -> Path:
    own = environ.get("TEXTGEN_CACHE")
    return (Path(own) if own else _user_cache(environ) / "textgen") / "models"


def _user_cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME")
    return Path(base) if base else Path.home() / ".cache"
