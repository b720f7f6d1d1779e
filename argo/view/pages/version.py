"""A dataset with its versions, a version, and one of its texts."""

from itertools import islice

from starlette.requests import Request

from argo.texts.files import find_texts, get_texts, stream_texts
from argo.texts.index import open_index
from argo.texts.rows import Row
from argo.view.lineage import list_changes, list_facts, list_settings
from argo.view.page import Page, read_integer
from argo.view.paging import count_pages, find_page
from argo.view.sources import Sources
from argo.view.texts import keep_filter, read_filter, read_speed, read_texts
from job.datasets import DatasetRef, Manifest, Version
from job.errors import TextgenError, UnknownReferenceError
from job.storage.parallel import parallel_map

_VERSIONS = 20  # on a page
_FILES = 500
_LONGEST = 200_000  # characters of a text that a browser shows without delay


def dataset_or_version_page(sources: Sources, request: Request) -> Page:
    """The page of `[NAMESPACE/]NAME[:VERSION]`."""
    text = request.path_params["ref"]
    ref = DatasetRef.parse(text)
    return _version_page(sources, request, ref) if ":" in text else _dataset_page(sources, request, ref)


def _version_page(sources: Sources, request: Request, ref: DatasetRef) -> Page:
    version = sources.datasets.resolve(ref)
    manifest = sources.datasets.manifest(version)
    has_texts = bool(find_texts(manifest))
    texts = read_texts(sources, version, manifest, request.query_params) if has_texts else None
    file_page = find_page(read_integer(request.query_params.get("files")), len(manifest.files), _FILES)
    values = {
        "version": version,
        "dataset": ref.dataset,
        "facts": list_facts(manifest),
        "settings": list_settings(manifest),
        "message": manifest.message,
        "parent": manifest.parent,
        "files": manifest.files[(file_page - 1) * _FILES : file_page * _FILES],
        "file_page": file_page,
        "file_pages": count_pages(len(manifest.files), _FILES),
        "links": manifest.links,
        "texts": texts,
        "speed": read_speed(sources, version, manifest) if has_texts else "",
    }
    is_ready = texts is None or texts.total is not None
    return Page("version.html", str(version), values, None if is_ready else 0.5)


def _dataset_page(sources: Sources, request: Request, ref: DatasetRef) -> Page:
    versions = sources.datasets.versions(ref)
    page = find_page(read_integer(request.query_params.get("page")), len(versions), _VERSIONS)
    start = (page - 1) * _VERSIONS
    shown = versions[start : start + _VERSIONS + 1]  # and the one before them
    manifests = list(parallel_map(lambda version: _read_manifest(sources, version), shown))
    entries = [
        {
            "version": version,
            "facts": {fact.name: fact for fact in list_facts(manifest)} if manifest else {},
            "changes": list_changes(before, manifest) if manifest and before else None,
            "has_texts": bool(manifest and find_texts(manifest)),
        }
        for version, manifest, before in zip(shown, manifests, [*manifests[1:], None], strict=True)
    ]
    values = {
        "dataset": ref.dataset,
        "entries": entries[:_VERSIONS],
        "total": len(versions),
        "latest": versions[0].id if versions else "",
        "page": page,
        "pages": count_pages(len(versions), _VERSIONS),
    }
    return Page("dataset.html", ref.dataset, values)


def _read_manifest(sources: Sources, version: Version) -> Manifest | None:
    """The version's manifest; None if it can't be read any more."""
    try:
        return sources.datasets.manifest(version)
    except TextgenError:
        return None


def row_page(sources: Sources, request: Request) -> Page:
    """One text, whole."""
    version = sources.datasets.resolve(DatasetRef.parse(request.path_params["ref"]))
    manifest = sources.datasets.manifest(version)
    files = get_texts(version, manifest)
    line = read_integer(request.query_params.get("line")) or 0
    which = read_filter(request.query_params)
    search = bool(which.search)
    making = sources.indexes.make(version, search=search)
    if making.is_ready(search=search):
        with open_index(sources.datasets, version, search=making.has_words.is_set()) as index:
            row, (before, after) = index.read(line), index.neighbours(which, line)
    else:
        rows = stream_texts(sources.datasets, version, manifest)
        found = next((row for row in islice(rows, line) if row.line == line), None)
        row, before, after = found if isinstance(found, Row) else None, line - 1 or None, line + 1
    if row is None:
        raise UnknownReferenceError(f"{version}: no text in line {line}")
    values = {
        "version": version,
        "files": len(files),
        "row": row,
        "before": before,
        "after": after,
        "query": keep_filter(request.query_params, "page"),
        "which": which,
        "longest": _LONGEST,
    }
    return Page("row.html", f"{row.id} · {row.sequence}", values)
