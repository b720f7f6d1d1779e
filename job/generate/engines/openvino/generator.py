"""The openvino engine: rows in, tokens out, each text the same to the bit in any company."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from job.errors import TextgenError
from job.generate.engines.engine import Completion, Row
from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.dtypes import FLOAT32
from job.generate.engines.openvino.model_files import open_model
from job.generate.engines.openvino.network import Network
from job.generate.engines.openvino.paged_attention import BLOCK, block_bytes, count_blocks
from job.generate.engines.openvino.precision import cache_type
from job.generate.engines.openvino.sampler import Sampler
from job.generate.engines.openvino.scheduler import Scheduler
from job.generate.settings import Settings

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Generator:
    """A model of a folder or a GGUF file on this machine's processor.

    slots: how many rows run at once. context_length: of the longest row in tokens, by default the
    model's. cache_tokens: how many tokens the cache holds, by default what half of the free memory does.
    threads: by default one for each processor that this process may use. dtype: one that the
    processor has.
    Raises UnsupportedError for a model that another engine has to run, ModelError for one that is
    broken, TextgenError if there is no memory for it.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        stop_ids: Collection[int],
        *,
        slots: int = 64,
        context_length: int | None = None,
        cache_tokens: int | None = None,
        threads: int | None = None,
        dtype: str = FLOAT32,
    ) -> None:
        config, load_tensors = open_model(path)
        architecture = read_architecture(config)
        self.context_length = min(context_length or architecture.context_length, architecture.context_length)
        self._sampler = Sampler(settings)
        size = block_bytes(
            len(architecture.layers), architecture.kv_heads, architecture.head_size, cache_type(dtype)
        )
        needed = slots * count_blocks(self.context_length) + 1
        held = count_blocks(cache_tokens) if cache_tokens else _free_memory() // 2 // size
        blocks = min(needed, held)
        if blocks < 2:
            raise TextgenError(f"{path}: no memory for {BLOCK} tokens ({size // 2**20} MiB)")
        self._network = Network(
            architecture,
            load_tensors(),
            str(path),
            blocks=blocks,
            positions=self.context_length,
            top=self._sampler.top,
            threads=threads or len(os.sched_getaffinity(0)),
            dtype=dtype,
        )
        self._scheduler = Scheduler(
            self._network, self._sampler, blocks=blocks, slots=slots, stop_ids=stop_ids, seed=settings.seed
        )

    def generate(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Completion]]:
        """Each row with its completion, as soon as it ends; rows are taken as slots become free."""
        return self._scheduler.generate(rows)


def _free_memory() -> int:
    """What this process can still use, in bytes: of the machine, or of its control group."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(OSError, ValueError):  # "max" means no limit
        free = min(free, int(_CGROUP_LIMIT.read_text()))
    return free
