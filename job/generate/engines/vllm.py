"""The vllm engine: large models on GPUs, with vLLM's own kernels, scheduler and draws.

https://docs.vllm.ai/en/latest/usage/reproducibility/
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from job.errors import ModelError, TextgenError, UnsupportedError
from job.generate.engines.engine import Completion, Completions, Engine, Generate, Row, TokenLogprobs
from job.generate.models.find import ModelFiles
from job.generate.models.library_errors import first_line, generation_error, loading_error
from job.generate.models.limits import read_padded_length, read_vocabulary_size
from job.generate.models.load import name_dtype, read_config, silence_transformers
from job.generate.models.stop_ids import read_eos_token_id, select_stop_ids
from job.generate.models.tokenizer import Tokenizer
from job.generate.models.transformers_tokenizer import load_tokenizer
from job.generate.sampling import derive_seed
from job.generate.settings import Settings

_SLOTS = 256
# From this compute capability of NVIDIA on, vLLM has kernels whose results no other row changes.
_BATCH_INVARIANT_CAPABILITY = 80


class VllmEngine(Engine):
    """A model as vLLM runs it. Each row has a seed of its own, and vLLM draws with it."""

    name = "vllm"
    takes_structure = False  # vLLM would need a tokenizer of its own for it
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, files: ModelFiles, settings: Settings) -> None:
        if files.is_gguf:
            raise UnsupportedError(f"model {files.name!r}: the vllm engine reads no GGUF files")
        if files.adapter:
            raise UnsupportedError(f"model {files.name!r}: the vllm engine takes no adapters")
        if settings.dtype == "int8":
            raise UnsupportedError("dtype int8: the vllm engine has none; --quantization has others")
        self.files, self._settings = files, settings
        silence_transformers()
        _configure_vllm()
        self.device = _select_device(settings.device, settings.deterministic)
        import torch

        config = read_config(files)
        self.dtype = name_dtype(settings.dtype, torch.device(self.device), config)
        self.slots = settings.batch_size or _SLOTS
        # LongRoPE takes other frequencies for all texts if one of them may be longer.
        self.context_length = read_padded_length(config)
        self.vocabulary_size = read_vocabulary_size(config)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.files)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        ends = (read_eos_token_id(self.files.name, self.files.path), self.tokenizer.eos_id)
        return select_stop_ids(self.files.name, ends, self.vocabulary_size)

    def load(self, longest: int) -> Generate:
        from vllm import EngineArgs, LLMEngine

        stop_ids = self.stop_ids
        try:
            llm = LLMEngine.from_engine_args(
                EngineArgs(
                    model=str(self.files.path),
                    skip_tokenizer_init=True,
                    generation_config="vllm",  # not the model's own sampling settings
                    dtype=self.dtype,
                    max_model_len=longest,
                    max_num_seqs=self.slots,
                    tensor_parallel_size=self._settings.tensor_parallel_size,
                    quantization=self._settings.quantization or None,
                    enforce_eager=self.device == "cpu",  # compiling takes longer than it saves
                    disable_log_stats=True,
                    use_tqdm_on_load=False,
                )
            )
        except Exception as error:  # the library raises what it likes
            raise _loading_error(error, self.files.name, self.device) from error

        def generate_rows(rows: Iterable[Row]) -> Completions:
            try:
                yield from generate(llm, rows, self._settings, stop_ids, self.slots)
            except TextgenError:
                raise
            except Exception as error:  # the library raises what it likes
                raise generation_error(error, self.files.name, self.device, self.slots) from error

        return generate_rows

    def identity(self) -> dict[str, Any]:
        import vllm

        identity = super().identity()
        identity["versions"]["vllm"] = vllm.__version__
        return identity | {
            "tensor_parallel_size": self._settings.tensor_parallel_size,
            "quantization": self._settings.quantization,
            "batch_invariant": os.environ.get("VLLM_BATCH_INVARIANT") == "1",
        }


def generate(
    llm: Any, rows: Iterable[Row], settings: Settings, stop_ids: Sequence[int], slots: int
) -> Completions:
    """Each row with its completion, as soon as the LLMEngine has it.

    When the iterator is closed, the other rows are aborted.
    """
    from vllm.inputs import tokens_input

    waiting, running = iter(rows), dict[str, Row]()
    try:
        while True:
            for row in islice(waiting, slots - len(running)):
                running[str(row.number)] = row
                params = build_sampling_params(row, settings, stop_ids)
                llm.add_request(str(row.number), tokens_input(list(row.token_ids)), params)
            if not running:
                return
            for output in llm.step():
                row = running.pop(output.request_id)
                completion = _read_completion(output, row)
                if completion is None:
                    running[output.request_id] = row
                    continue
                if not output.finished:
                    llm.abort_request([output.request_id])
                yield row, completion
    finally:
        llm.abort_request(list(running))


def build_sampling_params(row: Row, settings: Settings, stop_ids: Sequence[int]) -> Any:
    """The row's SamplingParams. Each row has a seed: beside one without, vLLM may ignore those of others."""
    from vllm import SamplingParams

    settings = row.settings or settings
    params = SamplingParams(
        temperature=0.0 if settings.greedy else settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        repetition_penalty=settings.repetition_penalty,
        frequency_penalty=settings.frequency_penalty,
        presence_penalty=settings.presence_penalty,
        seed=derive_seed(settings.seed, row.prompt.text, row.sequence),
        max_tokens=row.max_new_tokens,
        min_tokens=row.min_new_tokens,
        logprobs=row.logprobs if row.logprobs >= 0 else None,
        stop_token_ids=[] if row.ignore_eos else list(stop_ids),
        ignore_eos=True,  # stop_token_ids has those that end a text
        detokenize=False,
    )
    # vLLM has no tokenizer here: it gets the tokens of the words as it keeps them.
    params._bad_words_token_ids = list(map(list, row.bad_words)) or None
    return params


