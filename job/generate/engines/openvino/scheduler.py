"""Continuous batching: which tokens of which rows go into the next step of the network.

A text depends on nothing but its row, to the bit, because of two rules. A prompt of at most PIECE
tokens is read in one piece, a longer one in pieces of PIECE, whatever runs beside it. And a row whose
memory is taken away begins again, since reading its new tokens as a prompt would give other last bits.
One that outgrows the positions of short texts is read again at that length, wherever that comes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from job.generate import sampling
from job.generate.engines.engine import Completion, Completions, Mask, Row, TokenLogprobs
from job.generate.engines.openvino.blocks import BlockPool
from job.generate.engines.openvino.network import Logits, Network
from job.generate.engines.openvino.paged_attention import BLOCK, Piece, count_blocks
from job.generate.engines.openvino.sampler import Sampler, make_sampler, rank

PIECE = 512  # tokens of prompts that a step reads


@dataclass(slots=True, eq=False)
class _Text:
    """A row with its tokens so far. `number` is its place in the order of rows."""

    number: int
    row: Row
    new_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Prompt:
    """A prompt's part of the cache, and once it is read the logits behind it."""

    token_ids: tuple[int, ...]
    blocks: list[int]
    is_long: bool
    read: int = 0
    logits: Logits | None = None

    def next_piece(self) -> Piece:
        return Piece(self.token_ids[self.read : self.read + PIECE], self.read, self.blocks, self.is_long)


@dataclass(slots=True, eq=False)
class _Sequence:
    """A text in a slot. `prompt` is set until it is read."""

    text: _Text
    uniforms: NDArray[np.float64]
    prompt: _Prompt | None
    blocks: list[int] = field(default_factory=list)

    @property
    def row(self) -> Row:
        return self.text.row

    @property
    def new_ids(self) -> list[int]:
        return self.text.new_ids

    @property
    def past(self) -> int:
        """The tokens in the cache: all but the newest."""
        return len(self.row.token_ids) + len(self.new_ids) - 1


