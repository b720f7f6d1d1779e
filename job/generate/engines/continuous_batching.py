"""transformers' continuous batching: rows join and leave a batch at every step, over a cache in blocks.

In shapes, N is the number of rows that get a token in a step, V the size of the vocabulary.
"""

import gc
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

import torch
from numpy.typing import NDArray
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    ContinuousBatchingConfig,
    GenerationConfig,
    LogitsProcessorList,
)
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

from job.errors import TextgenError
from job.generate import sampling
from job.generate.engines.batches import NOT_TESTED
from job.generate.engines.engine import Completion, Completions, Row
from job.generate.engines.logits_processors import Logprobs, build_logits_processors, build_warpers
from job.generate.models.library_errors import OUT_OF_MEMORY, generation_error, is_out_of_memory
from job.generate.models.limits import read_context_length, read_padded_length
from job.generate.models.load import Model
from job.generate.settings import Settings

# Of the free memory: the rest is for what a step computes.
CACHE_OPTIONS: dict[str, Any] = {"max_memory_percent": 0.8}
_PIECE = 8  # tokens of prompts that a step reads for each slot
_LEAST_PIECE = 512
_WAIT_SECONDS = 1.0
# What the library says, by ValueError and RuntimeError, if the cache is too small.
_TOO_SMALL = ("Invalid values: max_batch_tokens", "No requests can be scheduled")
_ATTENTION_LAYERS = frozenset(["full_attention", "sliding_attention"])
# Model types (of transformers 5.23) whose texts it changes, or whose keys and values its cache can't hold.
_NOT_TAKEN = frozenset(
    [
        "axk1",
        "deepseek_v2",
        "deepseek_v3",
        "diffllama",
        "doge",
        "gemma4",
        "gemma4_text",
        "gemma4_unified",
        "gemma4_unified_text",
        "glm4_moe_lite",
        "gpt_bigcode",
        "hrm_text",
        "jetmoe",
        "longcat_flash",
        "mimo_v2_flash",
        "minicpm3",
        "moshi",
        "nemotron",
        "youtu",
    ]
)
_NO_TOKENS: Any = torch.empty(0, dtype=torch.long)  # no warper looks at the tokens before

logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)  # it has a handler of its own


def takes_continuous_batching(config: Any) -> bool:
    """Whether the library's continuous batching runs networks of this configuration, with the same texts."""
    network_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    layers = getattr(config.get_text_config(decoder=True), "layer_types", None) or ()
    return bool(
        network_class is not None
        and network_class.is_backend_compatible()
        and not config.is_encoder_decoder
        and _ATTENTION_LAYERS.issuperset(layers)
        and config.model_type not in _NOT_TAKEN | NOT_TESTED
        and read_padded_length(config) == read_context_length(config)  # else a long text changes the others
    )


def generate_continuously(model: Model, rows: Iterable[Row], settings: Settings, slots: int) -> Completions:
    """Each row with its completion, as soon as it ends; `slots` of them run at once.

    With too little memory for so many, half of them go on. Raises TextgenError if the library or the
    device fails.
    """
    waiting, attention, fewer = iter(rows), _select_attention(model), slots
    while True:
        batch, lacks_memory = _Batch(model, settings, fewer, attention), False
        try:
            yield from batch.generate(waiting)
            if batch.left is None:
                return
        except Exception as error:  # the library raises what it likes
            if isinstance(error, TextgenError):
                raise
            lacks_memory = _lacks_memory(error)
            if not attention and not (lacks_memory and (fewer > 1 or batch.has_cache)):
                error = MemoryError() if lacks_memory else error
                raise generation_error(error, model.files.name, model.device, fewer) from error
        gc.collect()  # the error, which is gone here, holds the memory of the batch
        waiting = chain(batch.rows(), waiting)
        if not lacks_memory:
            attention = None
        elif fewer > 1:
            fewer //= 2
        else:
            yield next(waiting), Completion((), "", error=f"{model.device}: {OUT_OF_MEMORY}")
            fewer = slots


def _select_attention(model: Model) -> str | None:
    """The flash attention that is installed, if any, with which the library uses CUDA graphs.

    The library would also download one, and take it for float32, which it can't compute.
    """
    if model.dtype not in ("bfloat16", "float16") or not model.network._supports_flash_attn:
        return None
    if is_flash_attn_3_available():
        return "flash_attention_3"
    return "flash_attention_2" if is_flash_attn_2_available() else None


