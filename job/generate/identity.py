"""What the texts of a run depend on: two runs of one identity may share a folder."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from job.errors import InputError
from job.generate.engines.engine import Engine
from job.generate.outputs import read_record
from job.generate.settings import Settings
from job.generate.structure import find_structure
from job.text import quoted

# Recorded as what they lead to: the prompts' texts, the model's revision, the engine, what it computes in.
_RESOLVED = (
    *("prompt", "prompts", "model", "revision", "engine", "device", "dtype", "batch_size"),
    *("deterministic", "tensor_parallel_size", "quantization"),
)
# These change no row of outputs.jsonl.
_WITHOUT_EFFECT = ("on_error", "max_errors", "format")


def build_identity(settings: Settings, prompts: str, engine: Engine, present: datetime) -> dict[str, Any]:
    """Everything that the texts depend on. prompts: a digest of them; present: see `select_present`."""
    left_out = _RESOLVED + _WITHOUT_EFFECT
    identity = {
        **{name: value for name, value in asdict(settings).items() if name not in left_out},
        "model": engine.files.name,
        "revision": engine.files.revision,
        "prompts": prompts,
        **({"present": present.isoformat()} if _tells_time(engine) else {}),
        **engine.identity(),
    }
    identity["versions"] = {"textgen": version("argo-textgen"), **identity["versions"]}
    if find_structure(settings):
        identity["versions"]["llguidance"] = version("llguidance")
    values: dict[str, Any] = json.loads(json.dumps(identity))  # as run.json gives it back
    return values


def select_present(earlier: Mapping[str, Any]) -> datetime:
    """What chat templates take for the present: now, or in a run that goes on what it took before."""
    with suppress(TypeError, ValueError):  # also of a run.json that somebody changed
        return datetime.fromisoformat(earlier.get("present", ""))
    return datetime.now().replace(microsecond=0)


def _tells_time(engine: Engine) -> bool:
    return "strftime_now" in (engine.tokenizer.chat_template or "")


def read_identity(folder: Path) -> dict[str, Any]:
    """The identity of the run in the folder; empty if there is none."""
    identity = read_record(folder).get("run")
    # Before there were engines, all texts were made by transformers.
    return {"engine": "transformers", **identity} if isinstance(identity, dict) else {}


def check_identity(folder: Path, earlier: Mapping[str, Any], identity: Mapping[str, Any], hint: str) -> None:
    """Raise InputError, with the hint, if the texts in the folder are of another run, the `earlier` one."""
    different = [name for name in {**identity, **earlier} if earlier.get(name) != identity.get(name)]
    if different:
        raise InputError(
            f"{folder}: holds the texts of another run "
            f"({_describe_difference(different, earlier, identity)}); {hint}"
        )


def _show(value: object) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _describe_difference(names: Sequence[str], earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if not earlier:
        return "without a run.json"
    long = [name for name in names if name in ("prompts", "versions", "json_schema")]
    values = [
        f"{name} {_show(earlier.get(name))}, not {_show(now.get(name))}" for name in names if name not in long
    ]
    return "; ".join(values + [f"other {name}" for name in long])
