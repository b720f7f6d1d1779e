"""What an engine takes and gives: rows in, texts out."""

from dataclasses import dataclass

from job.generate.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Row:
    """A text to generate: text number `sequence`, from 1, of its prompt."""

    prompt: Prompt
    token_ids: tuple[int, ...]  # the prompt's
    sequence: int
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Text:
    """A generated text, which begins with the prompt, as in the text-generation pipeline.

    finish_reason: `stop` if the model ended the text, `length` if `max_new_tokens` did.
    """

    text: str
    new_tokens: int
    finish_reason: str
