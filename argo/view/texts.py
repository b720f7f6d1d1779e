"""What a page shows of a version's texts: how many, how long, and a page of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from starlette.datastructures import QueryParams

from argo.texts.comparison import read_figures
from argo.texts.files import find_texts, stream_texts
from argo.texts.index import Figures, Filter, Order, open_index
from argo.texts.rows import BrokenRow, Row
from argo.view.page import read_integer
from argo.view.paging import count_pages, find_page
from argo.view.sources import Sources
from job.datasets import Manifest, Version

ROWS = 50  # on a page
_FILTER = ("q", "id", "prompt", "reason", "least", "most", "sort")  # in a URL
_BARS = 20

Bars = Sequence[tuple[int, int, int]]  # the least, the most, how many


@dataclass(frozen=True, slots=True)
class Texts:
    """A page of texts. `part` of the files has been read; `figures` and `total` are there when all is."""

    rows: Sequence[Row]
    broken: Sequence[BrokenRow]
    which: Filter
    query: Mapping[str, str]
    order: Order
    page: int
    part: float
    total: int | None = None
    figures: Figures | None = None
    lengths: Bars = ()
    repetition: float | None = None
    repetitions: Bars = ()

    @property
    def pages(self) -> int:
        return count_pages(self.total or 0, ROWS)


def read_filter(query: QueryParams) -> Filter:
    """Which rows a URL asks for."""
    return Filter(
        search=query.get("q", "").strip(),
        id=query.get("id", "").strip(),
        prompt=query.get("prompt", "").strip(),
        finish_reason=reason if (reason := query.get("reason")) and reason != "error" else None,
        least=read_integer(query.get("least")),
        most=read_integer(query.get("most")),
        errors=query.get("reason") == "error",
    )


def keep_filter(query: QueryParams, *others: str) -> dict[str, str]:
    """What a URL says of which rows, for links to other pages of them; and what it says of `others`."""
    return {name: query[name] for name in (*_FILTER, *others) if name in query}


def read_texts(sources: Sources, version: Version, manifest: Manifest, query: QueryParams) -> Texts:
    """The page of texts that a URL asks for; the first texts, as long as the index for it is not made."""
    which = read_filter(query)
    words = keep_filter(query)
    order = Order(query["sort"]) if query.get("sort") in set(Order) else Order.FILE
    search = bool(which.search)
    making = sources.indexes.make(version, search=search)
    if not making.is_ready(search=search):
        rows = list(islice(stream_texts(sources.datasets, version, manifest), ROWS))
        size = sum(file.size for file in find_texts(manifest))
        return Texts(
            [row for row in rows if isinstance(row, Row)],
            [row for row in rows if isinstance(row, BrokenRow)],
            which,
            words,
            order,
            1,
            making.read / max(size, 1),
        )
    with open_index(sources.datasets, version, search=making.has_words.is_set()) as index:
        total = index.count(which)
        page = find_page(read_integer(query.get("page")), total, ROWS)
        mean, repetitions = making.count_once("repetition", index.repetition)
        return Texts(
            index.rows(which, (page - 1) * ROWS, ROWS, order),
            index.broken() if page == 1 else (),
            which,
            words,
            order,
            page,
            1.0,
            total,
            making.count_once("figures", index.figures),
            making.count_once("lengths", lambda: index.histogram(_BARS)),
            mean,
            repetitions,
        )


def read_speed(sources: Sources, version: Version, manifest: Manifest) -> str:
    """New tokens a second, as the generation says it; empty if it does not."""
    return read_figures(sources.datasets, version, manifest).get("tokens_per_second", "")
