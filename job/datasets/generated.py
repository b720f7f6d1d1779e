"""What `textgen generate` says, in its output folder, about how the texts came about."""

import json
from contextlib import suppress
from pathlib import Path

RECORD = "run.json"
_LARGEST = 1 << 20  # bytes


def generation(folder: Path) -> dict[str, object]:
    """Settings, model, revision and software versions of a folder's run.json.

    Empty where it has none, or one of somebody else's.
    """
    path = folder / RECORD
    with suppress(OSError, ValueError, KeyError, TypeError):
        if path.stat().st_size <= _LARGEST:
            record = json.loads(path.read_bytes())
            return {**record["settings"], **record["run"]}
    return {}
