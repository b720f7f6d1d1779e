"""What engines know of a tokenizer, and one over the tokenizers library, which needs no transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import tokenizers


class Tokenizer(Protocol):
    """A text's tokens, and tokens' text."""

    def __hash__(self) -> int: ...

    @property
    def size(self) -> int:
        """How many tokens there are, those that were added included."""

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """The tokens that mean something, by transformers' names for them: bos_token, eos_token, …"""

    @property
    def chat_template(self) -> str | None:
        """A Jinja template; of several, the one named default."""

    @property
    def eos_id(self) -> int | None:
        """The token that ends a text, if there is one."""

    def to_json(self) -> str | None:
        """The tokenizers library's file of it; None if it is of another library."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        """The text's tokens, by default with those that the model wants around a text."""

    def decode(self, token_ids: Sequence[int]) -> str:
        """The tokens' text, without special tokens and without any clean-up of spaces."""

    def token(self, token_id: int) -> str | None:
        """How the vocabulary writes the token; None if it has no token of this number."""

    def token_id(self, token: str) -> int | None:
        """The number of the token that the vocabulary writes so; None if it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class FastTokenizer:
    """A tokenizer of the tokenizers library."""

    backend: tokenizers.Tokenizer
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    chat_template: str | None = None

    @property
    def size(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def eos_id(self) -> int | None:
        token = self.special_tokens.get("eos_token")
        return None if token is None else self.token_id(token)

    def to_json(self) -> str | None:
        return self.backend.to_str()

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        return tuple(self.backend.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.backend.decode(list(token_ids), skip_special_tokens=True)

    def token(self, token_id: int) -> str | None:
        return self.backend.id_to_token(token_id) if token_id >= 0 else None

    def token_id(self, token: str) -> int | None:
        return self.backend.token_to_id(token)
