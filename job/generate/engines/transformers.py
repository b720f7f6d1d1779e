"""The transformers engine: any causal model, on any device, in batches or continuously.

In shapes, B is the number of rows, T the tokens of the longest prompt, V the size of the vocabulary.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList

from job.errors import TextgenError, UnsupportedError
from job.generate.engines.batches import split_batch
from job.generate.engines.engine import Completion, Completions, Engine, Generate, Row
from job.generate.engines.logits_processors import Logprobs, build_logits_processors
from job.generate.engines.stopping_criteria import build_stopping_criteria
from job.generate.models.find import ModelFiles
from job.generate.models.library_errors import OUT_OF_MEMORY, generation_error, is_out_of_memory
from job.generate.models.limits import read_context_length, read_padded_length, read_vocabulary_size
from job.generate.models.load import (
    Model,
    load_model,
    name_dtype,
    read_config,
    select_device,
    silence_transformers,
)
from job.generate.models.tokenizer import Tokenizer
from job.generate.models.transformers_tokenizer import load_tokenizer
from job.generate.settings import Settings

_SLOTS = 16
_CONTINUOUS_SLOTS = 256
# On a CPU it is slower than batches.
_CONTINUOUS_DEVICES = ("cuda",)


class TransformersEngine(Engine):
    """A model as transformers runs it: on CUDA by its continuous batching, where that takes the model.

    Elsewhere in batches, which are cut at fixed places of the run.
    """

    name = "transformers"
    libraries = ("torch", "transformers", "tokenizers", "numpy")

    def __init__(self, files: ModelFiles, settings: Settings) -> None:
        if settings.dtype == "int8":
            raise UnsupportedError("dtype int8: the transformers engine has none; openvino has, on a CPU")
        self.files, self._settings = files, settings
        silence_transformers()
        device = select_device(settings.device)
        if settings.deterministic:
            _check_deterministic(settings, device)
        config = read_config(files)
        self.device = str(device)
        self.dtype = name_dtype(settings.dtype, device, config)
        self._is_continuous = not settings.deterministic and _is_continuous(device, config)
        slots = 1 if settings.deterministic else _CONTINUOUS_SLOTS if self._is_continuous else _SLOTS
        self.slots = settings.batch_size or slots
        self.context_length = read_context_length(config)
        self.vocabulary_size = read_vocabulary_size(config)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.files)

    def load(self, longest: int) -> Generate:
        if self._settings.deterministic:
            # Without it cuBLAS may multiply in other ways each time; PyTorch says so in that mode.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        model = load_model(self.files, self._settings.device, self._settings.dtype, self.tokenizer)

        if self._is_continuous:
            from job.generate.engines.continuous_batching import generate_continuously

            return lambda rows: generate_continuously(model, rows, self._settings, self.slots)

        def generate_batches(rows: Iterable[Row]) -> Completions:
            iterator = iter(rows)
            while batch := list(islice(iterator, self.slots)):
                with _deterministic_algorithms(self._settings.deterministic):
                    completions = generate(model, batch, self._settings)
                yield from zip(batch, completions, strict=True)

        return generate_batches

    def identity(self) -> dict[str, Any]:
        identity = super().identity()
        if self._settings.deterministic:
            return identity | {"deterministic": True}
        return identity if self._is_continuous else identity | {"batch_size": self.slots}

    def first_row(self, done: int) -> int:
        if self._is_continuous:
            return done
        # A torn batch is computed again in its whole shape, so that its missing rows come out the same.
        return done // self.slots * self.slots


def _check_deterministic(settings: Settings, device: torch.device) -> None:
    if device.type == "mps":
        raise UnsupportedError("deterministic: PyTorch has no such algorithms for mps; use --device cpu")
    if settings.batch_size > 1:
        raise UnsupportedError(
            f"deterministic: the transformers engine has it for one text at a time, and batch_size is "
            f"{settings.batch_size}; leave one of them out"
        )


@contextmanager
def _deterministic_algorithms(is_on: bool) -> Iterator[None]:
    """PyTorch's mode in which an operation is the same to the bit each time, or raises RuntimeError."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or is_on)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _is_continuous(device: torch.device, config: Any) -> bool:
    if device.type not in _CONTINUOUS_DEVICES:
        return False
    from job.generate.engines.continuous_batching import takes_continuous_batching

    return takes_continuous_batching(config)


