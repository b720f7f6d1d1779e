"""Versions side by side."""

from starlette.requests import Request

from argo.view.comparison import (
    MOST_VERSIONS,
    compare_figures,
    compare_files,
    compare_settings,
    read_pairs,
    read_side,
)
from argo.view.page import Page, read_integer
from argo.view.sources import Sources
from job.datasets import DatasetRef
from job.errors import InputError


def compare_page(sources: Sources, request: Request) -> Page:
    """Two to four versions: settings, figures and texts that differ."""
    query = request.query_params
    refs = [DatasetRef.parse(text) for text in query.getlist("v")]
    if not 2 <= len(refs) <= MOST_VERSIONS:
        raise InputError(f"choose two to {MOST_VERSIONS} versions of a dataset's page to compare")
    versions = [sources.datasets.resolve(ref) for ref in refs]
    versions.sort(key=lambda version: version.created)  # the older first, whatever was chosen first
    sides = [read_side(sources, version) for version in versions]
    values: dict[str, object] = {
        "versions": versions,
        "differing": compare_settings(sides),
        "is_recorded": any(side.manifest.lineage for side in sides),
        "differing_files": compare_files(sides),
        "show": query.get("show", "changed"),
        "sort": query.get("sort", "difference"),
        "query": {
            "v": [str(version) for version in versions],
            "show": query.get("show"),
            "sort": query.get("sort"),
        },
        "figures": [],
        "pairs": None,
        "is_ready": True,
        "standalone": False,
    }
    refresh = None
    title = " and ".join(map(str, versions))
    if all(side.has_texts for side in sides):
        if sources.indexes.compare(versions).is_set():
            values["figures"] = compare_figures(sources, sides)
            page = read_integer(query.get("page")) or 1
            values["pairs"] = read_pairs(sources, sides, str(values["show"]), str(values["sort"]), page)
        else:
            values["is_ready"], refresh = False, 0.5
    return Page("compare.html", title, values, refresh)