class Scheduler:
    """Runs rows through a network, `slots` at once."""

    def __init__(
        self,
        network: Network,
        sampler: Sampler,
        *,
        blocks: int,
        slots: int,
        stop_ids: Collection[int],
        seed: int,
        switch: int = 0,
    ) -> None:
        """switch: a text that gets longer than this is read again, with the positions of long texts."""
        self._network, self._sampler = network, sampler
        self._blocks, self._slots = blocks, slots
        self._stop_ids, self._seed = frozenset(stop_ids), seed
        self._switch = switch
        self._clear()

    def _clear(self) -> None:
        self._pool = BlockPool(self._blocks)
        self._sequences: list[_Sequence] = []  # by number
        # By number, with their tokens so far: rows whose memory was taken away, or that are read again.
        self._returned: list[_Text] = []
        self._reading: list[_Prompt] = []
        self._latest: _Prompt | None = None  # the prompt that the next row may have, too
        self.restarts = 0  # how often a row began again for lack of memory

    def generate(self, rows: Iterable[Row]) -> Completions:
        """Each row with its completion, as soon as it ends; rows are taken as slots become free.

        One call at a time: another one forgets the rows of one that was not read to its end.
        """
        self._clear()
        arriving = (_Text(number, row) for number, row in enumerate(rows))
        while True:
            yield from self._admit(arriving)
            if not self._sequences:
                break
            ended = self._start_sequences()
            ended += self._step()
            yield from ended
        self._forget_latest()

    def _admit(self, arriving: Iterator[_Text]) -> Iterator[tuple[Row, Completion]]:
        """Fill the slots in the order of rows, while there is memory for their prompts.

        Rows that need more than the whole cache come back.
        """
        while len(self._sequences) < self._slots:
            text = self._returned.pop(0) if self._returned else next(arriving, None)
            if text is None:
                return
            row = text.row
            if error := self._find_size_error(row):
                yield row, Completion((), "", error=error)
                continue
            if not self._find_prompt((*row.token_ids, *text.new_ids)):
                self._returned.insert(0, text)
                return
            seed = row.settings.seed if row.settings else self._seed
            stream = sampling.uniforms(seed, row.prompt.text, row.sequence, row.max_new_tokens)
            self._sequences.append(_Sequence(text, stream, self._latest))
            self._sequences.sort(key=lambda sequence: sequence.text.number)

    def _find_size_error(self, row: Row) -> str:
        """Why the row can never run; empty if it can."""
        length = len(row.token_ids) + row.max_new_tokens
        # One block more than the text has, for the prompt's last one, which each text has for itself.
        if count_blocks(length) + 1 <= self._pool.size:
            return ""
        return (
            f"{length} tokens need more memory than there is ({self._pool.size * BLOCK} tokens); "
            "lower max_length or max_new_tokens"
        )

    def _find_prompt(self, token_ids: tuple[int, ...]) -> bool:
        """Make the tokens the latest prompt; False if there is no memory for it now."""
        is_latest = self._latest is not None and self._latest.token_ids == token_ids
        if not is_latest:
            self._forget_latest()
        blocks = 0 if is_latest else count_blocks(len(token_ids))
        # A block is left to each row in a slot, so that a new one takes nothing away at once.
        if self._sequences and self._pool.free < blocks + 1 + len(self._sequences):
            return False
        if not is_latest:
            taken = [self._pool.take() for _ in range(blocks)]
            self._latest = _Prompt(token_ids, taken, self._is_long(len(token_ids)))
            self._reading.append(self._latest)
        return True

    def _forget_latest(self) -> None:
        """Let no more rows share the latest prompt; its memory is free when no row waits for it."""
        prompt, self._latest = self._latest, None
        if prompt is not None:
            self._release_prompt(prompt)

    def _release_prompt(self, prompt: _Prompt) -> None:
        """Free the prompt's memory if nobody can want it any more."""
        if prompt is self._latest or any(sequence.prompt is prompt for sequence in self._sequences):
            return
        self._pool.release(prompt.blocks)
        prompt.blocks = []
        if prompt in self._reading:
            self._reading.remove(prompt)

    def _start_sequences(self) -> list[tuple[Row, Completion]]:
        """Draw the first token of each row whose prompt is read; those that end with it."""
        ready = [
            (sequence, sequence.prompt, sequence.prompt.logits)
            for sequence in self._sequences
            if sequence.prompt is not None and sequence.prompt.logits is not None
        ]
        if not ready:
            return []
        ended = self._draw([sequence for sequence, _, _ in ready], Logits.stack([each[2] for each in ready]))
        for sequence, prompt, _ in ready:
            # It may have ended, or its memory may have been taken for one before it.
            if sequence in self._sequences:
                self._fork(sequence, prompt)
        for prompt in {id(prompt): prompt for _, prompt, _ in ready}.values():
            self._release_prompt(prompt)
        return ended

    def _fork(self, sequence: _Sequence, prompt: _Prompt) -> None:
        """Give the sequence the prompt's blocks: whole ones shared, the last one copied."""
        whole = len(prompt.token_ids) // BLOCK
        sequence.blocks = prompt.blocks[:whole]
        self._pool.share(sequence.blocks)
        if whole == len(prompt.blocks) or self._extend(sequence):
            for source, target in zip(prompt.blocks[whole:], sequence.blocks[whole:], strict=True):
                self._network.copy_block(source, target)
            sequence.prompt = None

    def _step(self) -> list[tuple[Row, Completion]]:
        """Read a token of each running row, and pieces of prompts beside; the rows that end with it."""
        for sequence in list(self._sequences):
            is_running = sequence.prompt is None and sequence in self._sequences
            if is_running and sequence.past == self._switch:
                self._return(sequence, sequence.text)
            elif is_running and sequence.past == len(sequence.blocks) * BLOCK:
                self._extend(sequence)
        running = [sequence for sequence in self._sequences if sequence.prompt is None]
        pieces = [
            Piece(sequence.new_ids[-1:], sequence.past, sequence.blocks, self._is_long(sequence.past + 1))
            for sequence in running
        ]
        prompts = []
        room = PIECE
        for prompt in self._reading:
            piece = prompt.next_piece()
            if len(piece.token_ids) > room:
                break
            room -= len(piece.token_ids)
            prompts.append(prompt)
            pieces.append(piece)
        if not pieces:
            return []
        logits = self._network.step(pieces)
        for place, prompt in enumerate(prompts, len(running)):
            prompt.read += len(pieces[place].token_ids)
            if prompt.read == len(prompt.token_ids):
                prompt.logits = logits.copy(place)
                self._reading.remove(prompt)
        return self._draw(running, logits.first(len(running))) if running else []

    def _draw(self, sequences: Sequence[_Sequence], logits: Logits) -> list[tuple[Row, Completion]]:
        """Draw each sequence's next token, and end those that end with it."""
        tokens = self._draw_tokens(sequences, logits)
        ended = []
        for place, (sequence, token) in enumerate(zip(sequences, tokens, strict=True)):
            row, text = sequence.row, sequence.text
            text.new_ids.append(token)
            if row.logprobs >= 0:
                text.logprobs.append(rank(logits.full[place], token, row.logprobs))
            if reason := row.end_reason(text.new_ids, self._stop_ids):
                self._remove(sequence)
                ended.append((row, row.complete(text.new_ids, reason, text.logprobs)))
        return ended

    def _draw_tokens(self, sequences: Sequence[_Sequence], logits: Logits) -> list[int]:
        uniforms = [float(sequence.uniforms[len(sequence.new_ids)]) for sequence in sequences]
        seen = [(sequence.row.token_ids, sequence.new_ids) for sequence in sequences]
        masks = [self._make_mask(sequence, logits) for sequence in sequences]
        settings = [sequence.row.settings for sequence in sequences]
        if not any(settings):
            return self._sampler.draw(logits, uniforms, seen, masks)
        places_by_sampler: dict[Sampler, list[int]] = {}
        for place, own in enumerate(settings):
            sampler = make_sampler(sampling.select_sampling(own)) if own else self._sampler
            places_by_sampler.setdefault(sampler, []).append(place)
        tokens = [0] * len(sequences)
        for sampler, places in places_by_sampler.items():
            drawn = sampler.draw(
                logits.take(places),
                [uniforms[place] for place in places],
                [seen[place] for place in places],
                [masks[place] for place in places],
            )
            for place, token in zip(places, drawn, strict=True):
                tokens[place] = token
        return tokens

    def _make_mask(self, sequence: _Sequence, logits: Logits) -> Mask | None:
        """Which tokens may come next; None for all."""
        if not sequence.row.is_restricted:
            return None
        return sequence.row.make_mask(sequence.new_ids, self._stop_ids, logits.full.shape[1])

    def _extend(self, sequence: _Sequence) -> bool:
        """Add a block to the sequence, or take its memory away if older ones have all of it."""
        while not self._pool.free:
            if self._latest is not None and self._latest.logits is not None:
                self._forget_latest()
                continue
            youngest = self._sequences[-1]
            self._return(youngest, _Text(youngest.text.number, youngest.row))
            if youngest.prompt is not None:
                if youngest.prompt is self._latest:
                    self._latest = None
                self._release_prompt(youngest.prompt)
            self.restarts += 1
            if youngest is sequence:
                return False
        sequence.blocks.append(self._pool.take())
        return True

    def _is_long(self, length: int) -> bool:
        return 0 < self._switch < length

    def _return(self, sequence: _Sequence, text: _Text) -> None:
        """Let the text wait for a slot again, as a prompt that ends with its new tokens."""
        self._remove(sequence)
        self._returned.append(text)
        self._returned.sort(key=attrgetter("number"))

    def _remove(self, sequence: _Sequence) -> None:
        self._sequences.remove(sequence)
        self._pool.release(sequence.blocks)
        sequence.blocks = []
