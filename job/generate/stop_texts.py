"""`stop`: texts that end a text where they appear, and are not part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from job.generate.engines.decoding import decode_new_tokens
from job.generate.models.tokenizer import Tokenizer

# Beyond a byte for each token: tokens that are only part of a character, or special.
_MARGIN = 8


@dataclass(frozen=True, slots=True)
class StopTexts:
    """Looks for stop texts in new tokens, also across the borders of tokens."""

    texts: tuple[str, ...]
    tokenizer: Tokenizer

    def appear(self, prompt_ids: Sequence[int], new_ids: Sequence[int]) -> bool:
        """Whether one is in the new text now, given that none was before the newest token."""
        window = max(len(text.encode()) for text in self.texts) + _MARGIN
        # A tokenizer may leave out a space at the beginning: what comes before tells where that is.
        before = prompt_ids if len(new_ids) <= window else new_ids[:-window]
        text = decode_new_tokens(self.tokenizer, before[-_MARGIN:], new_ids[-window:])
        return any(stop in text for stop in self.texts)


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the stop texts; all of it if it has none."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
