"""Which tokens may come next, so that a text keeps to its structure: llguidance's masks."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tokenizers
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from job.errors import ModelError, PromptError
from job.generate.engines.engine import Mask
from job.generate.models.library_errors import first_line
from job.generate.models.tokenizer import Tokenizer

_END = "<|end of a structure|>"


class Matcher:
    """Follows the new tokens of one text through a grammar."""

    def __init__(self, grammar: str, tokenizer: Tokenizer) -> None:
        self.grammar, self.tokenizer = grammar, tokenizer
        self.error = ""  # why the text can't go on
        self._matcher: Any = None
        self._read: list[int] = []  # the tokens that it has seen

    def copy(self) -> "Matcher":
        """One for another text."""
        return Matcher(self.grammar, self.tokenizer)

    def check(self) -> None:
        """Raise PromptError for a grammar that can't be used, ModelError for such a tokenizer."""
        compiled = _compile(self.grammar, self.tokenizer)
        if compiled.is_error():
            raise PromptError(_describe(compiled))

    def make_mask(self, new_ids: Sequence[int], stop_ids: Collection[int], size: int) -> Mask:
        """Of `size` tokens those that may come behind the new ones; `stop_ids` where the text may end.

        All may, if there is an `error`: none goes on, or the grammar takes too much time or memory.
        """
        self._follow(new_ids)
        converted = _convert(self.tokenizer)
        bits = allocate_token_bitmask(1, converted.vocab_size)
        fill_next_token_bitmask(self._matcher, bits)
        mask: Mask = np.unpackbits(bits.view(np.uint8), count=size, bitorder="little").view(bool)
        mask[converted.eos_token : converted.eos_token + 1] = False
        mask[list(stop_ids)] = self._matcher.is_accepting()
        if self._has_failed():
            return np.ones(size, bool)
        if not mask.any():
            self.error = "no token of the model goes on with a text of this structure; try another one"
            return ~mask
        return mask

    def is_complete(self, new_ids: Sequence[int]) -> bool:
        """Whether nothing may follow the new tokens. If there is an `error`, it is not known."""
        self._follow(new_ids)
        return not self._has_failed() and bool(self._matcher.is_stopped())

    def _follow(self, new_ids: Sequence[int]) -> None:
        new_ids = list(new_ids)
        if self._matcher is None or new_ids[: len(self._read)] != self._read:  # the text was begun again
            self._matcher = _compile(self.grammar, self.tokenizer).deep_copy()
            self._read, self.error = [], ""
        self._matcher.consume_tokens(new_ids[len(self._read) :])
        self._read = new_ids

    def _has_failed(self) -> bool:
        if not self.error and self._matcher.is_error():
            self.error = _describe(self._matcher)
        return bool(self.error)


def _describe(matcher: LLMatcher) -> str:
    """The matcher's error in one line."""
    return f"the structure can't be followed: {matcher.get_error().splitlines()[0]}"


@lru_cache(maxsize=128)
def _compile(grammar: str, tokenizer: Tokenizer) -> LLMatcher:
    return LLMatcher(_convert(tokenizer), grammar, log_level=0)


@lru_cache(maxsize=1)
def _convert(tokenizer: Tokenizer) -> LLTokenizer:
    """The tokenizer with one token more, as llguidance wants one that ends texts: which do, engines know."""
    text = tokenizer.to_json()
    if text is None:
        raise ModelError("the model's tokenizer is none of the tokenizers library, which structures need")
    backend = tokenizers.Tokenizer.from_str(text)
    backend.no_padding()
    backend.no_truncation()
    backend.add_special_tokens([_END])
    try:
        return LLTokenizer(backend.to_str(), eos_token=backend.token_to_id(_END))
    except ValueError as error:
        raise ModelError(f"the model's tokenizer can't be used for structures: {first_line(error)}") from None
