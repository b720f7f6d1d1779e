"""The transformers engine: any causal model, on any device, one batch at a time.

In shapes, B is the number of rows, T the tokens of the longest prompt, V the size of the vocabulary.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
)

from job.errors import TextgenError, UnsupportedError
from job.generate import sampling
from job.generate.engines.batches import split_batch
from job.generate.engines.engine import Completion, Completions, Engine, Generate, Row
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
        # Read when the first matrices are multiplied; without it cuBLAS may choose other ways each time.
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
            stopping_criteria=_stopping_criteria(rows, prompt_length, max_new_tokens, model.stop_ids),
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
            return Completion(tuple(new_ids[:count]), reason)
    raise AssertionError("a row ends at its limit")


def build_logits_processors(
    rows: Sequence[Row],
    paddings: Sequence[int],
    settings: Settings,
    device: torch.device,
    stop_ids: Sequence[int] = (),
) -> LogitsProcessorList:
    """What draws the next token of each row, by the row's own settings or the run's."""
    prompt_length = len(rows[0].token_ids) + paddings[0]
    places_by_settings: dict[Settings, list[int]] = {}
    for place, row in enumerate(rows):
        own = sampling.select_sampling(row.settings or settings)
        places_by_settings.setdefault(own, []).append(place)
    seeds = [(row.settings or settings).seed for row in rows]
    streams = [
        sampling.uniforms(seed, row.prompt.text, row.sequence, row.max_new_tokens)
        for seed, row in zip(seeds, rows, strict=True)
    ]
    uniforms = torch.from_numpy(sampling.stack(streams)).to(device)
    groups = [
        (
            places,
            _draw_processors(own, [paddings[place] for place in places], prompt_length, uniforms[places]),
        )
        for own, places in places_by_settings.items()
    ]
    processors = groups[0][1] if len(groups) == 1 else LogitsProcessorList([_ByRow(groups)])
    if any(row.is_restricted for row in rows):
        processors.insert(0, _Masks(rows, prompt_length, stop_ids))
    return processors


def _draw_processors(
    settings: Settings, paddings: Sequence[int], prompt_length: int, uniforms: torch.Tensor
) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if settings.repetition_penalty != 1:
        processors.append(_RepetitionPenalty(settings.repetition_penalty, paddings))
    if settings.frequency_penalty or settings.presence_penalty:
        processors.append(
            _NewTokensPenalty(prompt_length, settings.frequency_penalty, settings.presence_penalty)
        )
    if not settings.greedy:
        processors.extend(build_warpers(settings))
        processors.append(_Sample(prompt_length, uniforms))
    return processors


def build_warpers(settings: Settings) -> LogitsProcessorList:
    """What changes the scores of the tokens that may be drawn, without a look at the tokens before."""
    warpers = LogitsProcessorList()
    if settings.temperature != 1:
        warpers.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.min_p:
        warpers.append(_MinP(settings.min_p))
    if settings.top_p < 1:
        warpers.append(_TopP(settings.top_p))
    return warpers


class Logprobs(LogitsProcessor):
    """Keeps the log probabilities that rows ask for, before `draw` and what it leaves to be taken."""

    def __init__(self, draw: LogitsProcessorList, rows: Sequence[Row]) -> None:
        self.draw, self.rows = draw, rows
        self.most = max(row.logprobs for row in rows)
        self.steps: list[Any] = []  # of each token: the drawn ones [B], then the most likely ones [B, most]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # input_ids: [B, T + new], scores: [B, V]
        ids: Any = input_ids
        logprobs = scores.log_softmax(dim=-1)
        processed = self.draw(ids, scores)
        drawn = processed.argmax(dim=-1, keepdim=True)  # [B, 1]
        top = logprobs.topk(min(self.most, scores.shape[1]))
        token_ids = torch.cat([drawn, top.indices], dim=1).tolist()  # [B, 1 + most]
        values = torch.cat([logprobs.gather(1, drawn), top.values], dim=1).tolist()
        self.steps.append([tuple(zip(*pair, strict=True)) for pair in zip(token_ids, values, strict=True)])
        return processed

    def add_to(self, place: int, completion: Completion) -> Completion:
        """The completion of the row at `place`, with what it asks for."""
        count = self.rows[place].logprobs
        if count < 0:
            return completion
        steps = self.steps[: len(completion.token_ids)]
        return replace(completion, logprobs=tuple(step[place][: 1 + count] for step in steps))


class _Masks(LogitsProcessor):
    """Takes away the tokens that must not come next."""

    def __init__(self, rows: Sequence[Row], prompt_length: int, stop_ids: Sequence[int]) -> None:
        self.running = {place: row for place, row in enumerate(rows) if row.is_restricted}
        self.prompt_length, self.stop_ids = prompt_length, stop_ids

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # input_ids: [B, T + new], scores: [B, V]
        masks = np.ones(scores.shape, bool)
        new_ids = input_ids[:, self.prompt_length :].tolist()  # [B, new]
        for place, row in list(self.running.items()):
            if new_ids[place] and row.end_reason(new_ids[place], self.stop_ids):
                del self.running[place]
            else:
                masks[place] = row.make_mask(new_ids[place], self.stop_ids, scores.shape[1])
        return scores.masked_fill(~torch.from_numpy(masks).to(scores.device), -torch.inf)


class _ByRow(LogitsProcessor):
    """Rows in groups, each with processors of its own."""

    def __init__(self, groups: Sequence[tuple[list[int], LogitsProcessorList]]) -> None:
        self.groups = groups

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # input_ids: [B, T + new], scores: [B, V]
        processed = torch.empty_like(scores)
        for places, processors in self.groups:
            ids: Any = input_ids[places]  # it asks for a LongTensor, a class that no tensor has
            processed[places] = processors(ids, scores[places])
        return processed


class _RepetitionPenalty(LogitsProcessor):
    """transformers' penalty, which alone would take a batch's padding for text."""

    def __init__(self, penalty: float, paddings: Sequence[int]) -> None:
        self.penalty, self.paddings = RepetitionPenaltyLogitsProcessor(penalty), paddings

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # input_ids: [B, T + new], scores: [B, V]
        return torch.cat(
            [
                self.penalty(input_ids[row : row + 1, padding:], scores[row : row + 1])
                for row, padding in enumerate(self.paddings)
            ]
        )


class _NewTokensPenalty(LogitsProcessor):
    """The penalties of new tokens, which do not look at the prompt."""

    def __init__(self, prompt_length: int, frequency: float, presence: float) -> None:
        self.prompt_length, self.frequency, self.presence = prompt_length, frequency, presence

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        new_ids = input_ids[:, self.prompt_length :]  # [B, new]
        return sampling.penalize_new(scores, new_ids, self.frequency, self.presence)  # [B, V]


class _MinP(LogitsProcessor):
    """Leaves the tokens that are at least `min_p` times as likely as the likeliest."""

    def __init__(self, min_p: float) -> None:
        self.min_p = min_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return sampling.keep_likely(scores, self.min_p)  # [B, V]


class _TopP(LogitsProcessor):
    """Leaves the likeliest tokens whose probabilities add up to `top_p`."""

    def __init__(self, top_p: float) -> None:
        self.top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return sampling.keep_nucleus(scores, self.top_p)  # [B, V]


class _Sample(LogitsProcessor):
    """Samples each row's token from the row's own random stream and leaves only that one to be taken."""

    def __init__(self, prompt_length: int, uniforms: torch.Tensor) -> None:
        self.prompt_length, self.uniforms = prompt_length, uniforms  # uniforms: [B, new], float64

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # input_ids: [B, T + new], scores: [B, V]
        tokens = sampling.sample(scores, self.uniforms[:, input_ids.shape[1] - self.prompt_length])  # [B]
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)


def _stopping_criteria(
    rows: Sequence[Row], prompt_length: int, max_new_tokens: torch.Tensor, stop_ids: Sequence[int]
) -> StoppingCriteriaList:
    criteria = StoppingCriteriaList([_MaxNewTokens(prompt_length, max_new_tokens)])
    if any(row.ignore_eos for row in rows):
        criteria.append(_EndOfText(rows, stop_ids, max_new_tokens.device))
    if any(row.stops or row.matcher for row in rows):
        criteria.append(_EndOfRows(rows, prompt_length, stop_ids))
    return criteria


class _EndOfText(StoppingCriteria):
    """Ends each row at the model's end of a text, but those that ignore it."""

    def __init__(self, rows: Sequence[Row], stop_ids: Sequence[int], device: torch.device) -> None:
        self.stop_ids = torch.tensor(stop_ids, dtype=torch.long, device=device)
        self.ignores = torch.tensor([row.ignore_eos for row in rows], device=device)  # [B]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return torch.isin(input_ids[:, -1], self.stop_ids) & ~self.ignores


class _EndOfRows(StoppingCriteria):
    """Ends each row where it says so, as at its stop texts."""

    def __init__(self, rows: Sequence[Row], prompt_length: int, stop_ids: Sequence[int]) -> None:
        self.rows, self.prompt_length, self.stop_ids = rows, prompt_length, stop_ids
        self.is_ended = [False] * len(rows)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        new_ids = input_ids[:, self.prompt_length :].tolist()  # [B, new]
        for place, (row, ids) in enumerate(zip(self.rows, new_ids, strict=True)):
            self.is_ended[place] = self.is_ended[place] or bool(row.end_reason(ids, self.stop_ids))
        return torch.tensor(self.is_ended, device=input_ids.device)


class _MaxNewTokens(StoppingCriteria):
    """Ends each row at its own limit; the batch ends with the last of them."""

    def __init__(self, prompt_length: int, max_new_tokens: torch.Tensor) -> None:
        self.prompt_length, self.max_new_tokens = prompt_length, max_new_tokens  # max_new_tokens: [B]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return input_ids.shape[1] - self.prompt_length >= self.max_new_tokens
