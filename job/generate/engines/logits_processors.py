"""What transformers calls on the logits of a step, to draw each row's token from the row's own stream.

In shapes, B is the number of rows, T the tokens of the longest prompt, V the size of the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
)

from job.generate import sampling
from job.generate.engines.engine import Completion, Row
from job.generate.settings import Settings


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
