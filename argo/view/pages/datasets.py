"""The list of datasets, and the versions of one."""

from starlette.requests import Request

from argo.view.page import Page
from argo.view.sources import Sources


def list_page(sources: Sources, _: Request) -> Page:
    """All datasets."""
    return Page("datasets.html", "Datasets", {"datasets": sources.datasets.datasets()})
