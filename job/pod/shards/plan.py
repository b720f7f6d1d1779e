"""The plan of a generation in shards, stored by the pod that made it.

`python -m job plan` leaves plan.json, and a folder for each shard: shard.json, and copies of its rows
(piece-0, …) where they can't be read from their own file by a range of bytes.
"""

import re
from collections.abc import Mapping
from typing import Any

import click

from job.datasets.layout import new_id
from job.datasets.tree import scan
from job.datasets.upload import upload_file
from job.errors import CommitError
from job.generate.shards.plan_json import FILE as PLAN
from job.generate.shards.plan_json import LARGEST, PlannedTexts, read_planned_texts
from job.pod.shards.keys import Plan, Shards
from job.storage.parallel import ignore_progress, map_files
from job.text import counted
from job.untrusted_files import UntrustedPath

SHARD, PIECE = "shard.json", "piece-"
_FILE = re.compile(rf"{re.escape(PLAN)}|\d{{5}}/({re.escape(SHARD)}|{PIECE}\d+)")


def store_plan(shards: Shards, folder: UntrustedPath, lineage: Mapping[str, Any]) -> Plan:
    """Store what `python -m job plan` wrote; the plan that counts. lineage: of the pod that made it.

    Raises CommitError if it is no plan, or changes meanwhile.
    """
    if stored := shards.read_plan():
        click.echo(f"{shards.job}: the plan was stored before")
        return stored
    planned = _read_planned_texts(folder.joinpath(PLAN))
    texts_of_shards = planned.texts_of_shards
    tree = scan([(folder, "")])
    files = [file for file in tree.files if _FILE.fullmatch(file.path)]
    paths = {file.path for file in files}
    for index in range(len(texts_of_shards)):
        if f"{index:05d}/{SHARD}" not in paths:
            raise CommitError(f"{folder.name}/{index:05d}/{SHARD}: no such file; was the plan stopped?")
    prefix = f"plan/{new_id()}/"
    target = shards.prefix + prefix
    map_files(lambda file: upload_file(shards.store, target + file.path, file, {}, ignore_progress), files)
    if scan([(folder, "")]) != tree:
        raise CommitError(f"{folder.name}: changed while it was stored; end what writes to it")
    click.echo(f"{counted(sum(texts_of_shards), 'text')} in {counted(len(texts_of_shards), 'shard')}")
    return shards.decide_plan(Plan(prefix, planned.prompts, texts_of_shards, lineage))


def _read_planned_texts(file: UntrustedPath) -> PlannedTexts:
    try:
        return read_planned_texts(file.read(LARGEST))
    except FileNotFoundError:
        raise CommitError(f"{file.name}: no such file; was the plan stopped?") from None
    except ValueError as problem:
        raise CommitError(f"{file.name}: {problem}") from None
