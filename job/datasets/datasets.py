"""Datasets and their versions in one store: what everything outside this package uses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from job.datasets import latest_index, layout
from job.datasets.commit import Draft, commit
from job.datasets.fetch import fetch
from job.datasets.generated import generation
from job.datasets.history import Kind, State, fold
from job.datasets.log import Log
from job.datasets.manifest import File, Manifest
from job.datasets.origin import Producer
from job.datasets.progress import Progress, silent
from job.datasets.reference import LATEST, DatasetRef
from job.datasets.version import Dataset, Version
from job.errors import StoreError, UnknownReferenceError
from job.storage.open import open_store
from job.storage.parallel import each
from job.storage.store import KeyAbsentError, Store


@dataclass(frozen=True, slots=True)
class Datasets:
    """Every method raises StoreError where the store refuses, can't be reached, or is damaged."""

    store: Store

    @classmethod
    def at(cls, url: str) -> "Datasets":
        """The datasets at `file:///path` or `s3://bucket/prefix?endpoint=...`. Raises InputError."""
        return cls(open_store(url))

    def commit_version(
        self,
        ref: DatasetRef,
        source: Path,
        *,
        lineage: Mapping[str, object],
        origin: Producer | None = None,
        message: str = "",
        progress: Progress = silent,
    ) -> Version:
        """Store what is in the folder `source` as a new version of `ref`'s dataset.

        The dataset is made if it is not there; what `origin` has committed before is returned again.
        `progress` is told the bytes of each piece that was sent. Raises CommitError where there is no
        file, one changes meanwhile, or is what a version can't hold; nothing is visible then.
        """
        made = generation(source)
        told = {**lineage, "generation": made} if made else lineage
        draft = Draft([(source, "")], told, origin, message, progress=progress)
        return commit(self.store, ref, draft)

    def put(
        self,
        ref: DatasetRef,
        sources: Sequence[tuple[Path, str]],
        *,
        lineage: Mapping[str, object],
        message: str = "",
        progress: Progress = silent,
    ) -> Version:
        """Store a new version: what the latest holds, and local files and folders at their new paths.

        A folder at `""` gives its contents. Raises CommitError.
        """
        try:
            onto = self.manifest(self.resolve(replace(ref, version=LATEST)))
        except UnknownReferenceError:
            onto = None
        return commit(self.store, ref, Draft(sources, lineage, None, message, onto, progress))

    def resolve(self, ref: DatasetRef) -> Version:
        """The version that `ref` names now. Raises UnknownReferenceError, naming the nearest."""
        head = Log(self.store, ref).head()
        version = head.latest if ref.version == LATEST else head.tags.get(ref.version, ref.version)
        for entry in head.entries:  # nearly always one of the newest
            if head.exists and entry.version == version:
                if entry.kind is Kind.COMMIT:
                    return Version.of(ref, entry, dict(head.tags))
                if entry.kind in {Kind.DELETE, Kind.COLLECT}:
                    break
            elif entry.kind is Kind.DROP:
                break
        state = self._state(ref)
        if version not in state.live:
            raise _unknown(ref, state)
        return Version.of(ref, state.live[version], state.tags)

    def fetch(self, version: Version, target: Path, *, progress: Progress = silent) -> None:
        """Write the version's files to the new folder `target`; see job.datasets.fetch."""
        fetch(self.store, version.ref, self.manifest(version), target, progress)

    def manifest(self, version: Version) -> Manifest:
        """What the version holds and what made it."""
        key = layout.manifest(version.ref, version.id)
        try:
            body = self.store.get(key)
        except KeyAbsentError as error:
            raise StoreError(f"{version}: deleted meanwhile, or its manifest {key} was") from error
        if hashlib.sha256(body).hexdigest() != version.manifest:
            raise StoreError(f"{key}: damaged in the store: not the manifest that was committed")
        return Manifest.decoded(body, key)

    def files(self, version: Version) -> tuple[File, ...]:
        """The version's regular files."""
        return self.manifest(version).files

    def versions(self, ref: DatasetRef) -> list[Version]:
        """All versions of a dataset, newest first. Raises UnknownReferenceError."""
        state = self._state(ref)
        if not state.exists:
            raise self._no_dataset(ref)
        return [Version.of(ref, entry, state.tags) for entry in reversed(state.live.values())]

    def datasets(self) -> list[Dataset]:
        """All datasets, by name."""
        refs = [
            DatasetRef(name, LATEST, namespace)
            for namespace in layout.namespaces(self.store.folders(""))
            for name in self.store.folders(f"{namespace}/")
        ]
        announced = latest_index.announced(self.store)
        newest = each(lambda ref: Log(self.store, ref).head(*announced.get(ref, ())[-1:]), refs)
        return [
            Dataset(ref, head.latest, head.versions, tuple(sorted(head.tags.items())), head.entries[0].at)
            for ref, head in zip(refs, newest, strict=True)
            if head.exists
        ]

    def _state(self, ref: DatasetRef) -> State:
        state = fold(Log(self.store, ref).read())
        if not state.exists:
            raise self._no_dataset(ref)
        return state

    def _no_dataset(self, ref: DatasetRef) -> UnknownReferenceError:
        known = [str(dataset) for dataset in self.datasets()]
        wanted = str(ref).rpartition(":")[0]
        return UnknownReferenceError(f"no dataset {wanted!r} in {self.store.url}{_nearest(wanted, known)}")


def _unknown(ref: DatasetRef, state: State) -> UnknownReferenceError:
    if not state.live:
        return UnknownReferenceError(f"{ref}: the dataset has no version yet")
    if ref.version in state.gone:
        return UnknownReferenceError(f"{ref}: this version was deleted")
    near = _nearest(ref.version, [LATEST, *state.tags, *state.live])
    return UnknownReferenceError(f"{ref}: no such version or tag{near}")


def _nearest(wanted: str, known: list[str]) -> str:
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
