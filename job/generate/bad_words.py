"""`bad_words`: words that are not generated, as vLLM takes them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from job.errors import PromptError
from job.generate.models.tokenizer import Tokenizer
from job.text import quoted

BadWords = tuple[tuple[int, ...], ...]  # the tokens of each


@lru_cache(maxsize=1024)
def encode_bad_words(words: Sequence[str], tokenizer: Tokenizer) -> BadWords:
    """The words' tokens: at the beginning of a text, and behind a space if that is another first token.

    It is the rule of `SamplingParams.update_from_tokenizer` in vLLM 0.32.
    Raises PromptError for a word that has no tokens.
    """
    return tuple(ids for word in words for ids in _encode(word, tokenizer))


def _encode(word: str, tokenizer: Tokenizer) -> Iterator[tuple[int, ...]]:
    plain = tokenizer.encode(word.lstrip(), add_special_tokens=False)
    spaced = tokenizer.encode(f" {word.lstrip()}", add_special_tokens=False)
    if not plain:
        raise PromptError(f"bad_words: {quoted(word)} is no word")
    yield plain
    if len(spaced) == len(plain) and spaced[:1] != plain[:1]:
        yield spaced


def find_last_tokens(bad_words: Iterable[Sequence[int]], new_ids: Sequence[int]) -> list[int]:
    """The tokens that would complete a bad word behind the new ones."""
    return [
        ids[-1]
        for ids in bad_words
        if len(ids) == 1 or (len(new_ids) >= len(ids) - 1 and tuple(new_ids[1 - len(ids) :]) == ids[:-1])
    ]
