"""What differs between two texts, word by word, and how much."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from rapidfuzz.distance import Indel, Postfix, Prefix

# Chinese and Japanese have no spaces between words: each character is one.
_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = rf"[^\W{_UNSPACED}]+|\S"  # or a sign
_WORDS = re.compile(_WORD)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_SPACED_WORDS = re.compile(rf"\s*(?:{_WORD})|\s+")  # with the white space before each
_MOST_WORDS = 10_000  # a comparison of that many with that many: 50 ms, 12 MiB


class Change(StrEnum):
    """What a part of two texts is."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


class Part(NamedTuple):
    """A part of two texts: same and removed ones make the first, same and added ones the second."""

    change: Change
    text: str


class _Run(NamedTuple):
    """What is the same, and the change that follows it."""

    same: str
    removed: str
    added: str


def diff_words(before: str, after: str) -> list[Part]:
    """The parts of two texts; what is removed comes before what is added in its place.

    Of more than 10,000 words between the first and the last difference, all are one change.
    """
    first, second = _split_words(before), _split_words(after)
    start = Prefix.similarity(first, second)
    end = Postfix.similarity(first[start:], second[start:])
    runs = [
        _Run("".join(first[:start]), "", ""),
        *_merge(_compare(first[start : len(first) - end], second[start : len(second) - end])),
        _Run("".join(first[len(first) - end :]), "", ""),
    ]
    parts = (part for run in runs for part in zip(Change, run, strict=True))
    return [Part(change, text) for change, text in parts if text]


def difference(before: str, after: str) -> float:
    """How much two texts differ: 0 if they are the same, 1 if they have no word in common.

    That is the part of all words that is added or removed; of long texts, of the first 10,000 words. White
    space alone separates words here, but of scripts without it, so that a million pairs take seconds.
    """
    if before == after:
        return 0.0
    is_unspaced = _HAS_UNSPACED.search(before) or _HAS_UNSPACED.search(after)
    split = _WORDS.findall if is_unspaced else str.split
    first, second = (split(text)[:_MOST_WORDS] for text in (before, after))
    distance: float = Indel.normalized_distance(first, second)
    return max(distance, 1 / _MOST_WORDS)


def repetition(text: str) -> float | None:
    """How much a text repeats itself: the part of its n-grams of three words that were there before.

    None if it has fewer than three of them. Of a long text, of the first 10,000 words.
    """
    words = _WORDS.findall(text)[:_MOST_WORDS]
    ngrams = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(ngrams)) / len(ngrams) if len(ngrams) >= 3 else None


def _split_words(text: str) -> list[str]:
    return _SPACED_WORDS.findall(text)


def _compare(first: Sequence[str], second: Sequence[str]) -> Iterator[_Run]:
    if max(len(first), len(second)) > _MOST_WORDS:
        yield _Run("", "".join(first), "".join(second))
        return
    run = _Run("", "", "")
    for step in Indel.opcodes(first, second):
        removed = "".join(first[step.src_start : step.src_end])
        added = "".join(second[step.dest_start : step.dest_end])
        if step.tag != "equal":
            run = _Run(run.same, run.removed + removed, run.added + added)
        elif removed:
            yield run
            run = _Run(removed, "", "")
    yield run


def _merge(runs: Iterable[_Run]) -> list[_Run]:
    """Runs without equal words that are shorter than the changes around them, which people can't read.

    The rule is that of diff-match-patch's cleanupSemantic.
    """
    merged: list[_Run] = []
    for run in runs:
        while merged and len(run.same) <= min(_length(run), _length(merged[-1])):
            last = merged.pop()
            run = _Run(last.same, last.removed + run.same + run.removed, last.added + run.same + run.added)  # noqa: PLW2901
        merged.append(run)
    return merged


def _length(run: _Run) -> int:
    return max(len(run.removed), len(run.added))
