"""What a shard's pod finds when it starts: its rows, and the texts that earlier pods of it have stored."""

import hashlib
import operator
import os.path
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import click

from job.datasets.layout import data_prefix
from job.datasets.manifest import Manifest
from job.datasets.reference import DatasetRef
from job.errors import InputError, StoreError
from job.generate.outputs import RECORD, ROWS
from job.pod.shards.keys import Shards
from job.pod.shards.parts import Position, fetch_parts
from job.pod.shards.plan import PIECE, SHARD
from job.pod.spec import INPUTS
from job.storage.json import parse
from job.storage.parallel import map_files
from job.storage.store import KeyAbsentError, Store
from job.text import quoted
from job.untrusted_json import parse_record

_MOST_LINKS = 40  # one after the other, as Linux follows


@dataclass(frozen=True, slots=True)
class Prompts:
    """The files that the plan may name: those of a version.

    folder: where the plan's pod had them; prefix: of their keys; sizes and links: by their paths there.
    """

    folder: str = ""
    prefix: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_version(cls, input_name: str, ref: DatasetRef, manifest: Manifest) -> "Prompts":
        return cls(
            f"{INPUTS / input_name}/",
            data_prefix(ref, manifest.version),
            {file.path: file.size for file in manifest.files},
            {link.path: link.target for link in manifest.links},
        )

    def find(self, path: str) -> tuple[str, int]:
        """The key and the size of a file, by its path in the plan's pod. Raises InputError if it is none."""
        if self.folder and path.startswith(self.folder):
            name = _follow_links(path.removeprefix(self.folder), self.links)
            if name in self.sizes:
                return self.prefix + name, self.sizes[name]
        raise InputError(f"{quoted(path)}: no file of the prompts' dataset; give plan --copy-rows")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a shard: the bytes from `start` to before `end` under a key, for the file `name`."""

    name: str
    key: str
    start: int
    end: int
    sha256: str

    @property
    def size(self) -> int:
        return self.end - self.start


def fetch_rows(shards: Shards, index: int, prompts: Prompts, folder: Path) -> int:
    """Write what `python -m job shard` reads to `folder`: shard.json and its pieces; how many texts it has.

    Nothing that the plan says is trusted, as another job's pod may have made it: it names files of `prompts`
    alone. Raises InputError if it does not, or if there is no such shard, StoreError if bytes are damaged.
    """
    plan = shards.require_plan()
    if index >= len(plan.texts_of_shards):
        raise InputError(f"{shards.job}: no shard {index}: the plan has {len(plan.texts_of_shards)}")
    prefix = f"{shards.prefix}{plan.prefix}{index:05d}/"
    body = shards.store.get(f"{prefix}{SHARD}")
    copied = {item.key.removeprefix(prefix): item.size for item in shards.store.list_objects(prefix)}
    pieces = _find_pieces(body, prefix, copied, prompts)
    folder.mkdir(parents=True, exist_ok=True)
    map_files(lambda piece: _fetch(shards.store, piece, folder / piece.name), pieces)
    (folder / SHARD).write_bytes(body)
    return plan.texts_of_shards[index]


def _find_pieces(body: bytes, prefix: str, copied: Mapping[str, int], prompts: Prompts) -> list[_Piece]:
    """Where the bytes of each piece are. Raises InputError."""
    key = f"{prefix}{SHARD}"
    pieces = []
    try:
        for number, piece in enumerate(parse_record(body)["pieces"]):
            name, start, end = (
                f"{PIECE}{number}",
                operator.index(piece["start"]),
                operator.index(piece["end"]),
            )
            if name in copied:
                source, size, start, end = prefix + name, copied[name], 0, end - start
            else:
                source, size = prompts.find(str(piece["path"]))
            if not 0 <= start <= end <= size:
                raise InputError(f"{key}: {name}: not in its file: bytes {start} to {end} of {size}")
            pieces.append(_Piece(name, source, start, end, str(piece["sha256"])))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{key}: not written by textgen") from None
    return pieces


def _follow_links(path: str, links: Mapping[str, str]) -> str:
    """The path of what a version has at a path, which may lead through its links."""
    for _ in range(_MOST_LINKS):
        parts = PurePosixPath(path)
        link = next((above for above in map(str, (parts, *parts.parents)) if above in links), None)
        if link is None:
            break
        rest = parts.relative_to(link)
        path = os.path.normpath(PurePosixPath(link).parent / links[link] / rest)
    return path


def _fetch(store: Store, piece: _Piece, path: Path) -> None:
    """Write a piece's bytes. Raises StoreError if they are not those that were planned."""
    digest = hashlib.sha256()
    try:
        with path.open("wb") as file:
            for chunk in store.read(piece.key, piece.start, piece.end):
                digest.update(chunk)
                file.write(chunk)
    except KeyAbsentError as error:
        raise StoreError(f"{error}; was its version deleted while it was read?") from error
    if digest.hexdigest() != piece.sha256:
        raise StoreError(f"{piece.key}: damaged in the store: not the bytes that were planned")


def fetch_texts(shards: Shards, index: int, folder: Path) -> Position:
    """Write what earlier pods of the shard have stored of its texts: run.json and outputs.jsonl."""
    prefix = shards.shard_prefix(index)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        record = shards.store.get(f"{prefix}{RECORD}")
        parse(record, RECORD)
    except KeyAbsentError:
        return Position()
    except StoreError as error:
        click.echo(f"textgen: warning: {error}; all texts of the shard are made again", err=True)
        return Position()
    position = fetch_parts(shards.store, f"{prefix}parts/", folder / ROWS)
    (folder / RECORD).write_bytes(record)
    return position
