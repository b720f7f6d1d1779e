"""Datasets and their versions in one store: everything that other rooms do with them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from job.datasets import changes, garbage, latest_index, layout
from job.datasets.commit import (
    RUN_RECORD,
    StoredFile,
    commit_stored_files,
    commit_version,
    read_generation,
)
from job.datasets.fetch import fetch_version, stream_file
from job.datasets.history import Kind, Producer, State, replay
from job.datasets.log import Log
from job.datasets.manifest import File, Manifest
from job.datasets.reference import LATEST, DatasetRef
from job.datasets.verify import find_damage
from job.datasets.version import Dataset, Version
from job.errors import StoreError, UnknownReferenceError
from job.storage.open import open_store
from job.storage.parallel import Progress, ignore_progress, parallel_map
from job.storage.s3.location import Credentials
from job.storage.store import KeyAbsentError, Store
from job.text import did_you_mean
from job.untrusted_files import UntrustedPath


@dataclass(frozen=True, slots=True)
class Datasets:
    """The datasets of a store; see `at`.

    Every method raises StoreError if the store refuses, can't be reached, or is damaged. A `progress` is
    called with the bytes of each piece that was moved.
    """

    store: Store

    @classmethod
    def at(cls, url: str, credentials: Credentials | None = None) -> "Datasets":
        """The datasets at `file:///path` or `s3://bucket/prefix?endpoint=...`. Raises InputError.

        Without `credentials`, an S3 store looks for them as boto3 does.
        """
        return cls(open_store(url, credentials))

    @property
    def url(self) -> str:
        """The store's URL, without options."""
        return self.store.url

    def supports_conditional_writes(self) -> bool:
        """Whether of many writers of one version exactly one wins (If-None-Match); logs a warning if not."""
        return self.store.supports_conditional_writes()

    def datasets(self) -> list[Dataset]:
        """All datasets, by name."""
        refs = layout.list_refs(self.store)
        hints = latest_index.read_hints(self.store)
        records = parallel_map(lambda ref: Log(self.store, ref).read_newest(*hints.get(ref, ())[-1:]), refs)
        return [
            Dataset(
                ref, record.latest, record.versions, tuple(sorted(record.tags.items())), record.entries[0].at
            )
            for ref, record in zip(refs, records, strict=True)
            if record.exists
        ]

    def versions(self, ref: DatasetRef) -> list[Version]:
        """All versions of a dataset, newest first. Raises UnknownReferenceError."""
        state = self._read_state(ref)
        return [Version.from_entry(ref, entry, state.tags) for entry in reversed(state.live.values())]

    def resolve(self, ref: DatasetRef) -> Version:
        """The version that `ref` names now. Raises UnknownReferenceError, naming the nearest."""
        newest = Log(self.store, ref).read_newest()
        version = newest.latest if ref.version == LATEST else newest.tags.get(ref.version, ref.version)
        for entry in newest.entries:  # nearly always one of the newest
            if newest.exists and entry.version == version:
                if entry.kind is Kind.COMMIT:
                    return Version.from_entry(ref, entry, newest.tags)
                if entry.kind in {Kind.DELETE, Kind.COLLECT}:
                    break
            elif entry.kind is Kind.DROP:
                break
        state = self._read_state(ref)
        if version not in state.live:
            raise _unknown_version(ref, state)
        return Version.from_entry(ref, state.live[version], state.tags)

    def manifest(self, version: Version) -> Manifest:
        """What the version holds and what made it."""
        key = layout.manifest_key(version.ref, version.id)
        try:
            body = self.store.get(key)
        except KeyAbsentError as error:
            raise StoreError(f"{version}: deleted meanwhile, or its manifest {key} was") from error
        if hashlib.sha256(body).hexdigest() != version.manifest:
            raise StoreError(f"{key}: damaged in the store: not the manifest that was committed")
        return Manifest.decode(body, key)

    def files(self, version: Version) -> tuple[File, ...]:
        """The version's regular files."""
        return self.manifest(version).files

    def files_url(self, version: Version) -> str:
        """The URL of the folder that holds the version's files under their own names."""
        return f"{self.url.rstrip('/')}/{layout.data_prefix(version.ref, version.id)}"

    def read_file(self, version: Version, path: str) -> bytes:
        """The bytes of one file of a version, whole and not verified."""
        return self.store.get(layout.data_prefix(version.ref, version.id) + path)

    def stream_file(self, version: Version, file: File) -> Iterator[bytes]:
        """The bytes of one file of a version, in chunks.

        Raises StoreError, after the last one, if they are not the bytes that were committed.
        """
        return stream_file(self.store, version.ref, version.id, file)

    def fetch(
        self,
        version: Version,
        target: Path,
        *,
        progress: Progress = ignore_progress,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        """Write the version's files to the new folder `target`; see job.datasets.fetch."""
        fetch_version(self.store, version.ref, self.manifest(version), target, progress, finish)

    def create(self, ref: DatasetRef, message: str = "") -> None:
        """Create an empty dataset. Raises InputError if it exists."""
        changes.create(self.store, ref, message)

    def commit_version(
        self,
        ref: DatasetRef,
        source: Path,
        *,
        name: str = "",
        lineage: Mapping[str, object],
        producer: Producer | None = None,
        message: str = "",
        modes: Mapping[str, int] | None = None,
        progress: Progress = ignore_progress,
    ) -> Version:
        """Store what is in the folder `source`, which messages call `name`, as a new version of a dataset.

        A dataset that does not exist is created; if `producer` has committed a version before, that version
        is returned. `modes`, by path, take permissions from the files and folders. Raises CommitError if
        there is no file, one changes meanwhile, or is something that a version can't hold; nothing is
        visible then.
        """
        folder = UntrustedPath.at(source, name)
        return commit_version(
            self.store,
            ref,
            [(folder, "")],
            lineage=_with_generation(lineage, folder.joinpath(RUN_RECORD)),
            producer=producer,
            message=message,
            base=None,
            modes=modes or {},
            progress=progress,
        )

    def commit_files(
        self,
        ref: DatasetRef,
        files: Mapping[str, UntrustedPath],
        *,
        lineage: Mapping[str, object],
        producer: Producer,
        progress: Progress = ignore_progress,
    ) -> Version:
        """Store files, by their paths in the version, as a new version of a dataset; see `commit_version`."""
        if record := files.get(RUN_RECORD):
            lineage = _with_generation(lineage, record)
        return commit_version(
            self.store,
            ref,
            [(file, path) for path, file in files.items()],
            lineage=lineage,
            producer=producer,
            message="",
            base=None,
            modes={},
            progress=progress,
        )

    def find_commit(self, ref: DatasetRef, producer: Producer) -> Version | None:
        """The version of a dataset that `producer` has committed, unless it was deleted."""
        state = replay(Log(self.store, ref).read())
        entry = state.find_commit(producer)
        return Version.from_entry(ref, entry, state.tags) if entry else None

    def commit_stored_files(
        self,
        ref: DatasetRef,
        stored: Sequence[StoredFile],
        small: Mapping[str, bytes],
        *,
        lineage: Mapping[str, object],
        producer: Producer,
    ) -> Version:
        """Make a version of files that are in the store, and of `small` ones; see job.datasets.commit."""
        return commit_stored_files(self.store, ref, stored, small, lineage=lineage, producer=producer)

    def put(
        self,
        ref: DatasetRef,
        sources: Sequence[tuple[Path, str]],
        *,
        lineage: Mapping[str, object],
        message: str = "",
        progress: Progress = ignore_progress,
    ) -> Version:
        """Store a new version: the latest one's files, and local files and folders at their new paths.

        A folder at `""` adds its contents. Raises CommitError.
        """
        try:
            base = self.manifest(self.resolve(replace(ref, version=LATEST)))
        except UnknownReferenceError:
            base = None
        return commit_version(
            self.store,
            ref,
            [(UntrustedPath.at(source.resolve(), str(source)), path) for source, path in sources],
            lineage=lineage,
            producer=None,
            message=message,
            base=base,
            modes={},
            progress=progress,
        )

    def tag(self, version: Version, name: str) -> None:
        """Give a version a tag, or move the tag to it.

        Raises InputError for a name that can't be a tag, UnknownReferenceError if the version was deleted.
        """
        changes.tag(self.store, version.ref, version.id, name)

    def untag(self, ref: DatasetRef) -> None:
        """Remove the tag `ref.version`. Raises UnknownReferenceError if there is no such tag."""
        changes.untag(self.store, ref)

    def delete(self, version: Version) -> None:
        """Delete a version; garbage collection frees its space later.

        Raises InputError if it has a tag, UnknownReferenceError if it was deleted already.
        """
        changes.delete(self.store, version.ref, version.id)

    def drop(self, ref: DatasetRef, *, with_versions: bool) -> None:
        """Delete a dataset, with all its versions if `with_versions`.

        Raises InputError if it has versions otherwise, UnknownReferenceError if there is no such dataset.
        """
        changes.drop(self.store, ref, with_versions=with_versions)

    def collect_garbage(self, age: timedelta = garbage.DEFAULT_AGE) -> Iterator[garbage.Freed]:
        """Remove interrupted uploads, uncommitted and deleted versions older than `age`, and old runs."""
        return garbage.collect_garbage(self.store, age)

    def verify(self, version: Version, progress: Progress = ignore_progress) -> Iterator[str]:
        """Compare every byte of a version with its manifest; yields one line for each difference."""
        try:
            manifest = self.manifest(version)
        except StoreError as error:
            yield str(error)
            return
        yield from find_damage(self.store, version.ref, manifest, progress)

    def _read_state(self, ref: DatasetRef) -> State:
        state = replay(Log(self.store, ref).read())
        if not state.exists:
            hint = _hint(ref.dataset, map(str, self.datasets()))
            raise UnknownReferenceError(f"no dataset {ref.dataset!r} in {self.url}{hint}")
        return state


def _with_generation(lineage: Mapping[str, object], record: UntrustedPath) -> Mapping[str, object]:
    generation = read_generation(record)
    return {**lineage, "generation": generation} if generation else lineage


def _unknown_version(ref: DatasetRef, state: State) -> UnknownReferenceError:
    if not state.live:
        return UnknownReferenceError(f"{ref}: the dataset has no version yet")
    if ref.version in state.tombstones:
        return UnknownReferenceError(f"{ref}: this version was deleted")
    hint = _hint(ref.version, [LATEST, *state.tags, *state.live])
    return UnknownReferenceError(f"{ref}: no such version or tag{hint}")


def _hint(name: str, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names)
    return f"; {hint}" if hint else ""
