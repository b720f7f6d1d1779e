"""A version, alone or beside another, as one HTML file that asks for nothing else."""

import hashlib
from base64 import b64encode
from dataclasses import replace

from markupsafe import Markup

from argo.texts.comparison import read_figures
from argo.texts.index import Index, open_index
from argo.view.comparison import compare_figures, compare_files, compare_settings, read_pairs, read_side
from argo.view.lineage import list_facts, list_settings
from argo.view.rendering import STATIC, get_environment, render
from argo.view.runs import Runs
from argo.view.sources import Sources
from job.datasets import Datasets, Version

ROWS = 2000
LARGEST = 5_000_000  # bytes
_PAIRS = 100
_LARGEST_ROWS = 3 << 20  # bytes of their HTML
_LONGEST = 4000  # characters of a text


def build_report(datasets: Datasets, version: Version, other: Version | None = None) -> str:
    """The HTML. Of many texts, at most ROWS are in it, evenly taken. Raises StoreError, TextgenError."""
    sources = Sources(datasets, Runs(None))
    side = read_side(sources, version)
    # the server's own files
    style, script = (Markup((STATIC / name).read_text("utf-8")) for name in ("style.css", "report.js"))  # noqa: S704
    values: dict[str, object] = {
        "title": str(version),
        "standalone": True,
        "style": style,
        "script": script,
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "version": version,
        "message": side.manifest.message,
        "settings": list_settings(side.manifest),
        "facts": [replace(fact, url="") for fact in list_facts(side.manifest)],
        "files": side.manifest.files[:ROWS],
        "versions": [],
        "f": None,
    }
    if side.has_texts:
        with open_index(datasets, version) as index:
            values |= _read_texts(index)
        values["speed"] = read_figures(datasets, version, side.manifest).get("tokens_per_second", "")
    if not other:
        return render("report.html", values)
    most = _PAIRS
    while True:
        html = render("report.html", values | _compare(sources, other, version, most))
        if len(html.encode("utf-8", "replace")) <= LARGEST or not most:
            return html
        most //= 2


def _read_texts(index: Index) -> dict[str, object]:
    rows, shown = _render_rows(index)
    return {
        "f": index.figures(),
        "lengths": index.histogram(20),
        "repetitions": index.repetition()[1],
        "rows": rows,
        "shown": shown,
        "broken": index.broken(),
    }


def _render_rows(index: Index) -> tuple[Markup, int]:
    """The texts, and how many: half as many again and again, until they are small enough."""
    template = get_environment().get_template("report_row.html")
    most = ROWS
    while True:
        rows, parts, size = index.sample(most), [], 0
        for row in rows:
            parts.append(template.render(row=row, longest=_LONGEST))
            size += len(parts[-1].encode("utf-8", "replace"))
            if size > _LARGEST_ROWS and most > 1:
                break
        else:
            return Markup("".join(parts)), len(rows)  # noqa: S704  # what a template has made
        most //= 2


def _compare(sources: Sources, before: Version, after: Version, most: int) -> dict[str, object]:
    sides = [read_side(sources, version) for version in (before, after)]
    has_texts = all(side.has_texts for side in sides)
    return {
        "versions": [before, after],
        "differing": compare_settings(sides),
        "is_recorded": any(side.manifest.lineage for side in sides),
        "figures": compare_figures(sources, sides) if has_texts else [],
        "differing_files": compare_files(sides),
        "pairs": read_pairs(sources, sides, "changed", "difference", 1, most) if has_texts else None,
        "is_ready": True,
        "query": {},
        "show": "changed",
        "sort": "difference",
    }


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
