"""Tags, and the deletion of versions and datasets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import InputError, UnknownReferenceError

Make = Callable[..., Path]


def test_tags_are_found_moved_and_taken_away(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    first, second = (datasets.commit_version(demo, make(), lineage={}) for _ in range(2))
    datasets.tag(first, "prod")
    assert datasets.resolve(DatasetRef("demo", "prod")).ref == first.ref
    datasets.tag(second, "prod")
    assert datasets.resolve(DatasetRef("demo", "prod")).tags == ("prod",)
    assert datasets.versions(demo)[0].tags == ("prod",)
    datasets.untag(DatasetRef("demo", "prod"))
    with pytest.raises(UnknownReferenceError):
        datasets.resolve(DatasetRef("demo", "prod"))


@pytest.mark.parametrize("name", ["latest", "a b", "", "VERSION", "DELETED"])
def test_what_can_t_be_a_tag_is_refused(folder: str, demo: DatasetRef, make: Make, name: str) -> None:
    datasets = Datasets.at(folder)
    deleted, version = (datasets.commit_version(demo, make(), lineage={}) for _ in range(2))
    datasets.delete(deleted)
    wanted = {"VERSION": version.id, "DELETED": deleted.id}.get(name, name)
    with pytest.raises(InputError):
        datasets.tag(version, wanted)


def test_latest_goes_back_only_when_it_is_deleted(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    first, second, third = (datasets.commit_version(demo, make(), lineage={}) for _ in range(3))
    datasets.delete(second)
    assert datasets.resolve(demo) == third
    datasets.delete(third)
    assert datasets.resolve(demo) == first
    for version in (second, third):
        with pytest.raises(UnknownReferenceError, match="was deleted"):
            datasets.resolve(version.ref)


def test_a_tagged_version_is_not_deleted(datasets: Datasets, demo: DatasetRef, make: Make) -> None:
    version = datasets.commit_version(demo, make(), lineage={})
    datasets.tag(version, "prod")
    with pytest.raises(InputError, match="has the tag 'prod'; run textgen dataset untag demo:prod first"):
        datasets.delete(version)
    datasets.drop(demo, with_versions=True)
    assert datasets.datasets() == []
    with pytest.raises(UnknownReferenceError):
        datasets.resolve(version.ref)
    again = datasets.commit_version(demo, make(), lineage={})
    assert datasets.versions(demo) == [again]
