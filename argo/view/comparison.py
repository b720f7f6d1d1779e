"""What a page shows of two to four versions side by side."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from argo.texts.comparison import Comparison, Counts, Kind, Order, Pair, open_comparison, read_figures
from argo.texts.files import find_texts
from argo.texts.index import Index, open_index
from argo.texts.rows import Row
from argo.texts.words import Change, Part, diff_words
from argo.view.lineage import list_facts, list_settings
from argo.view.paging import count_pages, find_page
from argo.view.rendering import format_count, format_percent
from argo.view.sources import Sources
from job.datasets import Manifest, Version
from job.datasets.diff import diff_files

MOST_VERSIONS = 4
PAIRS = 20  # on a page
_LONGEST = 4000  # characters of a text that are compared on a page of many
_KINDS = {"changed": Kind.CHANGED, "only": Kind.ONLY, "all": None}


@dataclass(frozen=True, slots=True)
class Side:
    """A version, and whether texts can be read in it."""

    version: Version
    manifest: Manifest
    has_texts: bool


@dataclass(frozen=True, slots=True)
class Values:
    """A name, and the value that each version has; empty if it has none."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """A version's text in a pair: what it has in common with the first version's, and what not."""

    row: Row | None
    parts: Sequence[Part]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Pairs:
    """A page of rows of all versions, joined; the first two decide which."""

    counts: Counts
    pairs: Sequence[tuple[Pair, Sequence[Cell]]]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return count_pages(self.total, PAIRS)


def read_side(sources: Sources, version: Version) -> Side:
    """A version to compare. Raises StoreError."""
    manifest = sources.datasets.manifest(version)
    return Side(version, manifest, bool(find_texts(manifest)))


def compare_settings(sides: Sequence[Side]) -> list[Values]:
    """The settings and the lineage that differ, settings first."""
    tables = [
        {fact.name: fact.value for fact in (*list_settings(side.manifest), *list_facts(side.manifest))}
        for side in sides
    ]
    return [row for row in _join(tables) if len(set(row.values)) > 1 and row.name not in ("run", "made")]


def compare_figures(sources: Sources, sides: Sequence[Side]) -> list[Values]:
    """Figures of all texts, side by side."""
    tables = [_list_figures(sources, side) if side.has_texts else {} for side in sides]
    return _join(tables)


def _join(tables: Sequence[Mapping[str, str]]) -> list[Values]:
    """What each version's table says of every name."""
    names = dict.fromkeys(name for table in tables for name in table)
    return [Values(name, [table.get(name, "") for table in tables]) for name in names]


def compare_files(sides: Sequence[Side]) -> list[Values]:
    """The files that differ between the first two versions."""
    changes = diff_files(sides[0].manifest, sides[1].manifest)
    return [Values(change.name, [change.before or "", change.after or ""]) for change in changes]


def read_pairs(
    sources: Sources, sides: Sequence[Side], show: str, sort: str, page: int, most: int = PAIRS
) -> Pairs:
    """A page of pairs: `show` is changed, only or all, `sort` is difference or file."""
    kind, order = _KINDS.get(show, Kind.CHANGED), Order.FILE if sort == "file" else Order.DIFFERENCE
    with ExitStack() as stack:
        indexes = [stack.enter_context(open_index(sources.datasets, side.version)) for side in sides]
        first, *others = indexes
        comparisons = [stack.enter_context(open_comparison(first, other)) for other in others]
        counts = comparisons[0].count()
        total = _count(counts, kind)
        page = find_page(page, total, PAIRS)
        pairs = comparisons[0].pairs(kind, order, (page - 1) * PAIRS, most)
        return Pairs(counts, [(pair, _make_cells(pair, comparisons[1:])) for pair in pairs], total, page)


def _count(counts: Counts, kind: Kind | None) -> int:
    only = counts.only_before + counts.only_after
    if kind is None:
        return counts.same + counts.changed + only
    return {Kind.CHANGED: counts.changed, Kind.ONLY: only, Kind.SAME: counts.same}[kind]


def _make_cells(pair: Pair, others: Sequence[Comparison]) -> list[Cell]:
    rows = [pair.before, pair.after]
    rows += [other.find_partner(pair.before.line) if pair.before else None for other in others]
    base = rows[0].completion[:_LONGEST] if rows[0] else None
    cells = []
    for number, row in enumerate(rows):
        text = row.completion[:_LONGEST] if row else ""
        other = (rows[1].completion[:_LONGEST] if rows[1] else None) if number == 0 else base
        hidden = Change.ADDED if number == 0 else Change.REMOVED
        before, after = (text, other) if number == 0 else (other, text)
        if before is None or after is None:
            parts = [Part(Change.SAME, text)]
        else:
            parts = [part for part in diff_words(before, after) if part.change is not hidden]
        cells.append(Cell(row, parts, bool(row and len(row.completion) > _LONGEST)))
    return cells


def _list_figures(sources: Sources, side: Side) -> Mapping[str, str]:
    making = sources.indexes.make(side.version)
    making.has_rows.wait()
    if making.error:
        raise making.error
    with open_index(sources.datasets, side.version) as index:
        return _describe(index, read_figures(sources.datasets, side.version, side.manifest))


def _describe(index: Index, record: Mapping[str, str]) -> dict[str, str]:
    figures, (repetition, _) = index.figures(), index.repetition()
    texts = max(figures.texts, 1)
    reasons = {
        f"ended: {reason}": format_percent(count / texts)
        for reason, count in sorted(figures.finish_reasons.items())
        if reason
    }
    return {
        "texts": format_count(figures.texts),
        **reasons,
        **({"errors": format_count(figures.errors)} if figures.errors else {}),
        "new tokens": format_count(figures.new_tokens),
        "new tokens of a text": f"{figures.new_tokens / texts:.1f}",
        **({"repetition": format_percent(repetition)} if repetition is not None else {}),
        **({"tokens a second": record["tokens_per_second"]} if "tokens_per_second" in record else {}),
    }
