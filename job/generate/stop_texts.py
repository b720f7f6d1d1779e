"""`stop`: texts that end a text where they appear, and are not part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from job.generate.engines.decoding import decode_new_tokens
from job.generate.models.tokenizer import Tokenizer

# Beyond a byte for each token: tokens that are only part of a character, or special.
_MARGIN = 8


@dataclass(frozen=True, slots=True)
class StopTexts:
    """Looks for stop texts in new tokens, also across the borders of tokens.

    min_new_tokens: one that ends with these is part of the text, as in vLLM.
    """

    texts: tuple[str, ...]
    tokenizer: Tokenizer
    min_new_tokens: int = 0

    def appear(self, prompt_ids: Sequence[int], new_ids: Sequence[int]) -> bool:
        """Whether one is in the new text now, given that none was before the newest token."""
        if len(new_ids) <= self.min_new_tokens:
            return False
        window = max(len(text.encode()) for text in self.texts) + _MARGIN
        # A tokenizer may leave out a space at the beginning: what comes before tells where that is.
        before = prompt_ids if len(new_ids) <= window else new_ids[:-window]
        passed = self.min_new_tokens - max(0, len(new_ids) - window)
        before, new_ids = before[-_MARGIN:], new_ids[-window:]
        text = decode_new_tokens(self.tokenizer, before, new_ids)
        return find_stop(text, self.texts, self._count_skipped(before, new_ids, passed)) >= 0

    def cut(self, prompt_ids: Sequence[int], new_ids: Sequence[int], text: str) -> str:
        """The text of the new tokens before the first stop text; all of it if it has none."""
        skipped = self._count_skipped(prompt_ids, new_ids, self.min_new_tokens)
        place = find_stop(text, self.texts, skipped)
        return text if place < 0 else text[:place]

    def _count_skipped(self, prompt_ids: Sequence[int], new_ids: Sequence[int], passed: int) -> int:
        """The characters of the first new tokens, in which no stop text counts."""
        return len(decode_new_tokens(self.tokenizer, prompt_ids, new_ids[:passed])) if passed > 0 else 0


def find_stop(text: str, stops: Sequence[str], skip: int = 0) -> int:
    """Where the first of the stop texts is that ends behind the first `skip` characters; -1 if none does."""
    places = [text.find(stop, max(0, skip - len(stop) + 1)) for stop in stops]
    return min((place for place in places if place >= 0), default=-1)
