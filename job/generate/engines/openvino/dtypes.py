"""The dtypes that this engine computes in, and which of them this machine's processor has."""

from collections.abc import Collection
from pathlib import Path

from job.errors import SettingsError
from job.text import listed

DTYPES = FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"

_CPUINFO = Path("/proc/cpuinfo")
# The instructions that OpenVINO needs, by Linux' names: one of these sets.
_FLAGS: dict[str, Collection[frozenset[str]]] = {
    FLOAT32: [frozenset()],
    BFLOAT16: [frozenset(["avx512_bf16"]), frozenset(["avx_ne_convert", "avx_vnni_int8"])],
    INT8: [frozenset(["avx512_vnni"]), frozenset(["avx_vnni"])],
}


def list_dtypes() -> tuple[str, ...]:
    """The dtypes that the processor has instructions for."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return tuple(dtype for dtype in DTYPES if any(needed <= flags for needed in _FLAGS[dtype]))


def check_dtype(dtype: str) -> None:
    """Raise SettingsError if the processor does not have the dtype."""
    dtypes = list_dtypes()
    if dtype not in dtypes:
        raise SettingsError(f"dtype {dtype}: this processor has {listed(dtypes)}")