def _lacks_memory(error: Exception) -> bool:
    return is_out_of_memory(error) or str(error).startswith(_TOO_SMALL)


@dataclass(slots=True, eq=False)
class _Text:
    """A row that runs. `checked` is how many of its new tokens do not end it."""

    row: Row
    settings: Settings  # how its tokens are drawn
    uniforms: NDArray[Any]
    processors: LogitsProcessorList | None = None  # its own, if they look at its tokens
    logprobs: Logprobs | None = None
    checked: int = 0

    def complete(self, new_ids: Sequence[int], stop_ids: Sequence[int]) -> Completion | None:
        """What the row is if it ends with one of the new tokens, or None."""
        for end in range(self.checked + 1, len(new_ids) + 1):
            if reason := self.row.end_reason(new_ids[:end], stop_ids):
                completion = self.row.complete(new_ids[:end], reason)
                return self.logprobs.add_to(0, completion) if self.logprobs else completion
        self.checked = len(new_ids)
        return None


class _Batch:
    """The rows that run, by the names of their requests.

    attention: the library's name for it; None for the model's own, and without CUDA graphs. A graph holds
    one way to draw: at a row that is drawn in another, the batch ends. `left` is that row.
    """

    def __init__(self, model: Model, settings: Settings, slots: int, attention: str | None) -> None:
        self._model, self._settings, self._slots, self._attention = model, settings, slots, attention
        self._running: dict[str, _Text] = {}
        self._draw = _Draw(self._running, sampling.select_sampling(settings), slots, model.device)
        self.left: Row | None = None
        self.has_cache = False  # else not one row has room, and the device fails

    def rows(self) -> list[Row]:
        """Those that have not ended."""
        return [text.row for text in self._running.values()] + ([self.left] if self.left else [])

    def generate(self, rows: Iterator[Row]) -> Completions:
        numbers = count()
        with self._start_manager() as manager:
            while True:
                while self._has_room() and (row := next(rows, None)):
                    self._add(manager, f"row-{next(numbers)}", row)
                if not self._running:
                    return
                output = manager.get_result(timeout=_WAIT_SECONDS)
                self._check(manager, output)
                # Of a row that has ended already, some are on their way.
                text = self._running.get(output.request_id) if output else None
                if text and (completion := text.complete(output.generated_tokens, self._model.stop_ids)):
                    self._running.pop(output.request_id)
                    if not output.is_finished():
                        manager.cancel_request(output.request_id)
                    yield text.row, completion

    def _has_room(self) -> bool:
        # As many wait as run, so that no slot has to when a row ends.
        return self.left is None and len(self._running) < 2 * self._slots

    @contextmanager
    def _start_manager(self) -> Iterator[Any]:
        """The library's manager, with a thread of its own."""
        network, processors = self._model.network, LogitsProcessorList([self._draw])
        own_attention = network.config._attn_implementation
        try:
            if self._attention:
                network.set_attn_implementation(self._attention)
            manager = network.init_continuous_batching(
                GenerationConfig(do_sample=False, eos_token_id=list(self._model.stop_ids) or -1),
                ContinuousBatchingConfig(
                    max_requests_per_batch=self._slots,
                    max_batch_tokens=max(_LEAST_PIECE, _PIECE * self._slots),
                    auto_switch_to_flash=False,
                    use_cuda_graph=None if self._attention else False,
                    use_async_batching=False,  # a row's tokens would be a step behind its draw
                    **CACHE_OPTIONS,
                ),
            )
            manager.logit_processor = ContinuousBatchingLogitsProcessorList(processors)
            manager.logit_processor.tensors_required = 1
            manager.start()
            try:
                yield manager
            finally:
                manager.stop(hard_stop=True)
        finally:
            if self._attention:
                network.set_attn_implementation(own_attention)

    def _add(self, manager: Any, name: str, row: Row) -> None:
        text = self._begin(row)
        if self._attention and not self._draw.is_plain(text):
            self.left = row
            return
        self._running[name] = text
        manager.add_request(
            list(row.token_ids),
            name,
            row.max_new_tokens,
            streaming=row.stops is not None or row.matcher is not None,
            eos_token_id=-1 if row.ignore_eos else None,
        )

    def _begin(self, row: Row) -> _Text:
        settings = row.settings or self._settings
        uniforms = sampling.uniforms(settings.seed, row.prompt.text, row.sequence, row.max_new_tokens)
        text = _Text(row, sampling.select_sampling(settings), uniforms)
        if _looks_back(row, settings):
            device, stop_ids = self._model.device, self._model.stop_ids
            # They run in the library's thread, and a matcher follows one reader's tokens.
            drawn = replace(row, matcher=row.matcher and row.matcher.copy())
            text.processors = build_logits_processors([drawn], [0], settings, device, stop_ids)
            if row.logprobs >= 0:
                text.logprobs = Logprobs(text.processors, [row])
                text.processors = LogitsProcessorList([text.logprobs])
        return text

    def _check(self, manager: Any, output: Any) -> None:
        """Raise the error with which the library's thread ended, or a request."""
        self.has_cache = self.has_cache or manager.batch_processor is not None
        if output and output.error:
            manager.stop(hard_stop=True)  # its own error may come behind those of the requests
        if error := manager.background_thread_status.fatal_error:
            raise error
        if output and output.error:
            raise RuntimeError(output.error)
        self._draw.check()


