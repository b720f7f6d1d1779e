"""Models: read from the user's caches, downloaded and converted into the project's own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from argo.local.runtime import Access, Mount

_HUB = "/run/textgen/cache/huggingface"
_MODELS = "/run/textgen/cache/textgen"
ENV = {"HF_HOME": _HUB, "TEXTGEN_CACHE": _MODELS}


def model_cache_mounts(cache: Path, environ: Mapping[str, str] = os.environ) -> list[Mount]:
    """The project's `cache` for a job to write to, and in it, each model that only the user has."""
    return [
        *_mounts(cache / "huggingface", "hub", _HUB, _user_hub(environ), "models--*"),
        *_mounts(cache / "textgen", "models", _MODELS, _user_models(environ), "*"),
    ]


def model_mounts(values: Iterable[object]) -> list[Mount]:
    """A mount, at the same path, of each value that is a model's folder or GGUF file on this machine.

    Values may be a workflow file's own, so that what is mounted has to look like a model.
    """
    paths = {Path(str(value)) for value in values if str(value).startswith("/")}
    return [Mount(path, str(path), Access.READ) for path in sorted(paths) if _is_model(path)]


def _is_model(path: Path) -> bool:
    try:
        if path.is_dir() and ".." not in path.parts:
            weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
            return (path / "config.json").is_file() and bool(weights)
        return path.suffix == ".gguf" and path.is_file()
    except (OSError, ValueError):  # a text that is no path
        return False


def _mounts(cache: Path, folder: str, target: str, user_folder: Path, pattern: str) -> Iterator[Mount]:
    (cache / folder).mkdir(parents=True, exist_ok=True)
    yield Mount(cache, target, Access.WRITE)
    user_models = {path.name: path for path in _glob(user_folder, pattern) if path.is_dir()}
    # an empty folder is a mount point that an earlier job has left
    empty = {
        path.name for path in _glob(cache / folder, pattern) if path.is_dir() and not any(path.iterdir())
    }
    for name in empty - user_models.keys():
        (cache / folder / name).rmdir()
    for name, model in user_models.items():
        if name in empty or not (cache / folder / name).exists():
            yield Mount(model, f"{target}/{folder}/{name}", Access.PRIVATE)


def _glob(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if os.access(folder, os.R_OK | os.X_OK) else []


def _user_hub(environ: Mapping[str, str]) -> Path:
    if hub := environ.get("HF_HUB_CACHE"):
        return Path(hub).expanduser()
    home = environ.get("HF_HOME")
    return (Path(home).expanduser() if home else _user_cache(environ) / "huggingface") / "hub"


def _user_models(environ: Mapping[str, str]) -> Path:
    cache = environ.get("TEXTGEN_CACHE")
    return (Path(cache) if cache else _user_cache(environ) / "textgen") / "models"


def _user_cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME")
    return Path(base) if base else Path.home() / ".cache"
