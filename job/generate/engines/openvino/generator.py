"""The openvino engine: rows in, tokens out, each text the same to the bit in any company."""

from collections.abc import Collection, Iterable

from job.errors import TextgenError
from job.generate.engines.engine import Completions, Row
from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.dtypes import FLOAT32
from job.generate.engines.openvino.memory import free_memory
from job.generate.engines.openvino.model_files import Model
from job.generate.engines.openvino.network import Network
from job.generate.engines.openvino.paged_attention import block_bytes, count_blocks
from job.generate.engines.openvino.precision import cache_type
from job.generate.engines.openvino.sampler import Sampler
from job.generate.engines.openvino.scheduler import Scheduler
from job.generate.processors import count_processors
from job.generate.settings import Settings


class Generator:
    """A model on this machine's processor.

    slots: how many rows run at once. context_length: of the longest row in tokens, by default the
    model's. cache_tokens: how many tokens the cache holds, by default what half of the free memory does.
    threads: by default one for each processor that this process may use. dtype: one that the
    processor has.
    Raises UnsupportedError for a model that another engine has to run, ModelError for one that is
    broken, TextgenError if there is no memory for it.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        stop_ids: Collection[int],
        *,
        slots: int = 64,
        context_length: int | None = None,
        cache_tokens: int | None = None,
        threads: int | None = None,
        dtype: str = FLOAT32,
    ) -> None:
        architecture = read_architecture(model.config)
        self.context_length = min(context_length or architecture.context_length, architecture.context_length)
        self._sampler = Sampler(settings)
        size = block_bytes(
            len(architecture.layers), architecture.kv_heads, architecture.head_size, cache_type(dtype)
        )
        # One block more than a text has, for the prompt's last one, which each text has for itself.
        least = count_blocks(self.context_length) + 1
        blocks = slots * least
        if cache_tokens is None:
            free, weights = free_memory(), model.weights_bytes(dtype)
            # The other half is for what is computed on the way, and for others.
            blocks = min(blocks, max(0, free - weights) // 2 // size)
            # If bad rows are skipped, those that fit are generated.
            if blocks < least and (settings.on_error == "fail" or blocks < 2):
                raise TextgenError(
                    f"{model.path}: its weights take {_gigabytes(weights)} in {dtype}, a text of "
                    f"{self.context_length} tokens {_gigabytes(2 * least * size)}, and {_gigabytes(free)} of "
                    f"memory are free; use more of it (a larger instance-type), a smaller model or dtype, or "
                    "shorter texts"
                )
        else:
            blocks = min(blocks, count_blocks(cache_tokens))
        self._network = Network(
            architecture,
            model.load_tensors(),
            str(model.path),
            blocks=blocks,
            positions=self.context_length,
            top=self._sampler.top,
            threads=threads or count_processors(),
            dtype=dtype,
        )
        self._scheduler = Scheduler(
            self._network,
            self._sampler,
            blocks=blocks,
            slots=slots,
            stop_ids=stop_ids,
            seed=settings.seed,
            switch=architecture.switch,
        )

    def generate(self, rows: Iterable[Row]) -> Completions:
        """Each row with its completion, as soon as it ends; rows are taken as slots become free."""
        return self._scheduler.generate(rows)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
