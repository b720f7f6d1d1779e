"""A row as it came, and what the model has to continue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(slots=True, eq=False)
class Prompt:
    """What a row asks for: `text` to continue, or `messages` to answer.

    id: the row's own, with its type, else FILE:LINE. row: as it came. settings: what it sets itself, by
    the settings' names. location: where it is, for errors. error: why it is none; then the rest may be
    empty. sequences: the numbers of its texts that are generated; None for all.
    """

    id: str | int
    text: str = ""
    messages: Sequence[Message] = ()
    row: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    error: str = ""
    is_too_long: bool = False  # the error
    is_duplicate: bool = False  # the error: another row has its id
    sequences: range | None = None

    def count_texts(self, num_return_sequences: int) -> int:
        """How many texts it asks for, where the run's setting is `num_return_sequences`; 1 for an error."""
        return 1 if self.error else self.settings.get("num_return_sequences", num_return_sequences)