def _looks_back(row: Row, settings: Settings) -> bool:
    """Whether the tokens before decide which one is drawn, or more is wanted than the drawn one."""
    penalties = (settings.frequency_penalty, settings.presence_penalty)
    return settings.repetition_penalty != 1 or any(penalties) or row.is_restricted or row.logprobs >= 0


class _Draw(ContinuousBatchingLogitsProcessor):
    """Draws each row's token from the row's own random stream and leaves only that one to be taken.

    The library calls `prepare_tensor_args` before each step, and then itself: with a CUDA graph only when
    that is captured, so that rows which are all drawn alike need no word from the device.
    """

    def __init__(
        self, running: dict[str, _Text], settings: Settings, slots: int, device: torch.device
    ) -> None:
        self.supported_kwargs: dict[str, type] = {}
        self.ignored_kwargs = ()
        self._running, self._settings = running, settings
        self._warpers = {settings: build_warpers(settings)}
        # At one place in memory, where a captured graph finds it. What the library passes has 32 bits a row.
        self._uniforms = torch.zeros(slots, dtype=torch.float64, device=device)
        self._is_finite = torch.ones((), dtype=torch.bool, device=device)
        self._places_by_settings: dict[Settings, list[int]] = {}
        self._own: list[tuple[int, LogitsProcessorList, list[int]]] = []  # place, processors, tokens

    def is_plain(self, text: _Text) -> bool:
        """Whether it is drawn as the run's settings say, and without a look at its tokens."""
        return text.processors is None and text.settings == self._settings

    def check(self) -> None:
        """Raise TextgenError if logits were not finite."""
        if not bool(self._is_finite):
            raise TextgenError(sampling.NOT_FINITE)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: Sequence[Any]) -> torch.Tensor:
        uniforms = []
        self._places_by_settings, self._own = {}, []
        for place, state in enumerate(request.state for request in requests_with_new_token):
            # One that was cancelled meanwhile may have a last step.
            text = self._running.get(state.request_id)
            # What is in the cache after the step: a row whose memory was taken away has its tokens again.
            number = state.position_offset - len(text.row.token_ids) if text else 0
            uniforms.append(float(text.uniforms[number]) if text else 0.0)
            if text and text.processors is not None:
                self._own.append((place, text.processors, state.initial_tokens + state.generated_tokens))
            else:
                settings = text.settings if text else self._settings
                self._places_by_settings.setdefault(settings, []).append(place)
        self._uniforms[: len(uniforms)] = torch.tensor(uniforms, dtype=torch.float64).to(self._uniforms)
        return torch.zeros(len(uniforms), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        # scores: [N, V]
        if not self._own and self._places_by_settings.keys() <= {self._settings}:
            return self._draw(self._settings, scores, self._uniforms[: len(scores)])
        drawn = torch.empty_like(scores)
        for settings, places in self._places_by_settings.items():
            drawn[places] = self._draw(settings, scores[places], self._uniforms[places])
        for place, processors, token_ids in self._own:
            ids: Any = torch.tensor([token_ids], device=scores.device)
            drawn[place] = processors(ids, scores[place : place + 1])[0]
        return drawn

    def _draw(self, settings: Settings, scores: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        if settings.greedy:
            return scores
        if settings not in self._warpers:
            self._warpers[settings] = build_warpers(settings)
        tokens, is_finite = sampling.invert(self._warpers[settings](_NO_TOKENS, scores), uniforms)
        self._is_finite &= is_finite.all()
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)
