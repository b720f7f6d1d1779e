"""What transformers asks after each token: which rows of a batch end with it.

In shapes, B is the number of rows, T the tokens of the longest prompt, V the size of the vocabulary.
"""

from collections.abc import Sequence

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from job.generate.engines.engine import Row


def build_stopping_criteria(
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
