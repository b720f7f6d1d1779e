"""The GPUs of this machine, and which shards of a generation get."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

VISIBLE = "CUDA_VISIBLE_DEVICES"

_DEVICES = Path("/dev")
_WITHOUT_GPU = ("openvino", "echo")  # engines


def list_gpus(variables: Mapping[str, str]) -> list[str]:
    """The NVIDIA GPUs that jobs with these variables use, as CUDA_VISIBLE_DEVICES names them.

    https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html
    """
    if VISIBLE in variables:
        named = [name.strip() for name in variables[VISIBLE].split(",")]
        return list(takewhile(lambda name: name not in ("", "-1"), named))  # CUDA sees none after these
    nodes = [path for path in _DEVICES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return [str(number) for number in range(len(nodes))]


def share_gpus(settings: Mapping[str, Any], gpus: Sequence[str]) -> list[str | None]:
    """The GPUs of each shard that runs at the same time as others; None: a shard runs alone, with all.

    A shard gets as many as its settings share a model among. Settings that number GPUs get all of them.
    """
    size = settings.get("tensor_parallel_size")
    if settings.get("engine") in _WITHOUT_GPU or settings.get("device") not in ("auto", "cuda"):
        return [None]
    if not isinstance(size, int) or not 0 < size < len(gpus):
        return [None]
    last = len(gpus) - size
    shares: list[str | None] = [",".join(gpus[at : at + size]) for at in range(0, last + 1, size)]
    return shares if len(shares) > 1 else [None]
