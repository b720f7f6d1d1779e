"""Which files of a checkpoint loading reads: its weights by their index, its configuration and tokenizer."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from job.errors import ModelError

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
GENERATION_CONFIG = "generation_config.json"

# In the order in which transformers looks for them. An index names the files of the weights' parts.
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_INDEX_SUFFIX = ".index.json"
# Of configurations, tokenizers and chat templates
_TEXT_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".spm", ".codes", ".tokenizer", ".tiktoken")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# The content of one of a checkpoint's files
Read = Callable[[str], bytes]


def select_files(model: str, names: Iterable[str], read: Read) -> list[str]:
    """Those of a checkpoint's files that loading reads: of the weights, one format and no others.

    Files that an index names are listed even if they are not in `names`. Raises ModelError if the
    index is not one.
    """
    top = {name for name in names if "/" not in name}
    files = {name for name in top if name.endswith(_TEXT_SUFFIXES) and not name.endswith(_INDEX_SUFFIX)}
    files.update(_select_weights(model, top, read))
    if ADAPTER_CONFIG in top:
        files.update([name for name in _ADAPTER_WEIGHTS if name in top][:1])
    return sorted(files)


def _select_weights(model: str, names: set[str], read: Read) -> list[str]:
    """The files of the weights, with their index; none if there are no weights."""
    named = read_json(model, CONFIG, read).get("transformers_weights") if CONFIG in names else None
    weights = named if isinstance(named, str) else next((name for name in _WEIGHTS if name in names), None)
    if weights is None or not weights.endswith(_INDEX_SUFFIX):
        return [weights] if weights else []
    parts = read_json(model, weights, read).get("weight_map")
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        raise ModelError(f"model {model!r}: {weights} is not an index: it has no weight_map of file names")
    return [weights, *parts.values()]


def list_files(model: str, folder: Path) -> list[str]:
    """The files of the folder's checkpoint that loading reads. Raises ModelError as `select_files`."""
    names = [path.name for path in folder.iterdir()]
    return select_files(model, names, lambda name: (folder / name).read_bytes())


def check_folder(model: str, folder: Path) -> None:
    """Raise ModelError unless the folder holds a whole checkpoint, or an adapter of one."""
    names = list_files(model, folder)
    if CONFIG not in names and ADAPTER_CONFIG not in names:
        raise ModelError(f"model {model!r}: the folder has no {CONFIG}")
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"model {model!r}: {name} is missing, which the index of the weights names")
        check_no_pointer(model, folder / name)
    if GENERATION_CONFIG in names:
        read_json_file(model, folder, GENERATION_CONFIG)  # transformers would leave a torn one out
    weights = _ADAPTER_WEIGHTS if CONFIG not in names else (".safetensors", ".bin")
    if not any(name.endswith(weights) for name in names):
        gguf = next(folder.glob("*.gguf"), None)
        hint = (
            f"; give its file {gguf.name}"
            if gguf
            else f": no {_WEIGHTS[0]} or {_WEIGHTS[2]}, or index of one"
        )
        raise ModelError(f"model {model!r}: the folder has no weights that can be loaded{hint}")


def check_no_pointer(model: str, path: Path) -> None:
    """Raise ModelError if git has left a pointer in the file's place."""
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ModelError(
                f"model {model!r}: {path.name} is a Git LFS pointer, not the file; run `git lfs pull` there"
            )


def read_json_file(model: str, folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in the folder's file. Raises ModelError if it is not one."""
    return read_json(model, name, lambda name: (folder / name).read_bytes())


def read_json(model: str, name: str, read: Read) -> dict[str, Any]:
    """The JSON object in a file. Raises ModelError if it is not one."""
    try:
        value = json.loads(read(name))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"model {model!r}: {name} is not a JSON object")
    return value