def _read_completion(output: Any, row: Row) -> Completion | None:
    """A vllm.RequestOutput as ours, which ends with the token that ends the text; None if it goes on.

    vLLM is given no tokenizer, so that stop texts are looked for here, after each token.
    """
    text = output.outputs[0]
    token_ids = tuple(text.token_ids)
    if output.finished and text.finish_reason not in ("stop", "length"):
        raise TextgenError(f"engine vllm: it gave a text up ({text.finish_reason})")
    is_stopped = row.stops is not None and row.stops.appear(row.token_ids, token_ids)
    if not (is_stopped or output.finished):
        return None
    return Completion(
        token_ids, "stop" if is_stopped else text.finish_reason, _read_logprobs(row, token_ids, text.logprobs)
    )


def _read_logprobs(
    row: Row, token_ids: Sequence[int], logprobs: Sequence[Mapping[int, Any]] | None
) -> tuple[TokenLogprobs, ...] | None:
    """vLLM's log probabilities of each token by token and rank, as ours."""
    if row.logprobs < 0 or logprobs is None:
        return None
    read = []
    for token, by_token in zip(token_ids, logprobs, strict=True):
        likely = sorted((each.rank, id_) for id_, each in by_token.items() if each.rank <= row.logprobs)
        read.append(tuple((id_, by_token[id_].logprob) for id_ in (token, *(id_ for _, id_ in likely))))
    return tuple(read)


def _configure_vllm() -> None:
    """Set what vLLM reads when it is imported; what is set already stays."""
    # In this process: its steps are the same in each run, and nothing is left of it after a kill.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # GiB; by default vLLM takes nearly all memory of the machine.
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "4")


def _select_device(name: str, is_deterministic: bool) -> str:
    """The type of the devices that this vLLM runs on.

    Raises ModelError if none is there, UnsupportedError for another, or if texts depend on others there.
    """
    from vllm.platforms import current_platform

    device: str = current_platform.device_type
    if not device:
        raise ModelError(
            "engine vllm: it finds no GPU that it is built for; is the driver there (nvidia-smi)?"
        )
    if name.startswith("cuda:"):
        raise UnsupportedError(f"device {name}: the vllm engine numbers none; set CUDA_VISIBLE_DEVICES")
    if name not in ("auto", device):
        raise UnsupportedError(f"device {name}: the vllm that is installed runs on {device}")
    has_kernels = current_platform.is_cuda() and current_platform.has_device_capability(
        _BATCH_INVARIANT_CAPABILITY
    )
    if has_kernels:
        os.environ.setdefault("VLLM_BATCH_INVARIANT", "1")
    if is_deterministic and not (has_kernels and os.environ["VLLM_BATCH_INVARIANT"] == "1"):
        raise UnsupportedError(
            "deterministic: vLLM has it on NVIDIA GPUs from compute capability 8.0 on, with "
            "VLLM_BATCH_INVARIANT=1; use --engine transformers elsewhere"
        )
    return device


def _loading_error(error: Exception, model: str, device: str) -> TextgenError:
    reason = _describe(error)
    if "memory" in reason.lower():
        return TextgenError(
            f"{device}: not enough memory for model {model}: {reason.rstrip('.')}; "
            "use more GPUs (--tensor-parallel-size) or a smaller model"
        )
    return loading_error(RuntimeError(reason), model, device)


def _describe(error: Exception) -> str:
    """What the error says, on one line: pydantic's begin with a heading."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        error = ValueError(error.errors()[0]["msg"].removeprefix("Value error, "))
    return first_line(error)