def generate(model: Model, rows: Sequence[Row], settings: Settings) -> list[Completion]:
    """Continue all rows; no text depends on the other rows.

    Raises TextgenError if the library or the device fails.
    """
    completions: dict[Row, Completion] = {}
    config = model.network.config
    for group in split_batch(rows, config.model_type, read_padded_length(config)):
        completions.update(zip(group, _generate_fitting(model, group, settings), strict=True))
    return [completions[row] for row in rows]


def _generate_fitting(model: Model, rows: Sequence[Row], settings: Settings) -> list[Completion]:
    """Continue the rows together, or in halves if there is no memory for that."""
    try:
        return _generate_group(model, rows, settings)
    except TextgenError:
        raise
    except Exception as error:  # the library raises what it likes
        if not is_out_of_memory(error):
            raise generation_error(error, model.files.name, model.device, len(rows)) from error
    # Here the error is gone, which holds the memory of the batch.
    if len(rows) == 1:
        return [Completion((), "", error=f"{model.device}: {OUT_OF_MEMORY}")]
    half = len(rows) // 2
    return [
        *_generate_fitting(model, rows[:half], settings),
        *_generate_fitting(model, rows[half:], settings),
    ]


def _generate_group(model: Model, rows: Sequence[Row], settings: Settings) -> list[Completion]:
    """Continue the rows together."""
    prompt_length = max(len(row.token_ids) for row in rows)
    paddings = [prompt_length - len(row.token_ids) for row in rows]
    pad_id = model.stop_ids[0] if model.stop_ids else 0
    # [B, T], padded on the left: all rows continue at the same column
    input_ids = [
        [pad_id] * padding + list(row.token_ids) for padding, row in zip(paddings, rows, strict=True)
    ]
    attention_mask = [[0] * padding + [1] * (prompt_length - padding) for padding in paddings]
    max_new_tokens = torch.tensor([row.max_new_tokens for row in rows], device=model.device)  # [B]
    draw = build_logits_processors(rows, paddings, settings, model.device, model.stop_ids)
    logprobs = Logprobs(draw, rows)
    _forget_last_text(model.network)
    with torch.inference_mode():
        output_ids = model.network.generate(  # [B, T + new]
            inputs=torch.tensor(input_ids, device=model.device),
            attention_mask=torch.tensor(attention_mask, device=model.device),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=int(max_new_tokens.max()),
                eos_token_id=None if any(row.ignore_eos for row in rows) else list(model.stop_ids) or None,
                pad_token_id=pad_id,
            ),
            logits_processor=LogitsProcessorList([logprobs]) if logprobs.most >= 0 else draw,
            stopping_criteria=build_stopping_criteria(rows, prompt_length, max_new_tokens, model.stop_ids),
        )
    new_ids = output_ids[:, prompt_length:].tolist()  # [B, new]
    completions = [_complete_row(model, row, ids) for row, ids in zip(rows, new_ids, strict=True)]
    return list(map(logprobs.add_to, range(len(rows)), completions))


def _forget_last_text(network: Any) -> None:
    """RecurrentGemma keeps its state in the network, and goes on from it if a prompt has one token."""
    for module in network.modules():
        if hasattr(module, "conv1d_state"):
            module.conv1d_state = None


def _complete_row(model: Model, row: Row, new_ids: list[int]) -> Completion:
    for count in range(1, row.max_new_tokens + 1):
        # Where the row ends, the batch may go on.
        if reason := row.end_reason(new_ids[:count], model.stop_ids):
            return row.complete(new_ids[:count], reason)
    raise AssertionError("a row ends at its limit")
