"""Prompts as an engine takes them: each text's tokens and limit, or why a row has none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from job.errors import ModelError, PromptError
from job.generate.bad_words import BadWords, encode_bad_words
from job.generate.chat.template import ChatTemplate
from job.generate.engines.engine import Engine, Row
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts
from job.generate.structure import build_grammar, describe_lack, find_conflict, find_structure
from job.text import counted

if TYPE_CHECKING:
    from job.generate.matcher import Matcher


class TooLongError(PromptError):
    """A prompt that leaves no room for new tokens."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that costs itself and nothing else: its prompt has an error. `number` is its place in the run."""

    prompt: Prompt
    number: int


class RowBuilder:
    """Makes rows of prompts. `now` is what chat templates take for the present. Close it at the end."""

    def __init__(self, engine: Engine, settings: Settings, now: datetime) -> None:
        self._engine, self._settings, self._now = engine, settings, now
        self._template: ChatTemplate | None = None

    def build(self, prompts: Iterable[Prompt]) -> Iterator[Row | BadRow]:
        """The texts of the run, in the order of the prompts, each with its number.

        Raises ModelError if messages are there, and the model's chat template can't be used.
        """
        number = 0
        for prompt in prompts:
            row = self._build_row(prompt)
            sequences = prompt.sequences
            if sequences is None:
                sequences = range(1, 1 + prompt.count_texts(self._settings.num_return_sequences))
            if row is not None:
                for sequence in sequences:
                    matcher = row.matcher and row.matcher.copy()
                    yield replace(row, sequence=sequence, number=number, matcher=matcher)
                    number += 1
            elif 1 in sequences:  # else it is in the shard before
                yield BadRow(prompt, number)
                number += 1

    def _build_row(self, prompt: Prompt) -> Row | None:
        """The first of the prompt's texts."""
        if prompt.error:
            return None
        row_settings = replace(self._settings, **prompt.settings) if prompt.settings else None
        settings = row_settings or self._settings
        try:
            token_ids = self._encode(prompt)
            token_ids, max_new_tokens = self._fit(token_ids, settings)
            if settings.min_new_tokens > max_new_tokens:
                raise PromptError(
                    f"min_new_tokens ({settings.min_new_tokens}) is more than the {max_new_tokens} new "
                    "tokens that there may be; lower it"
                )
            bad_words = self._encode_bad_words(settings)
            matcher = self._build_matcher(settings)
        except PromptError as error:
            prompt.error, prompt.is_too_long = str(error), isinstance(error, TooLongError)
            return None
        return Row(
            prompt,
            token_ids,
            1,
            max_new_tokens,
            0,
            row_settings,
            self._build_stops(settings),
            settings.ignore_eos,
            settings.min_new_tokens,
            bad_words,
            matcher,
            settings.logprobs,
        )

    def _build_stops(self, settings: Settings) -> StopTexts | None:
        if not settings.stop:
            return None
        return StopTexts(settings.stop, self._engine.tokenizer, settings.min_new_tokens)

    def _encode_bad_words(self, settings: Settings) -> BadWords:
        if not settings.bad_words:
            return ()
        size = self._engine.vocabulary_size
        words = encode_bad_words(settings.bad_words, self._engine.tokenizer)
        return tuple(ids for ids in words if not size or max(ids) < size)

    def _build_matcher(self, settings: Settings) -> "Matcher | None":
        name = find_structure(settings)
        if not name:
            return None
        if not self._engine.takes_structure:
            raise PromptError(describe_lack(name, self._engine.name))
        if problem := find_conflict(settings):
            raise PromptError(problem)
        from job.generate.matcher import Matcher

        grammar = build_grammar(settings.json_schema, settings.regex, settings.choices)
        matcher = Matcher(grammar, self._engine.tokenizer)
        matcher.check()
        return matcher

    def _encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The prompt's tokens; of messages the text is then what the chat template makes of them."""
        if prompt.messages:
            prompt.text = self._open_template().render(prompt.messages)
        # A chat template writes the beginning of a text itself.
        token_ids = self._engine.tokenizer.encode(prompt.text, add_special_tokens=not prompt.messages)
        name, size = self._engine.files.name, self._engine.vocabulary_size
        if not token_ids:
            raise PromptError("the model's tokenizer gives no tokens for it")
        if size and (token := max(token_ids)) >= size:
            tokenizer = self._engine.tokenizer
            raise PromptError(
                f"{name} has no token {token} ({tokenizer.token(token)!r}): it has {size}, "
                f"its tokenizer {tokenizer.size}; leave it out of the prompt"
            )
        return token_ids

    def _fit(self, token_ids: tuple[int, ...], settings: Settings) -> tuple[tuple[int, ...], int]:
        """The prompt's tokens, and how many new ones there may be."""
        limit = self._engine.context_length
        is_cut = settings.too_long == "truncate-left"
        if settings.max_new_tokens:
            if limit and len(token_ids) + settings.max_new_tokens > limit:
                room = limit - settings.max_new_tokens
                if not is_cut or room < 1:
                    raise TooLongError(
                        f"the prompt's {counted(len(token_ids), 'token')} and max_new_tokens "
                        f"({settings.max_new_tokens}) are more than the context of "
                        f"{self._engine.files.name} ({limit} tokens); lower max_new_tokens"
                    )
                token_ids = token_ids[-room:]
            return token_ids, settings.max_new_tokens
        if limit and settings.max_length > limit:
            raise TooLongError(
                f"max_length ({settings.max_length}) is more than the context of {self._engine.files.name} "
                f"({limit} tokens); lower it"
            )
        if len(token_ids) >= settings.max_length:
            if not is_cut or settings.max_length == 1:
                raise TooLongError(
                    f"max_length ({settings.max_length}) must be above the prompt's "
                    f"{counted(len(token_ids), 'token')}; raise it, or give max_new_tokens instead"
                )
            token_ids = token_ids[1 - settings.max_length :]
        return token_ids, settings.max_length - len(token_ids)

    def _open_template(self) -> ChatTemplate:
        if self._template is None:
            name, tokenizer = self._engine.files.name, self._engine.tokenizer
            if tokenizer.chat_template is None:
                problem = (
                    "has no chat template, so it takes no messages; write prompts, or give another model"
                )
                if self._settings.on_error == "skip":
                    raise PromptError(f"{name} {problem}")
                raise ModelError(f"model {name!r}: it {problem}")
            self._template = ChatTemplate(name, tokenizer.chat_template, tokenizer.special_tokens, self._now)
        return self._template

    def close(self) -> None:
        if self._template is not None:
            self._template.close()
