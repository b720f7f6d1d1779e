"""What plan.json of a generation in shards says, as everybody reads it who shares the shards out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from job.generate.shards.files import MOST_SHARDS
from job.untrusted_json import parse_record

FILE = "plan.json"
LARGEST = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class PlannedTexts:
    """prompts: how many rows there are; texts_of_shards: how many texts each shard has, in their order."""

    prompts: int
    texts_of_shards: tuple[int, ...]
    settings: Mapping[str, Any]


def read_planned_texts(body: bytes) -> PlannedTexts:
    """Read plan.json, which any program may have written. Raises ValueError if it is none."""
    document = parse_record(body)
    try:
        plan = PlannedTexts(
            document["prompts"], tuple(document["texts_of_shards"]), dict(document["settings"])
        )
    except (KeyError, TypeError, ValueError):
        raise ValueError("not a plan of shards") from None
    if not all(type(number) is int and number >= 0 for number in (plan.prompts, *plan.texts_of_shards)):
        raise ValueError("not a plan of shards")
    if not 1 <= len(plan.texts_of_shards) <= MOST_SHARDS:
        raise ValueError(f"has {len(plan.texts_of_shards)} shards; there may be 1 to {MOST_SHARDS}")
    return plan
