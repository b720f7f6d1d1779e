"""A shard: a contiguous part of a run's texts, as `python -m job plan` leaves it in a folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

from job.errors import InputError, PromptError, SettingsError
from job.generate.prompts.files import RowFile
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.source import RowSource, build_format
from job.generate.prompts.template import Template
from job.generate.settings import Settings, parse_value

FILE = "shard.json"
FORMAT = 1

_CHUNK = 1 << 20  # bytes that are hashed at once


@dataclass(frozen=True, slots=True)
class Piece:
    """Contiguous rows of one file: the bytes from `start` to `end` of `path`, or a file of their own.

    name: the file's, for ids; place: the file, for messages; line: the number of the first row in it.
    sha256: of the bytes.
    """

    name: str
    place: str
    path: str
    line: int
    start: int
    end: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard is made of.

    texts: how many it has; prompts: how many rows they come from. digest: of all shards' prompts. present:
    what chat templates take for the present. template: the text that the setting names. first_sequence: the
    number of the first row's first text. errors: by a row's number in the shard, what it alone can't find.
    """

    shard: int
    shards: int
    texts: int
    prompts: int
    digest: str
    present: datetime
    settings: Settings
    template: str | None
    pieces: tuple[Piece, ...]
    first_sequence: int
    errors: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            "format": FORMAT,
            **values,
            "present": self.present.isoformat(),
            "settings": asdict(self.settings),
            "pieces": [asdict(piece) for piece in self.pieces],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Shard":
        """Raises KeyError, TypeError or ValueError if the values are none of a shard, SettingsError."""
        if values["format"] != FORMAT:
            raise ValueError(values["format"])
        settings = {
            name: parse_value(name, value, "settings") for name, value in dict(values["settings"]).items()
        }
        typed: dict[str, Any] = {
            "present": datetime.fromisoformat(values["present"]),
            "settings": Settings(**settings),
            "pieces": tuple(Piece(**piece) for piece in values["pieces"]),
            "errors": {int(row): str(error) for row, error in dict(values["errors"]).items()},
        }
        shard = cls(**{name: values[name] for name in cls.__slots__ if name not in typed}, **typed)
        for each in (shard, *shard.pieces):
            _check_types(each)
        return shard


def _check_types(record: object) -> None:
    """Raise TypeError if a value of the dataclass has another type than its own."""
    for name, kind in get_type_hints(type(record)).items():
        if not isinstance(getattr(record, name), getattr(kind, "__origin__", kind)):
            raise TypeError(name)


def piece_path(folder: Path, number: int) -> Path:
    """Where the bytes of a shard's piece are if they are not left in the piece's own file."""
    return folder / f"piece-{number}"


def read_shard(folder: Path) -> Shard:
    """The shard in the folder. Raises InputError if there is none."""
    path = folder / FILE
    try:
        return Shard.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}; give the folder of a shard") from None
    except SettingsError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: not written by this version of textgen; run: python -m job plan") from None


class ShardRows(RowSource):
    """The rows of a shard, each with the numbers of those of its texts that are in the shard."""

    def __init__(self, shard: Shard, folder: Path) -> None:
        files = [_open_piece(piece, piece_path(folder, number)) for number, piece in enumerate(shard.pieces)]
        template = None if shard.template is None else Template(shard.template)
        row_format = build_format(shard.settings, template)
        super().__init__(
            shard.settings,
            files,
            row_format,
            has_duplicates=False,
            planned=shard.texts,
            present=shard.present,
        )
        self.shard = shard

    def read(self) -> Iterator[Prompt]:
        first, left = self.shard.first_sequence, self.shard.texts
        for number, prompt in enumerate(super().read()):
            prompt.error = self.shard.errors.get(number, prompt.error)
            count = prompt.count_texts(self.settings.num_return_sequences)
            prompt.sequences = range(first, min(count + 1, first + left))
            first, left = 1, left - len(prompt.sequences)
            yield prompt

    def digest(self) -> str:
        return self.shard.digest

    def keep(self) -> None:
        """Nothing: what came from standard input is in the shard's folder."""

    def check(self) -> None:
        """Raise PromptError if the rows are not those that the plan saw."""
        for piece, file in zip(self.shard.pieces, self.files, strict=True):
            if _digest(file) != piece.sha256:
                raise PromptError(f"{file}: changed since the shards were planned; start the run again")


def _open_piece(piece: Piece, copy: Path) -> RowFile:
    if copy.exists():
        return RowFile(copy, piece.name, piece.place, piece.line, 0, piece.end - piece.start)
    return RowFile(Path(piece.path), piece.name, piece.place, piece.line, piece.start, piece.end)


def _digest(file: RowFile) -> str:
    digest, left = hashlib.sha256(), (file.end or 0) - file.start
    try:
        with file.path.open("rb") as stream:
            stream.seek(file.start)
            while chunk := stream.read(min(_CHUNK, left)):
                digest.update(chunk)
                left -= len(chunk)
    except OSError as error:
        raise PromptError(f"{file}: can't be read: {error.strerror}") from None
    return digest.hexdigest()
