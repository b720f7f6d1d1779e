"""The echo engine: the prompt's words again, without a model.

It is for trying settings, files and workflows, and for tests of all that is not about a network.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from types import MappingProxyType

from job.generate.engines.engine import Completion, Completions, Engine, Generate, Row, TokenLogprobs
from job.generate.models.find import ModelFiles
from job.generate.settings import Settings

_WORD = re.compile(r"\s*\S+|\s+$")


class Words:
    """A tokenizer whose tokens are words with the space before them; a token's number is its bytes."""

    size = 0  # there are as many tokens as words
    special_tokens: Mapping[str, str] = MappingProxyType({})
    chat_template = (
        "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
    )
    eos_id = None

    def to_json(self) -> str | None:
        return None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        return tuple(map(_to_number, _WORD.findall(text)))

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(map(_to_word, token_ids))

    def token(self, token_id: int) -> str | None:
        return _to_word(token_id)

    def token_id(self, token: str) -> int | None:
        return _to_number(token)


def _to_number(word: str) -> int:
    return int.from_bytes(b"\1" + word.encode())  # a word may begin with NUL


def _to_word(number: int) -> str:
    return number.to_bytes((number.bit_length() + 7) // 8)[1:].decode()


class EchoEngine(Engine):
    """Repeats each prompt's words, one a token, up to the row's limit."""

    name = "echo"
    libraries = ()
    device = "cpu"
    dtype = "none"
    slots = 1
    takes_structure = False
    context_length = None
    vocabulary_size = None
    tokenizer = Words()

    def __init__(self, files: ModelFiles, settings: Settings) -> None:
        self.files = files

    def load(self, longest: int) -> Generate:
        return _repeat


def _certain(row: Row, new_ids: Sequence[int]) -> tuple[TokenLogprobs, ...] | None:
    """Of each token: it and no other could come."""
    if row.logprobs < 0:
        return None
    return tuple(((number, 0.0),) * (2 if row.logprobs else 1) for number in new_ids)


def _repeat(rows: Iterable[Row]) -> Completions:
    for row in rows:
        words = [word if word[0].isspace() else f" {word}" for word in map(_to_word, row.token_ids)]
        numbers = cycle(map(_to_number, words))
        new_ids: list[int] = []
        for number in numbers:
            new_ids.append(number)
            if reason := row.end_reason(new_ids, ()):
                yield row, Completion(tuple(new_ids), reason, _certain(row, new_ids))
                break
