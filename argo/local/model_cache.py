"""Models: read from the user's cache of the hub, downloaded into the project's own."""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from argo.local.runtime import Access, Mount
from job.errors import InputError
from job.project import user_cache
from job.untrusted_files import UntrustedPath, set_links

_HUB = "/run/textgen/cache/huggingface"
_USER_MODELS = "/run/textgen/models"
ENV = {"HF_HOME": _HUB}

_PART = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")


def model_cache_mounts(cache: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Mount]:
    """The project's `cache` for a job to write to, with a link to each model that only the user has."""
    cache /= "huggingface"
    cache.mkdir(parents=True, exist_ok=True)
    yield Mount(cache, _HUB, Access.WRITE)
    models = {path.name: path for path in _list_models(_user_hub(environ))}
    # a mount in the cache would lead where a job has put a link
    links = {name: f"{_USER_MODELS}/{name}" for name in models}
    for name in set_links(UntrustedPath.at(cache).joinpath("hub"), links, f"{_USER_MODELS}/"):
        yield Mount(models[name], links[name], Access.PRIVATE)


def model_mounts(
    parameters: Mapping[str, str], home: Path, environ: Mapping[str, str] = os.environ
) -> tuple[Mount, ...]:
    """A mount, at the same path, of each parameter that is a model's folder or GGUF file on this machine.

    `home` is the project's folder, to which jobs write.
    Raises InputError for one that a link leads to, or that jobs can change.
    """
    hub = _user_hub(environ).resolve()
    paths: set[Path] = set()
    for name, value in parameters.items():
        path = Path(value)
        if not path.is_absolute() or not _is_model(path):
            continue
        if hub in path.parents:  # where names are links to the repository's own files
            paths.add(hub / path.relative_to(hub).parts[0])
            continue
        for part in _list_parts(path):
            _check_is_no_link(name, part)
            if part.is_relative_to(home.resolve()):
                raise InputError(
                    f"-p {name}={part}: jobs can change it; give its path in a job, as /storage/..."
                )
            paths.add(part)
    return tuple(Mount(path, str(path), Access.READ) for path in sorted(paths))


def _check_is_no_link(name: str, path: Path) -> None:
    """A link may be anybody's, lead to any file of the user's, and elsewhere in the sandbox."""
    real = path.resolve()
    if real != path:
        raise InputError(f"-p {name}={path}: a link to {real}; give the model itself, or its name on the hub")


def _list_parts(path: Path) -> list[Path]:
    """The model, or all parts of a split GGUF file."""
    part = _PART.fullmatch(path.name)
    if not part:
        return [path]
    return list(path.parent.glob(f"{glob.escape(part['stem'])}-?????-of-{part['count']}.gguf"))


def _is_model(path: Path) -> bool:
    try:
        if ".." in path.parts:
            return False
        if path.is_dir():
            weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
            return (path / "config.json").is_file() and bool(weights)
        return path.suffix == ".gguf" and path.is_file()
    except (OSError, ValueError):  # a text that is no path
        return False


def _list_models(hub: Path) -> list[Path]:
    if not os.access(hub, os.R_OK | os.X_OK):
        return []
    return sorted(path for path in hub.glob("models--*") if path.is_dir())


def _user_hub(environ: Mapping[str, str]) -> Path:
    if hub := environ.get("HF_HUB_CACHE"):
        return Path(hub).expanduser()
    home = environ.get("HF_HOME")
    return (Path(home).expanduser() if home else user_cache(environ) / "huggingface") / "hub"
