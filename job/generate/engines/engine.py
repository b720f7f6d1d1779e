"""What an engine is: it takes rows as they come, and gives their new tokens as they end."""

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from job.generate.bad_words import BadWords, find_last_tokens
from job.generate.models.find import ModelFiles
from job.generate.models.tokenizer import Tokenizer
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts

if TYPE_CHECKING:
    from job.generate.matcher import Matcher

Mask = NDArray[np.bool_]  # [V], whether a token may come


# A new token and its log probability, then those of the most likely tokens.
TokenLogprobs = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A text to generate: text number `sequence`, from 1, of its prompt."""

    prompt: Prompt
    token_ids: tuple[int, ...]  # the prompt's
    sequence: int
    max_new_tokens: int
    number: int = 0  # its place in the run, from 0
    settings: Settings | None = None  # its own, in place of the run's
    stops: StopTexts | None = None
    ignore_eos: bool = False
    min_new_tokens: int = 0
    bad_words: BadWords = ()
    matcher: "Matcher | None" = None  # of its structure
    logprobs: int = -1  # how many of the most likely tokens are wanted beside the drawn one; -1 for neither

    @property
    def is_restricted(self) -> bool:
        """Whether there are tokens that must not come."""
        return bool(self.matcher or self.bad_words or self.min_new_tokens)

    def make_mask(self, new_ids: Sequence[int], stop_ids: Collection[int], size: int) -> Mask:
        """Which of `size` tokens may come next."""
        if self.matcher:
            return self.matcher.make_mask(new_ids, stop_ids, size)
        mask = np.ones(size, bool)
        mask[find_last_tokens(self.bad_words, new_ids)] = False
        if len(new_ids) < self.min_new_tokens:
            mask[list(stop_ids)] = False
        return mask

    def end_reason(self, new_ids: Sequence[int], stop_ids: Collection[int]) -> str:
        """Why the row ends with its newest token: `stop`, `length` or `error`; empty if it goes on."""
        if new_ids[-1] in stop_ids and not self.ignore_eos:
            return "stop"
        if self.stops and self.stops.appear(self.token_ids, new_ids):
            return "stop"
        if self.matcher and self.matcher.is_complete(new_ids):
            return "stop"
        if self.matcher and self.matcher.error:
            return "error"
        return "length" if len(new_ids) == self.max_new_tokens else ""

    def complete(
        self, new_ids: Sequence[int], reason: str, logprobs: Sequence[TokenLogprobs] | None = None
    ) -> "Completion":
        """What the row is if it ends with these tokens for the reason that `end_reason` gives."""
        if self.matcher and reason == "error":
            return Completion((), "", error=self.matcher.error)
        return Completion(tuple(new_ids), reason, None if self.logprobs < 0 else tuple(logprobs or ()))


@dataclass(frozen=True, slots=True)
class Completion:
    """A row's new tokens.

    finish_reason: `stop` if the model, a stop text or the structure ended the text, `length` if the limit
    did.
    logprobs: of each token, as the model gives them, if the row asks for them.
    error: why there are none: alone, too, the row needs more memory than there is, or its structure leads
    nowhere.
    """

    token_ids: tuple[int, ...]
    finish_reason: str
    logprobs: tuple[TokenLogprobs, ...] | None = None
    error: str = ""


# It gives each row with its completion, as soon as it ends; rows are taken as slots become free. No text
# depends on the other rows. It raises TextgenError if the library or the device fails. Close what it gives:
# threads and processes may be behind it.
Completions = Generator[tuple[Row, Completion], None, None]
Generate = Callable[[Iterable[Row]], Completions]


class Engine(ABC):
    """A model, and what runs it.

    To make one reads the model's configuration alone: no weights, no library that takes seconds.
    It raises ModelError for a model that is broken, UnsupportedError for one that it can't run.
    """

    name: str
    libraries: tuple[str, ...]  # whose versions decide the texts

    files: ModelFiles
    device: str  # what `auto` came to
    dtype: str
    slots: int  # how many rows run at once
    takes_structure: bool = True  # whether it draws with the masks of rows
    context_length: int | None  # of a text, in tokens; None if there is no limit
    vocabulary_size: int | None  # tokens; None if it is not known

    @property
    @abstractmethod
    def tokenizer(self) -> Tokenizer:
        """Raises ModelError if the model has none that can be used."""

    @abstractmethod
    def load(self, longest: int) -> Generate:
        """Load the weights, for texts of at most `longest` tokens, the prompt's among them.

        Raises ModelError if they are broken, TextgenError if there is no memory for them.
        """

    def identity(self) -> dict[str, Any]:
        """What the texts depend on beside the settings and the model."""
        return {
            "engine": self.name,
            "device": self.device.partition(":")[0],
            "dtype": self.dtype,
            "versions": {name: importlib.metadata.version(name) for name in self.libraries},
        }

    def first_row(self, done: int) -> int:
        """The row at which a run begins again of which `done` rows are done."""
        return done
