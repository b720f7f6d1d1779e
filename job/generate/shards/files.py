"""The names of the files that shards of a generation leave in a version, in place of one file.

`outputs-00003-of-00016.jsonl` is what the fourth of 16 shards has of `outputs.jsonl`, and
`outputs-00003-of-00016-00001.jsonl` what did not fit into that. A shard without rows has no file.
"""

import re
from collections.abc import Iterable, Mapping

MOST_SHARDS = 1000
FILES: Mapping[str, str] = {  # that hold the rows, by the setting `format`
    "jsonl": "outputs.jsonl",
    "parquet": "outputs.parquet",
    "openai": "outputs.openai.jsonl",
}


def name_shard_file(name: str, shard: int, shards: int, number: int = 0) -> str:
    """The name of a shard's part of the file `name`; `shard` and `number`, of its own files, are from 0."""
    stem, _, suffix = name.partition(".")
    more = f"-{number:05d}" if number else ""
    return f"{stem}-{shard:05d}-of-{shards:05d}{more}.{suffix}"


def list_shard_files(name: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` that are a shard's part of the file `name`, in the order of its content."""
    stem, _, suffix = name.partition(".")
    pattern = re.compile(
        rf"{re.escape(stem)}-(\d{{5}})-of-(\d{{5}})(?:-(\d{{5}}))?\.{re.escape(suffix)}", re.A
    )
    found = []
    for path in paths:
        if match := pattern.fullmatch(path):
            shard, shards, number = (int(digits or 0) for digits in match.groups())
            if path == name_shard_file(name, shard, shards, number) and shard < shards:
                found.append(((shards, shard, number), path))
    return [path for _, path in sorted(found)]
