"""The transformers engine: rows in, texts out, one batch at a time.

In shapes, B is the number of rows, T the tokens of the longest prompt, V the size of the vocabulary.
"""

from collections.abc import Sequence
from typing import Any

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

from job.errors import TextgenError
from job.generate import sampling
from job.generate.engines.batches import split_batch
from job.generate.engines.decoding import decode_new_tokens
from job.generate.engines.rows import Row, Text
from job.generate.models.library_errors import generation_error
from job.generate.models.limits import read_padded_length
from job.generate.models.load import Model
from job.generate.settings import Settings


def generate(model: Model, rows: Sequence[Row], settings: Settings) -> list[Text]:
    """Continue all rows; no text depends on the other rows.

    Raises TextgenError if the library or the device fails, for example for lack of memory.
    """
    texts: dict[Row, Text] = {}
    config = model.network.config
    for group in split_batch(rows, config.model_type, read_padded_length(config)):
        try:
            texts.update(zip(group, _generate_group(model, group, settings), strict=True))
        except TextgenError:
            raise
        except Exception as error:  # the library raises what it likes
            raise generation_error(error, model.files.name, model.device, len(group)) from error
    return [texts[row] for row in rows]


def _generate_group(model: Model, rows: Sequence[Row], settings: Settings) -> list[Text]:
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
    _forget_last_text(model.network)
    with torch.inference_mode():
        output_ids = model.network.generate(  # [B, T + new]
            inputs=torch.tensor(input_ids, device=model.device),
            attention_mask=torch.tensor(attention_mask, device=model.device),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=int(max_new_tokens.max()),
                eos_token_id=list(model.stop_ids) or None,
                pad_token_id=pad_id,
            ),
            logits_processor=_logits_processors(rows, paddings, settings, model.device),
            stopping_criteria=StoppingCriteriaList([_MaxNewTokens(prompt_length, max_new_tokens)]),
        )
    new_ids = output_ids[:, prompt_length:].tolist()  # [B, new]
    return [_decode_row(model, row, ids) for row, ids in zip(rows, new_ids, strict=True)]


def _forget_last_text(network: Any) -> None:
    """RecurrentGemma keeps its state in the network, and goes on from it if a prompt has one token."""
    for module in network.modules():
        if hasattr(module, "conv1d_state"):
            module.conv1d_state = None


def _decode_row(model: Model, row: Row, new_ids: list[int]) -> Text:
    new_ids = new_ids[: row.max_new_tokens]
    stop = next((column for column, token in enumerate(new_ids) if token in model.stop_ids), None)
    if stop is not None:
        new_ids = new_ids[: stop + 1]
    # The prompt's own characters, which decoding its tokens would not always give back.
    text = row.prompt.text + decode_new_tokens(model.tokenizer, row.token_ids, new_ids)
    return Text(text, len(new_ids), "length" if stop is None else "stop")


def _logits_processors(
    rows: Sequence[Row], paddings: Sequence[int], settings: Settings, device: torch.device
) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if settings.repetition_penalty != 1:
        processors.append(_RepetitionPenalty(settings.repetition_penalty, paddings))
    if settings.greedy:
        return processors
    if settings.temperature != 1:
        processors.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        processors.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        processors.append(_TopP(settings.top_p))
    streams = [
        sampling.uniforms(settings.seed, row.prompt.text, row.sequence, row.max_new_tokens) for row in rows
    ]
    prompt_length = len(rows[0].token_ids) + paddings[0]
    processors.append(_Sample(prompt_length, torch.from_numpy(sampling.stack(streams)).to(device)))
    return processors


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


class _MaxNewTokens(StoppingCriteria):
    """Ends each row at its own limit; the batch ends with the last of them."""

    def __init__(self, prompt_length: int, max_new_tokens: torch.Tensor) -> None:
        self.prompt_length, self.max_new_tokens = prompt_length, max_new_tokens  # max_new_tokens: [B]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return input_ids.shape[1] - self.prompt_length >= self.max_new_tokens
