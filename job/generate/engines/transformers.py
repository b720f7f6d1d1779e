"""From prompts to texts, a batch at a time: the one place that runs the network."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    TopPLogitsWarper,
)

from job.generate import sampling
from job.generate.models.load import Model
from job.generate.prompts import Prompt
from job.generate.settings import Settings


@dataclass(frozen=True, slots=True)
class Row:
    """A text to make: its prompt, the prompt's tokens, its number from 1, the most new tokens."""

    prompt: Prompt
    tokens: tuple[int, ...]
    number: int
    limit: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text made. `text` begins with the prompt, as the text-generation pipeline gives it.

    finish_reason: `stop` where the model ended the text, `length` where the limit did.
    """

    text: str
    new_tokens: int
    finish_reason: str


def generate(model: Model, rows: Sequence[Row], settings: Settings) -> list[Text]:
    """Continue all rows in one batch; a text is its row's alone, whatever the others are."""
    width = max(len(row.tokens) for row in rows)
    padding = model.stop_ids[0] if model.stop_ids else 0
    pads = [width - len(row.tokens) for row in rows]
    # ids, mask: [B, width], padded on the left so that all rows go on at the same column.
    ids = [[padding] * pad + list(row.tokens) for pad, row in zip(pads, rows, strict=True)]
    mask = [[0] * pad + [1] * len(row.tokens) for pad, row in zip(pads, rows, strict=True)]
    limits = torch.tensor([row.limit for row in rows], device=model.device)
    with torch.inference_mode():
        made = model.network.generate(
            inputs=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=max(row.limit for row in rows),
                eos_token_id=list(model.stop_ids) or None,
                pad_token_id=padding,
            ),
            logits_processor=_processors(rows, settings, pads, model.device),
            stopping_criteria=StoppingCriteriaList([_RowLimits(width, limits)]),
        )
    return [_text(model, row, new) for row, new in zip(rows, made[:, width:].tolist(), strict=True)]


def _text(model: Model, row: Row, new: list[int]) -> Text:
    new = new[: row.limit]
    end = next((place for place, token in enumerate(new) if token in model.stop_ids), None)
    if end is not None:
        new = new[: end + 1]
    before = _decode(model, row.tokens)
    # The prompt is kept to the character, which decoding its tokens would not always do.
    text = row.prompt.text + _decode(model, (*row.tokens, *new))[len(before) :]
    return Text(text, len(new), "length" if end is None else "stop")


def _decode(model: Model, tokens: Sequence[int]) -> str:
    return str(
        model.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )


def _processors(
    rows: Sequence[Row], settings: Settings, pads: list[int], device: torch.device
) -> LogitsProcessorList:
    chosen = LogitsProcessorList()
    if settings.repetition_penalty != 1:
        chosen.append(_RepetitionPenalty(settings.repetition_penalty, pads))
    if settings.greedy:
        return chosen
    if settings.temperature != 1:
        chosen.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        chosen.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        chosen.append(TopPLogitsWarper(settings.top_p))
    streams = [sampling.uniforms(settings.seed, row.prompt.text, row.number, row.limit) for row in rows]
    width = len(rows[0].tokens) + pads[0]
    chosen.append(_Draw(width, torch.from_numpy(sampling.stack(streams)).to(device)))
    return chosen


class _RepetitionPenalty(LogitsProcessor):
    """The library's penalty, without its taking a batch's padding for text."""

    def __init__(self, penalty: float, pads: list[int]) -> None:
        self.penalty, self.pads = RepetitionPenaltyLogitsProcessor(penalty), pads

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows = enumerate(self.pads)
        return torch.cat([self.penalty(ids[row : row + 1, pad:], scores[row : row + 1]) for row, pad in rows])


class _Draw(LogitsProcessor):
    """Draws each row's token from the row's own stream and leaves only that one to be taken."""

    def __init__(self, width: int, uniforms: torch.Tensor) -> None:
        self.width, self.uniforms = width, uniforms  # uniforms: [B, steps], float64

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = sampling.draw(scores, self.uniforms[:, ids.shape[1] - self.width])
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)


class _RowLimits(StoppingCriteria):
    """Ends each row at its own limit, so that the batch ends with the last of them."""

    def __init__(self, width: int, limits: torch.Tensor) -> None:
        self.width, self.limits = width, limits  # limits: [B]

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return ids.shape[1] - self.width >= self.limits
